"""Lines of a text file, however long, each with its number and the byte at which it begins.

A line of megabytes is cut while it is read, so that memory stays bounded, and says so.
"""

import codecs
import io
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from screener.errors import MoleculeError

MAX_LINE_BYTES = 1 << 20


class Line(NamedTuple):
    """One line by itself, which can be kept while others are read."""

    number: int
    text: str
    error: MoleculeError | None  # the text is not what the file holds
    start: int  # byte at which the line begins
    encoding: str

    def pieces(self, lengths: Sequence[int]) -> "list[Line]":
        """The line cut into several, each without the character that follows it.

        Args:
            lengths: characters of each.
        """
        pieces, at, start = [], 0, self.start
        for length in lengths:
            pieces.append(self._replace(text=self.text[at : at + length], start=start))
            start += len(self.text[at : at + length + 1].encode(self.encoding))
            at += length + 1
        return pieces


class Lines:
    """Iterates over the lines of a stream without their ends.

    UTF-8 is expected, and a line that is not is read as Windows-1252, which spreadsheets write and
    of which Latin-1 is a part. `number` is the 1-based number of the last line read, `error` what
    is wrong with it if it was longer than `MAX_LINE_BYTES` or in neither encoding, `encoding` how
    it was read, `start` and `end` the bytes at which it begins and at which the next one does.

    Args:
        stream: begins at the start of a line.
        offset: bytes of the input before the stream's first.
        lines_before: lines of the input before the stream's first.
    """

    def __init__(
        self, stream: "io.BufferedReader[Any]", offset: int = 0, lines_before: int = 0
    ) -> None:
        self.number = lines_before
        self.error: MoleculeError | None = None
        self.encoding = "utf-8"
        self.start = self.end = offset
        self._readline = stream.readline

    def __iter__(self) -> "Lines":
        return self

    def __next__(self) -> str:
        line = self._readline(MAX_LINE_BYTES)
        if not line:
            raise StopIteration
        self.number += 1
        self.start = self.end
        self.end += len(line)
        is_cut = len(line) >= MAX_LINE_BYTES and not line.endswith(b"\n")
        rest = line
        while rest and not rest.endswith(b"\n"):  # the remainder of a cut line, or the file's end
            rest = self._readline(MAX_LINE_BYTES)
            self.end += len(rest)
        if line.endswith(b"\n"):  # and CR, or CR CR, before it
            line = line[:-1].removesuffix(b"\r")
        line = line.removesuffix(b"\r")
        self.error = _too_long() if is_cut else None
        for self.encoding in ("utf-8", "cp1252"):
            try:
                return line.decode(self.encoding)
            except UnicodeDecodeError as error:
                place, value = error.start, line[error.start]
        self.encoding = "latin-1"
        self.error = self.error or MoleculeError(
            "unknown_encoding",
            f"byte {place + 1} of line {self.number} is 0x{value:02x}, which is no text in UTF-8 "
            "and none in Windows-1252; save the file as UTF-8",
        )
        return line.decode(self.encoding)


def numbered(lines: Lines) -> Iterator[Line]:
    """The lines, each with its number, what is wrong with it, and where it begins."""
    return (Line(lines.number, text, lines.error, lines.start, lines.encoding) for text in lines)


def _too_long() -> MoleculeError:
    return MoleculeError("too_long", f"longer than {MAX_LINE_BYTES} bytes; the rest is left out")


def skip_byte_order_mark(stream: io.BufferedReader) -> int:
    """Pass over UTF-8's byte order mark at the beginning of a stream; returns its bytes, or 0."""
    if not stream.peek(3).startswith(codecs.BOM_UTF8):
        return 0
    return len(stream.read(3))
