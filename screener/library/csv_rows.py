"""Rows of CSV text, such that a broken one costs its own line and none of those after it.

A field in quotes may go on over several lines, so a quote that is never closed would take all that
follows into one field. Such a line is a row with an error, and the line after it is read anew.
"""

import csv
import re
from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from screener.errors import MoleculeError
from screener.library.lines import Line

# A row that goes on longer is taken for an unclosed quote; a mol block of 100 atoms has 210 lines.
MAX_ROW_LINES = 250
MAX_ROW_CHARACTERS = 1 << 20

# up to a carriage return that is in no quotes
_PIECE = re.compile(r'(?:[^"\r]++|"[^"]*+(?:"|\Z))*+')
_PIECE_IN_QUOTES = re.compile(rf'[^"]*+(?:"{_PIECE.pattern})?')


class Row(NamedTuple):
    """One row of a table, or a line that is none."""

    first: Line
    fields: list[str]  # none where there is an error
    error: MoleculeError | None = None


class CsvRows:
    """All rows in order; iterate over it once.

    A row of one line is read with all the patience of Python's `csv`. One that goes on over several
    has to be strictly CSV and no wider than the table, but for empty fields. A carriage return that
    stands alone and in no quotes ends a row as well; the rows that it divides have the number of
    their line.

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
        if first.error is not None:
            return Row(first, [], first.error)
        if "\r" in first.text:
            first, *others = _divided(first)
            self._again.extendleft(reversed(others))
        if '"' not in first.text and len(first.text) <= csv.field_size_limit():
            return Row(first, first.text.split(self._separator) if first.text else [])
        reader = csv.reader([f"{first.text}\n", "\n"], delimiter=self._separator)
        try:
            fields = next(reader)
        except csv.Error:
            return Row(first, [], _problem_of_line(first))
        # the reader asks for a second line only inside quotes
        return Row(first, fields) if reader.line_num == 1 else self._row_of_lines(first)

    def _row_of_lines(self, first: Line) -> Row:
        taken = [first]
        rest: list[Line] = []

        def texts() -> Iterator[str]:
            yield f"{first.text}\n"
            size = 0
            for line in self._stream():
                taken.append(line)
                size += len(line.text)
                if line.error or len(taken) > MAX_ROW_LINES or size > MAX_ROW_CHARACTERS:
                    return
                piece = _PIECE_IN_QUOTES.match(line.text)
                if piece is not None and piece.end() < len(line.text):
                    rest[:] = line.pieces([piece.end(), len(line.text) - piece.end() - 1])[1:]
                    yield f"{piece[0]}\n"
                    return
                yield f"{line.text}\n"

        try:
            fields = next(csv.reader(texts(), delimiter=self._separator, strict=True))
            if not self._width or not any(map(str.strip, fields[self._width :])):
                self._again.extendleft(rest)
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


def _divided(line: Line) -> list[Line]:
    """The rows of a line in which carriage returns stand."""
    lengths = []
    at = 0
    while at <= len(line.text):
        piece = _PIECE.match(line.text, at)
        assert piece is not None  # it may be empty
        lengths.append(len(piece[0]))
        at = piece.end() + 1
    return line.pieces(lengths)


def _problem_of_line(line: Line) -> MoleculeError:
    limit = csv.field_size_limit()
    if len(line.text) > limit:
        return MoleculeError("too_long", f"a field is longer than {limit} characters")
    return MoleculeError("invalid_csv", "a carriage return stands in the middle of the line")
