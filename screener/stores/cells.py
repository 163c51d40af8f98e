"""Text in CSV files, written so that a spreadsheet shows it and does not run it.

A spreadsheet takes a cell that begins with `=`, `+`, `-`, `@`, a tab or a line end for a formula,
whoever wrote it. Such a text is written with a single quote before it, which spreadsheets know as
the mark of text. So that it can be told from a quote of the user's own, a text that begins with
quotes and then one of these characters gets one more. Whoever reads CSV takes one such quote away,
so what is written comes back as it was. Numbers are never changed.

    =1+1  ->  '=1+1        '=1+1  ->  ''=1+1        'tis  ->  'tis
"""

import re

import pyarrow as pa
import pyarrow.compute as pc

# the full-width forms are formulas too, where such a keyboard is used
_RUN = "[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]"
_TO_MARK = re.compile(f"'*{_RUN}")
_MARKED = re.compile(f"'+{_RUN}")


def to_cell(text: str) -> str:
    """The text as it is written into CSV."""
    return f"'{text}" if _TO_MARK.match(text) else text


def from_cell(cell: str) -> str:
    """The text of a cell of CSV."""
    return cell[1:] if cell.startswith("'") and _MARKED.match(cell) else cell


def to_cells(table: pa.Table) -> pa.Table:
    """The table as it is written into CSV: names and text columns by `to_cell`."""
    return _each(table, f"^('*{_RUN})", r"'\1").rename_columns(
        [to_cell(name) for name in table.column_names]
    )


def from_cells(table: pa.Table) -> pa.Table:
    """The table that was read from CSV: names and text columns by `from_cell`."""
    return _each(table, f"^'('*{_RUN})", r"\1").rename_columns(
        [from_cell(name) for name in table.column_names]
    )


def _each(table: pa.Table, pattern: str, replacement: str) -> pa.Table:
    for index, field in enumerate(table.schema):
        if pa.types.is_string(field.type) or pa.types.is_large_string(field.type):
            column = pc.replace_substring_regex(
                table[index], pattern=pattern, replacement=replacement, max_replacements=1
            )
            table = table.set_column(index, field, column)
    return table
