"""Rows of CSV text, such that a broken one costs its own line and none of those after it.

A field in quotes may go on over several lines, so a quote that is never closed would take all that
follows into one field. Such a line is a row with an error, and the line after it is read anew.
"""

import csv
from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from screener.errors import MoleculeError
from screener.library.lines import Line, too_long

# A row that goes on longer is taken for an unclosed quote; a mol block of 100 atoms has 210 lines.
MAX_ROW_LINES = 250
MAX_ROW_CHARACTERS = 1 << 20


class Row(NamedTuple):
    """One row of a table, or a line that is none."""

    first: Line
    fields: list[str]  # none where there is an error
    error: MoleculeError | None = None


class CsvRows:
    """All rows in order; iterate over it once.

    A row of one line is read with all the patience of Python's `csv`. One that goes on over several
    has to be strictly CSV and no wider than the table.

    Args:
        lines: begin at the start of a row.
        separator: one character.
        width: fields of the table's first row, where the lines begin after it.
    """

    def __init__(self, lines: Iterator[Line], separator: str, width: int = 0) -> None:
        self._lines = lines
        self._separator = separator
        self._again: deque[Line] = deque()  # read in search of a closing quote, and given back
        self._width = width  # 0 until the first row is read

    def __iter__(self) -> Iterator[Row]:
        for first in self._stream():
            row = self._row(first)
            self._width = self._width or len(row.fields)
            yield row

    def _stream(self) -> Iterator[Line]:
        while (line := self._next()) is not None:
            yield line

    def _next(self) -> Line | None:
        return self._again.popleft() if self._again else next(self._lines, None)

    def _row(self, first: Line) -> Row:
        if first.cut:
            return Row(first, [], too_long())
        reader = csv.reader([f"{first.text}\n", "\n"], delimiter=self._separator)
        try:
            fields = next(reader)
        except csv.Error:
            return Row(first, [], _problem_of_line(first))
        # the reader asks for a second line only inside quotes
        return Row(first, fields) if reader.line_num == 1 else self._row_of_lines(first)

    def _row_of_lines(self, first: Line) -> Row:
        taken = [first]

        def texts() -> Iterator[str]:
            yield f"{first.text}\n"
            size = 0
            for line in self._stream():
                taken.append(line)
                size += len(line.text)
                if line.cut or len(taken) > MAX_ROW_LINES or size > MAX_ROW_CHARACTERS:
                    return
                yield f"{line.text}\n"

        try:
            fields = next(csv.reader(texts(), delimiter=self._separator, strict=True))
            if not self._width or len(fields) <= self._width:
                return Row(first, fields)
        except csv.Error:  # a closing quote amid a field, a field too long, or no end
            pass
        self._again.extendleft(reversed(taken[1:]))
        # where the search for the other quote ended is not told: it depends on what is read at once
        message = (
            f"it opens a quote that is not closed within {MAX_ROW_LINES} lines, or not at the end "
            "of a field; close it, or write a quote inside a quoted field twice"
        )
        return Row(first, [], MoleculeError("invalid_csv", message))


def _problem_of_line(line: Line) -> MoleculeError:
    limit = csv.field_size_limit()
    if len(line.text) > limit:
        return MoleculeError("too_long", f"a field is longer than {limit} characters")
    return MoleculeError("invalid_csv", "a carriage return stands in the middle of the line")
