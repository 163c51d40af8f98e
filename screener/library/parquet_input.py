"""Records of Parquet inputs, whose columns have types.

Which columns hold what, how a table becomes records, and how row groups are copied into files that
hold a block each: a row group of a million rows can only be read whole.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from screener.errors import ConfigError
from screener.library.columns import distinct_names, library_name
from screener.library.readers import TableColumns, choose_columns
from screener.library.record_schema import OWN, RECORD_SCHEMA
from screener.library.settings import BuildSettings, Layout
from screener.library.sources import Source
from screener.stores.plain_columns import decoded, plain_table, plain_type, readable, require_plain
from screener.stores.remote import failures, filesystem_of, opened, reason


@contextmanager
def opened_parquet(source: Source) -> Iterator[pq.ParquetFile]:
    """A Parquet source.

    Raises:
        ConfigError: it cannot be read, now or while it is used.
    """
    filesystem, path = filesystem_of(source.url)
    try:
        # read in this thread alone, see `screener.stores.row_groups`
        with (
            opened(filesystem, path, source.url) as raw,
            pq.ParquetFile(raw, pre_buffer=False) as file,
        ):
            yield file
    except (pa.ArrowException, *failures()) as error:
        raise ConfigError(f"{source.url} cannot be read as Parquet: {reason(error)}") from error


def require_rows(source: Source, settings: BuildSettings) -> None:
    """Raises ConfigError: a Parquet source is unreadable, empty or without a SMILES column."""
    with opened_parquet(source) as file:
        if not file.metadata.num_rows:
            raise ConfigError(f"{source.url} is empty: it has no rows")
        parquet_columns(source, file.schema_arrow, settings)


def row_group_sizes(source: Source) -> list[int]:
    """Rows in each row group. Raises ConfigError: the source cannot be read."""
    with opened_parquet(source) as file:
        groups = range(file.metadata.num_row_groups)
        return [int(file.metadata.row_group(group).num_rows) for group in groups]


def parquet_types(
    sources: Sequence[Source], settings: BuildSettings
) -> dict[str, list[pa.DataType]]:
    """Types of the caller's columns in Parquet inputs."""
    types: dict[str, list[pa.DataType]] = {}
    for source in sources:
        if source.format == "parquet":
            with opened_parquet(source) as file:
                schema = file.schema_arrow
                columns = parquet_columns(source, schema, settings)
            names = distinct_names(schema.names, source.url)
            for name, kind in zip(names, schema.types, strict=True):
                if name not in (columns.smiles, columns.id):
                    types.setdefault(library_name(name), []).append(plain_type(kind))
    return types


def parquet_columns(source: Source, schema: pa.Schema, settings: BuildSettings) -> TableColumns:
    """Which columns hold the SMILES and the ids.

    Args:
        source: for messages.
        schema: of the file.
        settings: name the columns, or leave them to be found.
    Returns:
        The names of the two columns.
    Raises:
        ConfigError: there is no SMILES column, it is not text, the ids are no single values, names
            repeat, or a type is not known.
    """
    names = distinct_names(schema.names, source.url)
    columns = choose_columns(source, names, settings.smiles_column, settings.id_column)
    require_plain(schema, source.url)
    types = dict(zip(names, map(plain_type, schema.types), strict=True))
    kind = types[columns.smiles]
    if kind not in (pa.string(), pa.binary()):
        raise ConfigError(f"{source.url}: column {columns.smiles!r} is {kind}, not text")
    if columns.id is not None and pa.types.is_nested(types[columns.id]):
        raise ConfigError(
            f"{source.url}: column {columns.id!r} is {types[columns.id]}, and an id is a single "
            "value; name another column with --id-column"
        )
    return columns


def pieces_of_row_groups(
    source: Source, groups: range, layout: Layout, grows: bool
) -> Iterator[pa.Table]:
    """The rows of some row groups, in tables of as many rows as a block has.

    Args:
        source: a Parquet file.
        groups: a run of row groups.
        layout: how large blocks are.
        grows: whether the first tables are to be small, as blocks are.
    Yields:
        Tables of all columns, in order; none has more rows than a block.
    Raises:
        ConfigError: the source cannot be read.
    """
    with opened_parquet(source) as file:
        waiting: pa.Table | None = None
        number = 0
        for batch in file.iter_batches(
            batch_size=layout.first_block_rows, row_groups=list(groups), use_threads=False
        ):
            table = pa.Table.from_batches([batch])
            waiting = table if waiting is None else pa.concat_tables([waiting, table])
            while waiting.num_rows >= (
                wanted := layout.rows_of_block(number) if grows else layout.block_rows
            ):
                yield waiting.slice(0, wanted)
                waiting = waiting.slice(wanted)
                number += 1
        if waiting is not None and waiting.num_rows:
            yield waiting


def parquet_records(
    table: pa.Table, source: Source, position: int, rows_before: int, settings: BuildSettings
) -> pa.Table:
    """Records from rows of a Parquet source.

    Args:
        table: (n_rows), all columns of the source.
        source: what they are from.
        position: of the source among the inputs.
        rows_before: rows of the source before the first.
        settings: name the columns of SMILES and ids, or leave them to be found.
    Returns:
        n_rows records, see `screener.library.record_schema`.
    Raises:
        ConfigError: there is no SMILES column.
    """
    columns = parquet_columns(source, table.schema, settings)
    table = plain_table(table).rename_columns(distinct_names(table.column_names, source.url))
    n = table.num_rows
    lines = np.arange(rows_before + 1, rows_before + n + 1)
    places = pa.array([f"{source.name}:{line}" for line in lines])
    ids = places
    if columns.id is not None:
        given = _texts(table[columns.id])
        named = pc.fill_null(pc.greater(pc.utf8_length(given), 0), False)
        ids = pc.if_else(named, given, pa.chunked_array([places]))
    result = pa.table(
        [
            pa.array(np.full(n, position, dtype=np.int32)),
            pa.array(lines),
            pa.array(np.zeros(n, dtype=bool)),
            pc.fill_null(_texts(table[columns.smiles]), ""),
            ids,
            pa.nulls(n, pa.string()),
            pa.nulls(n, pa.string()),
        ],
        schema=RECORD_SCHEMA,
    )
    for name in table.column_names:
        if name not in (columns.smiles, columns.id):
            result = result.append_column(OWN + library_name(name), table[name])
    return result


def _texts(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Values as text; of bytes that are no text one by one, so that the others can be read."""
    if not pa.types.is_binary(column.type) or decoded(column) is not None:
        return readable(column)
    texts = [value and value.decode("utf-8", "replace") for value in column.to_pylist()]
    return pa.chunked_array([pa.array(texts, pa.string())])
