"""The tasks of a library build: each reads its part from a folder, writes, and leaves a receipt.

Doing one twice is harmless: it writes the same bytes. `temporary` is the folder of what is not part
of the library; `screener.library_build.build` says which tasks there are, and where they run.

    spool/ (input) -> molecules/, keys/, quarantine/ by block -> losers/ by bucket -> the library
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pyarrow as pa

from screener.chemistry.standardise import StandardiseSettings
from screener.errors import MoleculeError
from screener.library import dedupe, shards
from screener.library.blocks import Standardised, compose, entries, standardise_entry
from screener.records import Receipt
from screener.stores.files import Folder
from screener.stores.receipts import Receipts

Entry = tuple[bool, str]
Mapper = Callable[
    [Callable[[Entry], Standardised], Sequence[Entry]], list[Standardised | MoleculeError]
]


@dataclass(frozen=True, slots=True)
class Piece:
    """Rows of a block that lie in one shard, counted among those that are kept."""

    block: int
    start: int
    stop: int


def block_name(block: int) -> str:
    """Names a block's files and its receipt."""
    return f"block-{block:08d}"


def bucket_name(bucket: int) -> str:
    """Names a bucket's file and its receipt."""
    return f"bucket-{bucket:04d}"


def part_name(part: int) -> str:
    """Names a file of the library."""
    return f"part-{part:08d}.parquet"


def standardise_block(
    temporary: Folder,
    block: int,
    settings: StandardiseSettings,
    source_names: Mapping[int, str],
    n_buckets: int,
    mapper: Mapper,
) -> Receipt:
    """First pass: standardise the records of one block.

    Args:
        mapper: applies a function to entries one by one and returns errors in their place.
    """
    started = time.monotonic()
    name = block_name(block)
    receipts = Receipts(temporary)
    if temporary.exists(f"receipts/{name}.json"):  # an earlier attempt was thought lost
        return receipts.read(name)
    records = temporary.read_table(f"spool/{name}.parquet")
    results = mapper(partial(standardise_entry, settings=settings), entries(records))
    result = compose(records, results, source_names)
    temporary.write_table(f"molecules/{name}.parquet", result.molecules)
    keys = dedupe.by_bucket(dedupe.keys_of(result.molecules), n_buckets)
    temporary.write_bytes(f"keys/{name}", keys)
    if result.quarantine.num_rows:
        temporary.write_table(f"quarantine/{name}.parquet", result.quarantine)
    counts = {
        "in": records.num_rows,
        "rows": result.molecules.num_rows,
        "quarantined": result.quarantine.num_rows,
    }
    details = {
        "start": records["input_index"][0].as_py(),
        "codes": result.codes,
        "own": [[name, kind] for name, kind in result.own.items()],  # JSON objects lose the order
    }
    seconds = time.monotonic() - started
    return receipts.publish(Receipt(name, "standardise", counts, {}, seconds, details))


def deduplicate_bucket(temporary: Folder, bucket: int, n_blocks: int) -> Receipt:
    """Second pass: find the rows of one bucket that are not the first of their molecule."""
    started = time.monotonic()
    parts = [
        dedupe.read_part(temporary, f"keys/{block_name(block)}", dedupe.KEY, bucket)
        for block in range(n_blocks)
    ]
    keys = np.concatenate(parts)
    found = dedupe.losers(keys)
    starts = np.frombuffer(temporary.read_bytes("starts"), dtype="<i8")
    name = bucket_name(bucket)
    temporary.write_bytes(f"losers/{name}", dedupe.by_block(found, starts))
    counts = {"in": len(keys), "duplicates": len(found)}
    seconds = time.monotonic() - started
    return Receipts(temporary).publish(Receipt(name, "deduplicate", counts, {}, seconds))


def _losers_of(temporary: Folder, block: int, n_buckets: int) -> dedupe.Records:
    found = np.concatenate(
        [
            dedupe.read_part(temporary, f"losers/{bucket_name(bucket)}", dedupe.LOSER, block)
            for bucket in range(n_buckets)
        ]
    )
    return found[np.lexsort((found["isomer"], found["input_index"]))]


def write_shard(
    temporary: Folder,
    library: Folder,
    shard: int,
    first_row: int,
    pieces: Sequence[Piece],
    n_buckets: int,
    own: pa.Schema,
    row_group_rows: int,
) -> Receipt:
    """Third pass: write one shard of the library."""
    started = time.monotonic()
    tables = []
    for piece in pieces:
        molecules = temporary.read_table(f"molecules/{block_name(piece.block)}.parquet")
        keeps = dedupe.keeps(molecules, _losers_of(temporary, piece.block, n_buckets))
        kept = molecules.filter(pa.array(keeps))
        tables.append(kept.slice(piece.start, piece.stop - piece.start))
    rows = shards.library_rows(tables, first_row, own)
    path = f"shards/{part_name(shard)}"
    checksum = library.write_table(path, rows, row_group_rows)
    details = {
        **shards.histograms(rows),
        "undefined_stereo": shards.count_undefined(rows),
        "bytes": library.size(path),
    }
    counts = {"rows": rows.num_rows}
    seconds = time.monotonic() - started
    receipt = Receipt(f"shard-{shard:08d}", "shard", counts, {path: checksum}, seconds, details)
    return Receipts(temporary).publish(receipt)


def write_part(
    temporary: Folder,
    library: Folder,
    part: int,
    blocks: range,
    n_buckets: int,
    source_names: Mapping[int, str],
) -> Receipt:
    """Third pass: write what is not in the shards, for a run of blocks."""
    started = time.monotonic()
    duplicates, quarantine = [], []
    for block in blocks:
        found = _losers_of(temporary, block, n_buckets)
        if len(found):
            molecules = temporary.read_table(f"molecules/{block_name(block)}.parquet")
            gone = molecules.filter(pa.array(~dedupe.keeps(molecules, found)))
            duplicates.append(shards.duplicate_rows(gone, found, source_names))
        if temporary.exists(f"quarantine/{block_name(block)}.parquet"):
            quarantine.append(temporary.read_table(f"quarantine/{block_name(block)}.parquet"))
    files, counts = {}, {}
    for name, tables in (("duplicates", duplicates), ("quarantine", quarantine)):
        counts[name] = sum(table.num_rows for table in tables)
        if tables:
            path = f"{name}/{part_name(part)}"
            files[path] = library.write_table(path, pa.concat_tables(tables))
    seconds = time.monotonic() - started
    return Receipts(temporary).publish(Receipt(f"part-{part:08d}", "part", counts, files, seconds))
