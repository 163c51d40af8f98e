"""Quarantine tables: molecules set aside, each with stage, code and message."""

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
    ]
)


def quarantine_table(records: Sequence[QuarantineRecord]) -> pa.Table:
    """One row per record, in order."""
    return pa.Table.from_pylist([asdict(record) for record in records], schema=QUARANTINE_SCHEMA)
