"""Quarantine tables: molecules set aside, each with its id, stage, code and message."""

from collections.abc import Sequence
from dataclasses import asdict

import pyarrow as pa

from screener.records import QuarantineRecord

QUARANTINE_SCHEMA = pa.schema(
    [
        ("stage", pa.string()),
        ("code", pa.string()),
        ("message", pa.string()),
        ("source", pa.string()),
        ("line", pa.int64()),
        ("raw", pa.string()),
        ("row", pa.int64()),
        ("mol_id", pa.string()),
        ("source_id", pa.string()),
    ]
)
RAW_CHARACTERS = 200  # of the input text that a record keeps
_CUT = "…"


def quarantine_table(records: Sequence[QuarantineRecord]) -> pa.Table:
    """One row per record, in order."""
    return pa.Table.from_pylist([asdict(record) for record in records], schema=QUARANTINE_SCHEMA)


def complete(table: pa.Table) -> pa.Table:
    """The table with all columns; those that an earlier version did not write are null."""
    for field in QUARANTINE_SCHEMA:
        if field.name not in table.column_names:
            table = table.append_column(field, pa.nulls(table.num_rows, field.type))
    return table.select(QUARANTINE_SCHEMA.names)


def shortened(text: str) -> str:
    """An input text as a record keeps it: one that is too long ends in an ellipsis."""
    if len(text) <= RAW_CHARACTERS:
        return text
    return text[: RAW_CHARACTERS - len(_CUT)] + _CUT
