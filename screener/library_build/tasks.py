"""The tasks of a library build: each reads its part from a folder, writes, and leaves a receipt.

Doing one twice is harmless: it writes the same bytes. `temporary` is the folder of what is not part
of the library; `screener.library_build.passes` says which tasks there are, and where they run.

    inputs -> molecules/, keys/, quarantine/ by block -> key_groups/ by group of blocks
    -> bucket_duplicates/ by bucket -> duplicates/ by group of blocks -> the library
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from screener.errors import MoleculeError
from screener.library import dedupe, shards
from screener.library.blocks import Standardised, compose, entries, standardise_entry
from screener.library.record_blocks import Input, RecordRange
from screener.library.record_schema import ORDER_BITS
from screener.library.settings import BuildSettings, Layout
from screener.library_build.read_blocks import Unreadable, UnreadableError, records_of_block
from screener.library_build.receipts import earlier_receipt, receipts_of
from screener.library_build.storage_keys import library_key, storage_key, task_name
from screener.records import Receipt
from screener.stores.files import Folder

Entry = tuple[bool, str]
Mapper = Callable[
    [Callable[[Entry], Standardised], Sequence[Entry]], list[Standardised | MoleculeError]
]
_PARQUET = ".parquet"


@dataclass(frozen=True, slots=True)
class Piece:
    """Rows of a block that lie in one shard, counted among those that are kept."""

    block: int
    start: int
    stop: int


def standardise_block(
    temporary: Folder,
    block: int,
    ranges: Sequence[RecordRange],
    inputs: Mapping[int, Input],
    settings: BuildSettings,
    layout: Layout,
    mapper: Mapper,
) -> Receipt | Unreadable:
    """Read the records of one block and standardise them.

    Args:
        temporary: the build's folder for temporary files.
        block: its number.
        ranges: what it is made of.
        inputs: those that the ranges are of, by position.
        settings: what is accepted, and which columns hold it.
        layout: how unpacked inputs are cut.
        mapper: applies a function to entries one by one and returns errors in their place.
    Returns:
        The receipt, or which input could not be read here.
    Raises:
        StoreError: a file of the build is lost or cut.
        RefusedError: the caller's columns collide.
    """
    started = time.monotonic()
    if (earlier := earlier_receipt(temporary, "block", block)) is not None:
        return earlier
    try:
        records, n_blank = records_of_block(temporary, block, ranges, inputs, settings, layout)
    except UnreadableError as error:
        return error.unreadable
    standardise = partial(standardise_entry, settings=settings.molecules)
    results = mapper(standardise, entries(records))
    names = {position: each.source.name for position, each in inputs.items()}
    from_text = all(each.source.format != "parquet" for each in inputs.values())
    result = compose(records, results, names, from_text)
    temporary.write_table(storage_key("molecules", block, suffix=_PARQUET), result.molecules)
    keys = dedupe.keys_of(result.molecules)
    temporary.write_bytes(storage_key("keys", block), keys.tobytes())
    if result.quarantine.num_rows:
        temporary.write_table(storage_key("quarantine", block, suffix=_PARQUET), result.quarantine)
    counts = {
        "in": records.num_rows,
        "rows": result.molecules.num_rows,
        "quarantined": result.quarantine.num_rows,
        "blank": n_blank,
    }
    details = {
        "codes": result.codes,
        # JSON objects lose the order
        "own": [[name, asdict(facts.facts), facts.first] for name, facts in result.own.items()],
    }
    return _publish(temporary, "block", block, started, counts, details=details)


def group_keys(temporary: Folder, group: int, shuffle: dedupe.Shuffle) -> Receipt:
    """Put the keys of a group of blocks into buckets.

    Args:
        temporary: the build's folder for temporary files.
        group: its number.
        shuffle: which blocks it has, and how many buckets there are.
    Returns:
        A receipt that counts the keys.
    """
    started = time.monotonic()
    data = [temporary.read_bytes(storage_key("keys", block)) for block in shuffle.blocks_of(group)]
    keys = np.frombuffer(b"".join(data), dtype=dedupe.KEY)
    del data
    packed = dedupe.by_bucket(keys, shuffle.n_buckets)
    temporary.write_bytes(storage_key("key_groups", group), packed)
    return _publish(temporary, "group", group, started, {"keys": len(keys)})


def deduplicate_bucket(temporary: Folder, bucket: int, shuffle: dedupe.Shuffle) -> Receipt:
    """Find the rows of one bucket that are not the first of their molecule.

    Args:
        temporary: the build's folder for temporary files.
        bucket: its number.
        shuffle: how many groups and buckets there are.
    Returns:
        A receipt that counts keys and duplicates.
    """
    started = time.monotonic()
    part = range(bucket, bucket + 1)
    keys = np.concatenate(
        [
            dedupe.read_parts(
                temporary, storage_key("key_groups", group), dedupe.KEY, shuffle.n_buckets, part
            )
            for group in range(shuffle.n_groups)
        ]
    )
    duplicates = dedupe.duplicates_among(keys)
    first_blocks = np.arange(shuffle.n_groups) * shuffle.blocks_per_group
    packed = dedupe.by_block(duplicates, first_blocks)
    temporary.write_bytes(storage_key("bucket_duplicates", bucket), packed)
    counts = {"keys": len(keys), "duplicates": len(duplicates)}
    return _publish(temporary, "bucket", bucket, started, counts)


def group_duplicates(temporary: Folder, group: int, shuffle: dedupe.Shuffle) -> Receipt:
    """Sort the duplicates of a group of blocks by block.

    Args:
        temporary: the build's folder for temporary files.
        group: its number.
        shuffle: which blocks it has, and how many buckets there are.
    Returns:
        A receipt whose details hold the number of duplicates in each block of the group.
    """
    started = time.monotonic()
    part = range(group, group + 1)
    duplicates = dedupe.in_order(
        np.concatenate(
            [
                dedupe.read_parts(
                    temporary,
                    storage_key("bucket_duplicates", bucket),
                    dedupe.DUPLICATE,
                    shuffle.n_groups,
                    part,
                )
                for bucket in range(shuffle.n_buckets)
            ]
        )
    )
    blocks = np.array(shuffle.blocks_of(group), dtype=np.int64)
    packed = dedupe.by_block(duplicates, blocks)
    temporary.write_bytes(storage_key("duplicates", group), packed)
    per_block = np.bincount(
        (duplicates["input_order"] >> ORDER_BITS) - blocks[0], minlength=len(blocks)
    )
    counts = {"duplicates": len(duplicates)}
    details = {"per_block": per_block.tolist()}
    return _publish(temporary, "duplicates", group, started, counts, details=details)


def _duplicates_of(
    temporary: Folder, shuffle: dedupe.Shuffle, blocks: range
) -> dict[int, dedupe.Records]:
    """The duplicates of some consecutive blocks, by block."""
    parts = []
    for group in range(shuffle.group_of(blocks.start), shuffle.group_of(blocks.stop - 1) + 1):
        of_group = shuffle.blocks_of(group)
        wanted = range(max(blocks.start, of_group.start), min(blocks.stop, of_group.stop))
        within = range(wanted.start - of_group.start, wanted.stop - of_group.start)
        path = storage_key("duplicates", group)
        parts.append(dedupe.read_parts(temporary, path, dedupe.DUPLICATE, len(of_group), within))
    duplicates = np.concatenate(parts)
    block_of = duplicates["input_order"] >> ORDER_BITS
    bounds = np.searchsorted(block_of, np.arange(blocks.start, blocks.stop + 1))
    return {
        block: duplicates[start:stop]
        for block, start, stop in zip(blocks, bounds[:-1], bounds[1:], strict=True)
    }


def write_shard(
    temporary: Folder,
    library: Folder,
    shard: int,
    first_row: int,
    pieces: Sequence[Piece],
    shuffle: dedupe.Shuffle,
    own: pa.Schema,
    row_group_rows: int,
) -> Receipt:
    """Write one shard of the library.

    Args:
        temporary, library: the folders of temporary files and of the library.
        shard: its number.
        first_row: the library's number of the shard's first row.
        pieces: where its rows lie, in order.
        shuffle: which blocks lie in which group.
        own: the caller's columns in the library, by their names there.
        row_group_rows: rows in a row group of the file.
    Returns:
        A receipt with the file's checksum, its size and what its rows are.
    """
    started = time.monotonic()
    blocks = range(pieces[0].block, pieces[-1].block + 1)
    duplicates = _duplicates_of(temporary, shuffle, blocks)
    tables = []
    for piece in pieces:
        molecules = temporary.read_table(storage_key("molecules", piece.block, suffix=_PARQUET))
        kept = molecules.filter(pa.array(dedupe.are_kept(molecules, duplicates[piece.block])))
        tables.append(kept.slice(piece.start, piece.stop - piece.start))
    rows = shards.library_rows(tables, first_row, own)
    path = library_key("shards", shard)
    checksum = library.write_table(path, rows, row_group_rows)
    details = {
        **shards.histograms(rows),
        "undefined_stereo": shards.count_undefined(rows),
        "bytes": library.size(path),
    }
    counts = {"rows": rows.num_rows}
    return _publish(temporary, "shard", shard, started, counts, {path: checksum}, details)


def write_part(
    temporary: Folder,
    library: Folder,
    part: int,
    blocks: range,
    quarantined: Sequence[int],
    shuffle: dedupe.Shuffle,
    source_names: Mapping[int, str],
) -> Receipt:
    """Write what is not in the shards, for a run of blocks.

    Args:
        temporary, library: the folders of temporary files and of the library.
        part: its number.
        blocks: a run of blocks.
        quarantined: those of them that have records in quarantine.
        shuffle: which blocks lie in which group.
        source_names: the inputs by position.
    Returns:
        A receipt with the checksums of the files, if any, and the number of their rows.
    """
    started = time.monotonic()
    tables = []
    for block, duplicates in _duplicates_of(temporary, shuffle, blocks).items():
        if len(duplicates):
            molecules = temporary.read_table(storage_key("molecules", block, suffix=_PARQUET))
            is_kept = dedupe.are_kept(molecules, duplicates)
            rows = molecules.filter(pa.array(~is_kept))
            tables.append(shards.duplicate_rows(rows, duplicates, source_names))
    set_aside = [
        temporary.read_table(storage_key("quarantine", block, suffix=_PARQUET))
        for block in quarantined
    ]
    files, counts = {}, {}
    for name, rows_of in (("duplicates", tables), ("quarantine", set_aside)):
        counts[name] = sum(table.num_rows for table in rows_of)
        if rows_of:
            path = library_key(name, part)
            files[path] = library.write_table(path, pa.concat_tables(rows_of))
    return _publish(temporary, "part", part, started, counts, files)


def _publish(
    temporary: Folder,
    kind: str,
    number: int,
    started: float,
    counts: dict[str, int],
    files: dict[str, str] | None = None,
    details: dict[str, Any] | None = None,
) -> Receipt:
    seconds = time.monotonic() - started
    name = task_name(kind, number)
    receipt = Receipt(name, kind, counts, files or {}, seconds, details or {})
    return receipts_of(temporary, kind, number).publish(receipt)
