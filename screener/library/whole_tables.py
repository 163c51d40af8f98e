"""Tables of the user's that are read at once: to join, to evaluate with, to train on.

Text tables are read as those of a library are (`screener.library.text_tables`), whatever program
wrote them, and `screener.library.columns.typed_texts` finds out which of their columns are numbers.
Columns of Parquet come in the plain forms of their types (`screener.stores.plain_columns`).
"""

import io
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from screener.errors import ConfigError
from screener.library.columns import distinct_names
from screener.library.sources import Source, content, table_source
from screener.library.text_tables import read_text_table
from screener.stores.files import from_parquet
from screener.stores.plain_columns import decoded, plain_table, require_plain

_KEYS = ("inchikey", "smiles")  # in a table of which no columns are named, one of these is likely


def read_whole(url: str, columns: Sequence[str] | None = None) -> tuple[pa.Table, bool]:
    """A table in a file of text or Parquet.

    Args:
        url: path or URL of CSV or TSV, also compressed, or of Parquet.
        columns: those that are wanted; None for all.
    Returns:
        the table, its columns in the order asked for, and whether it comes from a text format: then
        they are all strings, and an empty cell is empty text.
    Raises:
        ConfigError: there is no such file, it is neither, columns have the same name, a column is
            missing, or one has a type that is not known.
    """
    source = table_source(url)
    if source.format == "parquet":
        return _from_parquet(source, columns), False

    def fit(names: list[str]) -> int:
        if columns is None:
            return sum(name.lower() in _KEYS for name in names)
        return len({*names} & {*columns})

    table = read_text_table(source, fit)
    return table.select(_wanted(source, table.column_names, columns)), True


def _from_parquet(source: Source, columns: Sequence[str] | None) -> pa.Table:
    data = content(source)
    try:
        schema = pq.read_schema(io.BytesIO(data))
        names = distinct_names(schema.names, source.url)
        wanted = _wanted(source, names, columns)
        places = [names.index(name) for name in wanted]
        require_plain(pa.schema([schema.field(place) for place in places]), source.url)
        stored = None if columns is None else [schema.names[place] for place in places]
        table = plain_table(from_parquet(data, stored).rename_columns(wanted))
    except (pa.ArrowException, OSError) as error:
        raise ConfigError(f"{source.url} cannot be read as Parquet: {error}") from error
    for index, name in enumerate(wanted):
        if pa.types.is_binary(table[index].type) and (text := decoded(table[index])) is not None:
            table = table.set_column(index, name, text)
    return table


def _wanted(source: Source, names: list[str], columns: Sequence[str] | None) -> list[str]:
    wanted = names if columns is None else list(columns)
    missing = [name for name in wanted if name not in names]
    if missing:
        listed = ", ".join(names) or "none"
        raise ConfigError(f"{source.url} has no column {missing[0]}; it has {listed}")
    return wanted
