"""Blocks of input records: which parts of which inputs make a block, and how it is read.

A block is a run of consecutive records in one form, whatever format they came in. It is described
by the ranges of the inputs that hold it, so that whoever works on a block can read it alone.
"""

import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from screener.errors import ConfigError
from screener.library.columns import library_name
from screener.library.line_ends import OneLineEnd
from screener.library.lines import Lines
from screener.library.parquet_input import parquet_records, require_rows
from screener.library.readers import BlankCount, Record, TableHead, has_record, records_of
from screener.library.record_schema import ORDER_BITS, OWN, RECORD_SCHEMA
from screener.library.settings import BuildSettings, Layout
from screener.library.sources import FORMATS, RangeReader, Source, require_content
from screener.stores.quarantine import shortened

TABLES = ("csv", "tsv", "parquet")
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Input:
    """One input, with what reading a part of it takes."""

    source: Source
    table: TableHead | None = None  # of CSV and TSV
    is_copied: bool = False  # whether its text lies unpacked among the temporary files


@dataclass(frozen=True, slots=True)
class RecordRange:
    """Some consecutive records of one input."""

    source: int  # position in the list of inputs
    file: str  # a copy of just these records among the temporary files; empty where there is none
    start: int  # byte of the input, unpacked and in UTF-8, or row of a Parquet input
    stop: int  # the one after the last
    line: int  # lines before the first record
    rows: int  # records, about


def check_sources(sources: Sequence[Source], settings: BuildSettings) -> None:
    """Look at the head of every input.

    Raises:
        ConfigError: one is missing, empty, or unreadable as far as its head shows; none of them has
            a record, or what an option names.
    """
    _require_use("--smiles-column", settings.smiles_column, sources, TABLES)
    _require_use("--id-column", settings.id_column, sources, (*TABLES, "sdf"))
    with_record = [_has_record(source, settings) for source in sources]
    if not any(with_record):
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
    require_rows(source, settings)
    return True


def join_ranges(ranges: Iterable[RecordRange], layout: Layout) -> Iterator[list[RecordRange]]:
    """Blocks made of ranges in the order of the input.

    Text inputs may share a block; a Parquet input, whose columns have types of their own, shares
    none.

    Args:
        ranges: none larger than a block.
        layout: how large blocks are.
    Yields:
        The ranges of each block, neighbours joined.
    """
    block: list[RecordRange] = []
    n_rows, n_bytes, number = 0, 0, 0
    for each in ranges:
        size = 0 if each.file else each.stop - each.start
        if block and (
            n_rows + each.rows > layout.rows_of_block(number)
            or n_bytes + size > layout.block_bytes
            or ((each.file or block[-1].file) and each.source != block[-1].source)
        ):
            yield block
            block, n_rows, n_bytes, number = [], 0, 0, number + 1
        last = block[-1] if block else None
        if last and not each.file and (last.source, last.stop) == (each.source, each.start):
            block[-1] = replace(last, stop=each.stop, rows=last.rows + each.rows)
        else:
            block.append(each)
        n_rows += each.rows
        n_bytes += size
    if block:
        yield block


def read_block(
    number: int,
    ranges: Sequence[RecordRange],
    inputs: Mapping[int, Input],
    settings: BuildSettings,
    read_bytes: Callable[[RecordRange, int, int], bytes],
    read_table: Callable[[str], pa.Table],
) -> tuple[pa.Table, int]:
    """Read the records of a block.

    Args:
        number: of the block.
        ranges: what it is made of.
        inputs: those that the ranges are of, by position.
        settings: name the columns of SMILES and ids, or leave them to be found.
        read_bytes: gives bytes of a range's input, of which it may give fewer but not none.
        read_table: gives the content of the `file` of a Parquet input's range.
    Returns:
        The records (see `screener.library.record_schema`), and how many blank lines lie among them.
    Raises:
        Exception: whatever the readers raise.
    """
    blank = BlankCount()
    texts = _Texts()
    tables = []
    for each in ranges:
        source = inputs[each.source].source
        if source.format == "parquet":
            rows = read_table(each.file)
            tables.append(parquet_records(rows, source, each.source, each.line, settings))
            continue

        def read(start: int, stop: int, each: RecordRange = each) -> bytes:
            return read_bytes(each, start, stop)

        table = inputs[each.source].table
        data: io.RawIOBase = RangeReader(read, each.start, each.stop)
        if table is None:  # a table whose lines end in CR was copied
            data = OneLineEnd(data)
        with io.BufferedReader(data, _CHUNK) as stream:
            lines = Lines(stream, each.start, each.line)
            for record in records_of(source.format, table, lines, settings.id_column, blank):
                texts.add(each.source, source, record)
    if texts.records:
        tables.append(texts.table())
    records = pa.concat_tables(tables) if tables else RECORD_SCHEMA.empty_table()
    order = (number << ORDER_BITS) + np.arange(records.num_rows)
    return records.add_column(0, "input_order", pa.array(order, pa.int64())), blank.n


class _Texts:
    """Records of text inputs, on their way into a table."""

    def __init__(self) -> None:
        self.records: list[tuple[int, Source, Record]] = []

    def add(self, position: int, source: Source, record: Record) -> None:
        if record.error is not None:
            record.text = shortened(record.text)
        self.records.append((position, source, record))

    def table(self) -> pa.Table:
        records = self.records
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
        for name in dict.fromkeys(name for _, _, record in records for name in record.own):
            values = [record.own.get(name) or None for _, _, record in records]
            stored = OWN + library_name(name)
            table = table.append_column(stored, pa.array(values, pa.string()))
        return table
