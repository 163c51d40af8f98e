"""Input records cut into blocks of one form, whatever format they came in.

The client reads the inputs as a stream; each block becomes a small Parquet file from which a worker
takes over, so inputs need to be readable in one place only. The caller's columns are named `own.`
and their name here.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from screener.errors import ConfigError
from screener.library.columns import library_names
from screener.library.readers import (
    BlankCount,
    Record,
    TableColumns,
    choose_columns,
    has_record,
    read_records,
)
from screener.library.settings import BuildSettings, Layout
from screener.library.sources import FORMATS, Source, require_content
from screener.stores.remote import failures, filesystem_of, reason

OWN = "own."
TABLES = ("csv", "tsv", "parquet")
RAW_CHARACTERS = 200

# and in front of these `input_index`: the position among all records of all inputs
RECORD_SCHEMA = pa.schema(
    [
        ("source", pa.int32()),  # position in the list of inputs
        ("line", pa.int64()),
        ("molblock", pa.bool_()),
        ("text", pa.string()),
        ("source_id", pa.string()),
        ("code", pa.string()),  # null where the record could be read
        ("message", pa.string()),
    ]
)


@dataclass(frozen=True, slots=True)
class Block:
    """A run of consecutive records."""

    number: int
    start: int  # input_index of the first
    records: pa.Table


def check_sources(sources: Sequence[Source], settings: BuildSettings) -> None:
    """Look at the head of every input.

    Raises:
        ConfigError: one is missing, empty, or unreadable as far as its head shows; none of them has
            a record, or what an option names.
    """
    _require_use("--smiles-column", settings.smiles_column, sources, TABLES)
    _require_use("--id-column", settings.id_column, sources, (*TABLES, "sdf"))
    found = [_has_record(source, settings) for source in sources]
    if not any(found):
        raise ConfigError(f"there is no molecule in {', '.join(source.name for source in sources)}")


def _require_use(
    option: str, value: str | None, sources: Sequence[Source], formats: Sequence[str]
) -> None:
    if value is not None and not any(source.format in formats for source in sources):
        endings = ", ".join(end for end, format_ in FORMATS.items() if format_ in formats)
        raise ConfigError(
            f"{option} {value}: no input has named columns ({sources[0].url} is read as "
            f"{sources[0].format.upper()}); leave the option out, or give the file the ending of "
            f"what it is: {endings}"
        )


def _has_record(source: Source, settings: BuildSettings) -> bool:
    require_content(source)
    if source.format != "parquet":
        return has_record(source, settings.smiles_column, settings.id_column)
    with _parquet(source) as file:
        if not file.metadata.num_rows:
            raise ConfigError(f"{source.url} is empty: it has no rows")
        _parquet_columns(source, file.schema_arrow, settings)
    return True


def parquet_types(
    sources: Sequence[Source], settings: BuildSettings
) -> dict[str, list[pa.DataType]]:
    """Types of the caller's columns in Parquet inputs."""
    types: dict[str, list[pa.DataType]] = {}
    for source in sources:
        if source.format == "parquet":
            with _parquet(source) as file:
                schema = file.schema_arrow
                columns = _parquet_columns(source, schema, settings)
            for name in schema.names:
                if name not in (columns.smiles, columns.id):
                    stored = library_names([name])[name]
                    types.setdefault(stored, []).append(_plain(schema.field(name).type))
    return types


class BlockReader:
    """All records of all inputs in order, as blocks; iterate over it once.

    `blank.n` counts the blank lines passed over so far.

    Raises:
        ConfigError: while iterating, an input cannot be read to its end.
    """

    def __init__(self, sources: Sequence[Source], settings: BuildSettings, layout: Layout) -> None:
        self.blank = BlankCount()
        self._sources = sources
        self._settings = settings
        self._layout = layout
        self._number = 0
        self._start = 0

    def __iter__(self) -> Iterator[Block]:
        waiting = _Waiting()
        for position, source in enumerate(self._sources):
            if source.format == "parquet":
                if waiting.records:
                    yield self._block(waiting.table())
                yield from self._parquet_blocks(position, source)
                continue
            columns = (self._settings.smiles_column, self._settings.id_column)
            for record in read_records(source, *columns, self.blank):
                waiting.add(position, source, record)
                if waiting.is_full(self._wanted, self._layout.block_characters):
                    yield self._block(waiting.table())
        if waiting.records:
            yield self._block(waiting.table())

    @property
    def _wanted(self) -> int:
        return self._layout.rows_of_block(self._number)

    def _block(self, records: pa.Table) -> Block:
        indices = pa.array(np.arange(self._start, self._start + records.num_rows))
        block = Block(self._number, self._start, records.add_column(0, "input_index", indices))
        self._number += 1
        self._start += records.num_rows
        return block

    def _parquet_blocks(self, position: int, source: Source) -> Iterator[Block]:
        with _parquet(source) as file:
            columns = _parquet_columns(source, file.schema_arrow, self._settings)
            waiting: pa.Table | None = None
            done = 0
            for batch in file.iter_batches(
                batch_size=self._layout.first_block_rows, use_threads=False
            ):
                table = pa.Table.from_batches([batch])
                waiting = table if waiting is None else pa.concat_tables([waiting, table])
                while waiting.num_rows >= self._wanted:
                    head, waiting = waiting.slice(0, self._wanted), waiting.slice(self._wanted)
                    yield self._block(_from_parquet(head, columns, position, source, done))
                    done += head.num_rows
            if waiting is not None and waiting.num_rows:
                yield self._block(_from_parquet(waiting, columns, position, source, done))


class _Waiting:
    """Records of text inputs that wait for their block to be full."""

    def __init__(self) -> None:
        self.records: list[tuple[int, Source, Record]] = []
        self._characters = 0

    def add(self, position: int, source: Source, record: Record) -> None:
        if record.error is not None:
            record.text = record.text[:RAW_CHARACTERS]
        self.records.append((position, source, record))
        self._characters += sum(map(len, (record.text, record.source_id, *record.own.values())))

    def is_full(self, rows: int, characters: int) -> bool:
        return len(self.records) >= rows or self._characters >= characters

    def table(self) -> pa.Table:
        """What waits, as a table; nothing waits afterwards."""
        records, self.records, self._characters = self.records, [], 0
        errors = [record.error for _, _, record in records]
        columns: dict[str, Any] = {
            "source": [position for position, _, _ in records],
            "line": [record.line for _, _, record in records],
            "molblock": [source.format == "sdf" for _, source, _ in records],
            "text": [record.text for _, _, record in records],
            "source_id": [
                record.source_id or f"{source.name}:{record.line}" for _, source, record in records
            ],
            "code": [error.code if error else None for error in errors],
            "message": [error.message if error else None for error in errors],
        }
        table = pa.Table.from_pydict(columns, schema=RECORD_SCHEMA)
        own = library_names(list(dict.fromkeys(name for _, _, r in records for name in r.own)))
        for name, stored in own.items():
            values = [record.own.get(name) for _, _, record in records]
            table = table.append_column(OWN + stored, pa.array(values, pa.string()))
        return table


@contextmanager
def _parquet(source: Source) -> Iterator[pq.ParquetFile]:
    filesystem, path = filesystem_of(source.url)
    try:
        # read in this thread alone, see `screener.stores.row_groups`
        with filesystem.open(path, "rb") as raw, pq.ParquetFile(raw, pre_buffer=False) as file:
            yield file
    except (pa.ArrowException, *failures()) as error:
        raise ConfigError(f"{source.url} cannot be read as Parquet: {reason(error)}") from error


def _parquet_columns(source: Source, schema: pa.Schema, settings: BuildSettings) -> TableColumns:
    columns = choose_columns(source, schema.names, settings.smiles_column, settings.id_column)
    library_names([name for name in schema.names if name not in (columns.smiles, columns.id)])
    kind = _plain(schema.field(columns.smiles).type)
    if kind != pa.string():
        raise ConfigError(f"{source.url}: column {columns.smiles!r} is {kind}, not text")
    return columns


def _plain(kind: pa.DataType) -> pa.DataType:
    """The type without dictionary encoding, and one kind of text."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return pa.string() if pa.types.is_large_string(kind) else kind


def _from_parquet(
    table: pa.Table, columns: TableColumns, position: int, source: Source, first: int
) -> pa.Table:
    n = table.num_rows
    lines = np.arange(first + 1, first + n + 1)
    places = pa.array([f"{source.name}:{line}" for line in lines])
    ids = places
    if columns.id is not None:
        given = table[columns.id].cast(pa.string())
        named = pc.fill_null(pc.greater(pc.utf8_length(given), 0), False)
        ids = pc.if_else(named, given, pa.chunked_array([places]))
    result = pa.table(
        [
            pa.array(np.full(n, position, dtype=np.int32)),
            pa.array(lines),
            pa.array(np.zeros(n, dtype=bool)),
            pc.fill_null(table[columns.smiles].cast(pa.string()), ""),
            ids,
            pa.nulls(n, pa.string()),
            pa.nulls(n, pa.string()),
        ],
        schema=RECORD_SCHEMA,
    )
    own = [name for name in table.column_names if name not in (columns.smiles, columns.id)]
    for name, stored in library_names(own).items():
        column = table[name]
        result = result.append_column(OWN + stored, column.cast(_plain(column.type)))
    return result
