"""Line ends of every kind, read as the one that the readers know.

A line ends in LF, in CR LF, or in a CR alone, as older programs and spreadsheets on a Macintosh
write it; one file may have all of them. Readers and cutters look for LF, so a lone CR is given to
them as an LF. A byte takes the place of a byte, so offsets mean the same before and after, and what
becomes of a byte depends only on the two after it: a file may be read from anywhere.
"""

import re
from typing import Protocol

from screener.library.chunk_stream import ChunkStream

LOOKED_AT = 2  # bytes after a CR that say whether it stands alone
HEAD = 1 << 20  # bytes of a table that say how its lines end
_CHUNK = HEAD
# CR CR LF is what remains of CR LF that was written as text once more: it ends one line
_ALONE = re.compile(rb"\r(?!\r?\n)")


def ends_in_returns(head: bytes) -> bool:
    """Whether a table's lines end in a CR alone.

    In a table with other line ends a CR may be a part of a field in quotes, and stays.

    Args:
        head: the first `HEAD` bytes of the table, or all of it.
    """
    return b"\r" in head and b"\n" not in head


class Readable(Protocol):
    """What bytes are read from."""

    def read(self, size: int, /) -> bytes | None:
        """Up to `size` bytes; none at the end."""
        ...


class OneLineEnd(ChunkStream):
    """A stream in which every line ends in LF or CR LF.

    Args:
        stream: begins at any byte of SMILES or SDF, or at the beginning of a table.
        is_table: whether it is CSV or TSV, in which a CR is a line end only if the head has no LF;
            the stream's `read` then has to give all that is asked for.
        n_bytes: how many are given out; None for all. The stream may hold up to `LOOKED_AT` more,
            which only show what the last ones are.
    """

    def __init__(
        self, stream: Readable, is_table: bool = False, n_bytes: int | None = None
    ) -> None:
        super().__init__()
        self._stream = stream
        self._asks = is_table
        self._changes = True
        self._left = n_bytes
        self._held = b""  # returns at the end of what was read, which may belong to an LF
        self._is_over = False

    def next_chunk(self) -> bytes:
        """The bytes of another read of the stream, but those that are held back."""
        chunk = b""
        while not chunk and not self._is_over:
            chunk = self._read()
        return chunk

    def _read(self) -> bytes:
        chunk = self._stream.read(_CHUNK) or b""
        if self._asks:
            self._asks, self._changes = False, ends_in_returns(chunk)
        data = self._held + chunk
        n_held = 0
        if chunk and data.endswith(b"\r"):
            n_held = len(data[-LOOKED_AT:]) - len(data[-LOOKED_AT:].rstrip(b"\r"))
        self._held = data[len(data) - n_held :]
        if self._changes and data.count(b"\r") > data.count(b"\r\n"):
            data = _ALONE.sub(b"\n", data)
        ready = data[: len(data) - n_held]
        self._is_over = not chunk
        if self._left is not None:
            ready = ready[: self._left]
            self._left -= len(ready)
            self._is_over = self._is_over or not self._left
        return ready
