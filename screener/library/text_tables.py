"""Text tables of whatever program wrote them: a header and rows of text cells.

Columns are separated by commas, semicolons or tabs, as the header shows, or by what a first line
`sep=;` of a spreadsheet names. A column may have no name, as the index of a data frame has none,
and the last ones none and no cells, where a separator ends every line. What marks cells as text for
spreadsheets is taken away (`screener.stores.cells`). What the cells mean is decided elsewhere.
"""

import csv
import re
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from screener.errors import ConfigError, MoleculeError
from screener.library.columns import distinct_names
from screener.library.csv_rows import CsvRows, Row
from screener.library.lines import Line, Lines, numbered, skip_byte_order_mark
from screener.library.sources import Source, opened
from screener.stores.cells import from_cell, from_cells

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs"}
_NAMED_SEPARATOR = re.compile(r'"?sep=([^\w"])"?[\s,;]*', re.IGNORECASE)
_ROWS_AT_ONCE = 1 << 16


class Header(NamedTuple):
    """The header of a table, and what follows it."""

    separator: str
    cells: list[str]  # as they stand there
    rows: Iterator[Row]  # all others


def read_header(source: Source, lines: Iterator[Line], fit: Callable[[list[str]], int]) -> Header:
    """Read the header of a table, and find the separator by it.

    Args:
        source: for messages; at a tie its format's own separator is taken.
        lines: begin at the start of the table.
        fit: how well the names of columns are what is looked for.
    Returns:
        What fits best, or else gives most columns.
    Raises:
        ConfigError: there is no header.
    """
    separator = None
    first = next((line for line in lines if line.text.strip(' \t,;"')), None)
    if first is not None and (named := _NAMED_SEPARATOR.fullmatch(first.text)) is not None:
        separator = named[1]
        first = next((line for line in lines if line.text.strip(f' \t,;"{separator}')), None)
    if first is None:
        raise ConfigError(f"{source.url} has no line that names its columns")
    if separator is None:
        separator = _separator(source, first, fit)
    rows = iter(CsvRows(chain([first], lines), separator))
    row = next(rows)
    if row.error is not None:
        raise ConfigError(
            f"{source.url}: line {row.first.number} is no list of columns: {row.error.message}"
        )
    return Header(separator, row.fields, rows)


def names_of(cells: Sequence[str]) -> list[str]:
    """The names of columns in the cells of a header; empty where a cell is."""
    return [from_cell(cell).strip() for cell in cells]


def _separator(source: Source, header: Line, fit: Callable[[list[str]], int]) -> str:
    def fits(separator: str) -> tuple[int, int]:
        try:
            names = names_of(next(csv.reader([header.text], delimiter=separator)))
        except csv.Error:  # it is told when the header is read as a row
            return 0, 0
        return fit(names), len(names)

    own = "\t" if source.format == "tsv" else ","
    return max([own, *SEPARATORS], key=fits)


def is_blank(row: Row) -> bool:
    """Whether no cell of a row has anything, as in rows of a spreadsheet that were emptied."""
    return row.error is None and not any(map(str.strip, row.fields))


def problem_of(row: Row, separator: str, width: int) -> MoleculeError | None:
    """What is wrong with a row.

    Args:
        row: of a table.
        separator: of its columns.
        width: how many columns its header has; cells beyond these have to be empty.
    Returns:
        the error, or None.
    """
    if len(row.fields) <= width or not any(map(str.strip, row.fields[width:])):
        return row.error
    return MoleculeError(
        "invalid_csv",
        f"{len(row.fields)} fields, but {width} columns; put fields with "
        f"{SEPARATORS.get(separator, repr(separator))} in quotes",
    )


def read_text_table(source: Source, fit: Callable[[list[str]], int]) -> pa.Table:
    """Read a whole table.

    Args:
        source: CSV or TSV.
        fit: how well the names of columns are what is looked for (see `read_header`).
    Returns:
        All columns as text, which is empty where a cell is. A column without a name is called by
        its place (`screener.library.columns.distinct_names`), and left out if all of it is empty.
    Raises:
        ConfigError: the file cannot be read, or is no such table; the message names the line.
    """
    with opened(source) as stream:
        lines = Lines(stream, skip_byte_order_mark(stream))
        separator, cells, rows = read_header(source, numbered(lines), fit)
        width = len(cells)
        texts = _cells(source, rows, separator, width)
        kind = pa.schema([(str(k), pa.string()) for k in range(width)])
        batches = []
        while some := list(islice(texts, _ROWS_AT_ONCE)):
            columns = [pa.array(column, pa.string()) for column in zip(*some, strict=True)]
            batches.append(pa.RecordBatch.from_arrays(columns, schema=kind))
    table = from_cells(pa.Table.from_batches(batches, kind))
    names = names_of(cells)
    kept = [k for k, name in enumerate(names) if name or pc.any(pc.not_equal(table[k], "")).as_py()]
    named = distinct_names(names, source.url)
    return table.select(kept).rename_columns([named[k] for k in kept])


def _cells(source: Source, rows: Iterator[Row], separator: str, width: int) -> Iterator[list[str]]:
    """The cells of each row that is not blank, `width` of them."""
    for row in rows:
        error = problem_of(row, separator, width)
        if error is not None:
            raise ConfigError(f"{source.url}: line {row.first.number}: {error.message}")
        if not is_blank(row):
            yield row.fields[:width] + [""] * (width - len(row.fields))
