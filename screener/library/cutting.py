"""Where a text input may be cut into pieces that are read apart.

A cut lies between two records. A line of a SMILES file is a record, whatever came before, so such a
file is cut at line ends; an SDF is cut after lines that begin with `$$$$`. Both can be looked
through from any byte on. A row of a table may go on over several lines once a quote is opened, so
tables are looked through from their first row: at the speed of a search for line ends as long as
every field that is in quotes begins and ends on one line, and row by row, as they are read later,
from the first one on that does not.
"""

import io
import re
from collections.abc import Iterator
from functools import cache
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from screener.library.csv_rows import CsvRows
from screener.library.lines import MAX_LINE_BYTES, Lines, numbered
from screener.library.readers import TableHead
from screener.library.settings import Layout

_CHUNK = 1 << 20
_ROWS_AT_ONCE = 1024
_NEWLINE = ord("\n")
_END_OF_RECORD = re.compile(rb"\n(?=\$\$\$\$)")  # the line after this one ends an SDF record
_END_MARK = b"$$$$"


class Mark(NamedTuple):
    """A place between two records at which an input is cut."""

    offset: int  # byte at which the next record begins
    line: int  # lines before it, counted from where the search began
    rows: int  # records since the last mark; of text, the lines that may hold one


class Cutter:
    """Finds the marks in a text input, or in one span of it.

    Iterate over `marks` to its end; `n_lines`, `n_rows` and `end` then say what the whole span
    holds: line ends, records after the last mark, and the byte at which the search ended.

    Args:
        is_sdf: whether records end at `$$$$`.
        table: the head of a table; None for SMILES and SDF.
        layout: how large pieces are.
        start: byte of the input at which the search begins; for a table, that of its first row.
        grows: whether the first pieces are to be small, as blocks are.
    """

    def __init__(
        self, is_sdf: bool, table: TableHead | None, layout: Layout, start: int, grows: bool
    ) -> None:
        self.n_lines = 0
        self.n_rows = 0
        self.end = start
        self._is_sdf = is_sdf
        self._table = table
        self._layout = layout
        self._piece = 0 if grows else None  # number of the piece
        self._last = start  # the last mark
        self._tail = b""  # of the last chunk, where `$$$$` may begin
        self._ending = False  # the line that is not over yet began with `$$$$`

    def marks(self, stream: "io.BufferedReader[Any]") -> Iterator[Mark]:
        """The marks, as the stream is read.

        Args:
            stream: begins at `start`.
        """
        while chunk := stream.read(_CHUNK):
            if self._table is not None:
                chunk += stream.readline(MAX_LINE_BYTES)
                if b'"' in chunk and not _are_rows(chunk, self._table.separator):
                    yield from self._in_rows(self._table, chunk, stream)
                    return
            ends = np.flatnonzero(np.frombuffer(chunk, np.uint8) == _NEWLINE) + 1
            lines = np.arange(self.n_lines + 1, self.n_lines + len(ends) + 1)
            every = np.arange(len(ends))
            chosen = self._ends_of_records(chunk, ends) if self._is_sdf else every
            yield from self._chosen(ends[chosen] + self.end, lines[chosen])
            self.n_lines += len(ends)
            self.end += len(chunk)
            if self._table is not None and not chunk.endswith(b"\n"):
                self._pass_over(stream)

    def _pass_over(self, stream: "io.BufferedReader[Any]") -> None:
        """The rest of a table's line that is too long to be read, so that quotes do not count."""
        while rest := stream.readline(MAX_LINE_BYTES):
            self.end += len(rest)
            if rest.endswith(b"\n"):
                self.n_lines += 1
                self.n_rows += 1
                return

    def _ends_of_records(self, chunk: bytes, ends: NDArray[np.int64]) -> NDArray[np.int64]:
        """Positions among `ends` at which an SDF record is over."""
        n_tail = len(self._tail)
        begun = [match.start() - n_tail for match in _END_OF_RECORD.finditer(self._tail + chunk)]
        # the line that begins at `begun + 1` ends at the first end beyond
        positions = np.searchsorted(ends, np.array(begun, dtype=np.int64) + 1, side="right")
        is_over = positions < len(ends)
        first = [0] if self._ending and len(ends) else []
        self._ending = not is_over.all() or (self._ending and not len(ends))
        self._tail = (self._tail + chunk)[-len(_END_MARK) :]
        return np.concatenate([np.array(first, dtype=np.int64), positions[is_over]])

    def _in_rows(
        self, table: TableHead, begun: bytes, stream: "io.BufferedReader[Any]"
    ) -> Iterator[Mark]:
        """Marks of a table's rest, row by row.

        Args:
            begun: what was read already; begins where a row does.
        """
        rest = io.BufferedReader(_Joined(begun, stream), _CHUNK)
        lines = Lines(rest, self.end, self.n_lines)
        rows = iter(CsvRows(numbered(lines), table.separator, len(table.names)))
        next(rows)
        begins = ((row.first.start, row.first.number - 1) for row in rows)
        while run := list(islice(begins, _ROWS_AT_ONCE)):
            starts = np.array(run, dtype=np.int64)
            yield from self._chosen(starts[:, 0], starts[:, 1])
        self.n_rows += 1  # the last row, after which none begins
        self.n_lines, self.end = lines.number, lines.end

    def _chosen(self, offsets: NDArray[np.int64], lines: NDArray[np.int64]) -> Iterator[Mark]:
        """Of places between records, those at which pieces end."""
        seen = 0
        while True:
            wanted = self._layout.block_rows
            if self._piece is not None:
                wanted = self._layout.rows_of_block(self._piece)
            full = np.searchsorted(offsets, self._last + self._layout.block_bytes)
            at = min(seen + wanted - self.n_rows - 1, max(seen, int(full)))
            if at >= len(offsets):
                self.n_rows += len(offsets) - seen
                return
            yield Mark(int(offsets[at]), int(lines[at]), self.n_rows + at + 1 - seen)
            self._last = int(offsets[at])
            self.n_rows = 0
            seen = at + 1
            if self._piece is not None:
                self._piece += 1


def _are_rows(lines: bytes, separator: str) -> bool:
    """Whether every one of these lines of a table is a row by itself, and strictly CSV."""
    return _rows_pattern(re.escape(separator.encode())).fullmatch(lines) is not None


@cache
def _rows_pattern(separator: bytes) -> re.Pattern[bytes]:
    in_quotes = rb'"[^"\r\n]*+(?:""[^"\r\n]*+)*+"'
    field = rb'(?:%b|[^"\r\n%b]*+)' % (in_quotes, separator)
    return re.compile(rb"(?:%b(?:%b%b)*+\r?\n)*+" % (field, separator, field))


class _Joined(io.RawIOBase):
    """Bytes that were read already, then the rest of their stream."""

    def __init__(self, begun: bytes, stream: "io.BufferedReader[Any]") -> None:
        self._begun = memoryview(begun)
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]  # any buffer
        data = self._begun[: len(buffer)] or self._stream.read(len(buffer))
        self._begun = self._begun[len(buffer) :]
        buffer[: len(data)] = data
        return len(data)
