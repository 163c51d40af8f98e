"""Deduplication over the whole library: of equal molecules the one that came first is kept.

Every row has a fixed-size key. Blocks sort their keys into buckets by `mol_id`; a bucket gathers
its part of every block, finds the rows that are not first, and sorts them by block again. Both lie
in files of an offset table and records, of which any part can be read alone.
"""

import struct
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from screener.library.settings import Layout
from screener.library.sources import Source
from screener.stores.files import Folder

KEY = np.dtype(
    [
        ("high", "<u8"),  # the two halves of mol_id
        ("low", "<u8"),
        ("input_index", "<i8"),
        ("isomer", "<i4"),
        ("source", "<i4"),
        ("line", "<i8"),
    ]
)
LOSER = np.dtype(
    [
        ("input_index", "<i8"),
        ("isomer", "<i4"),
        ("kept_source", "<i4"),  # where the occurrence stands that is kept
        ("kept_line", "<i8"),
    ]
)
Records = NDArray[np.void]
Offsets = NDArray[np.int64]

UNPACKED = 5  # compressed SMILES are about this much smaller
MAX_BUCKETS = 1024


def count_buckets(sources: Sequence[Source], sizes: Sequence[int], layout: Layout) -> int:
    """A power of two, so that a bucket of this input fits into memory.

    Args:
        sizes: bytes of the sources as they lie there.
    """
    size = sum(
        size * (UNPACKED if source.compression or source.format == "parquet" else 1)
        for source, size in zip(sources, sizes, strict=True)
    )
    wanted = max(1, -(-size // layout.bucket_bytes))
    return min(MAX_BUCKETS, 1 << (wanted - 1).bit_length())


def keys_of(molecules: pa.Table) -> Records:
    """Keys of a block's rows, in their order."""
    keys = np.empty(molecules.num_rows, dtype=KEY)
    ids = np.frombuffer(bytes.fromhex("".join(molecules["mol_id"].to_pylist())), dtype=">u8")
    keys["high"], keys["low"] = ids[0::2], ids[1::2]
    for name in ("input_index", "isomer", "source", "line"):
        keys[name] = molecules[name].to_numpy()
    return keys


def by_bucket(keys: Records, n_buckets: int) -> bytes:
    """The keys sorted into buckets, as a file."""
    bits = n_buckets.bit_length() - 1
    buckets = keys["high"] >> np.uint64(64 - bits) if bits else np.zeros(len(keys), np.uint64)
    order = np.argsort(buckets, kind="stable")
    offsets = np.searchsorted(buckets[order], np.arange(n_buckets + 1, dtype=np.uint64))
    return pack(keys[order], offsets)


def losers(keys: Records) -> Records:
    """The rows of one bucket that are not the first of their molecule, in order of the input."""
    order = np.lexsort((keys["isomer"], keys["input_index"], keys["low"], keys["high"]))
    ordered = keys[order]
    first = np.ones(len(ordered), dtype=bool)
    first[1:] = (ordered["high"][1:] != ordered["high"][:-1]) | (
        ordered["low"][1:] != ordered["low"][:-1]
    )
    winners = ordered[np.maximum.accumulate(np.where(first, np.arange(len(ordered)), 0))]
    found = np.empty(int(np.count_nonzero(~first)), dtype=LOSER)
    for name in ("input_index", "isomer"):
        found[name] = ordered[name][~first]
    for name in ("source", "line"):
        found[f"kept_{name}"] = winners[name][~first]
    return found[np.lexsort((found["isomer"], found["input_index"]))]


def by_block(found: Records, starts: Offsets) -> bytes:
    """Losers, sorted by input, as a file of as many parts as there are blocks.

    Args:
        starts: int64 (n_blocks,), input_index of each block's first record.
    """
    offsets = np.searchsorted(found["input_index"], starts, side="left")
    return pack(found, np.append(offsets, len(found)))


def keeps(molecules: pa.Table, found: Records) -> NDArray[np.bool_]:
    """Which of a block's rows are not among its losers."""
    if not len(found):
        return np.ones(molecules.num_rows, dtype=bool)
    rows = zip(molecules["input_index"].to_pylist(), molecules["isomer"].to_pylist(), strict=True)
    gone = set(zip(found["input_index"].tolist(), found["isomer"].tolist(), strict=True))
    return np.array([row not in gone for row in rows], dtype=bool)


def pack(records: Records, offsets: Offsets) -> bytes:
    """A file: number of parts, offsets of the parts, records."""
    header = struct.pack("<q", len(offsets) - 1) + offsets.astype("<i8").tobytes()
    return header + records.tobytes()


def read_offsets(folder: Folder, path: str) -> Offsets:
    """int64 (n_parts + 1,)."""
    n_parts = struct.unpack("<q", folder.read_bytes(path, 0, 8))[0]
    return np.frombuffer(folder.read_bytes(path, 8, 16 + 8 * n_parts), dtype="<i8")


def read_part(folder: Folder, path: str, kind: np.dtype[np.void], part: int) -> Records:
    """The records of one part of a file of `kind`."""
    header = folder.read_bytes(path, 0, 8)
    n_parts = struct.unpack("<q", header)[0]
    at = 8 + 8 * part
    start, stop = np.frombuffer(folder.read_bytes(path, at, at + 16), dtype="<i8")
    if start == stop:  # object stores refuse empty ranges
        return np.empty(0, dtype=kind)
    first = 8 + 8 * (n_parts + 1)
    size = kind.itemsize
    return np.frombuffer(
        folder.read_bytes(path, first + size * int(start), first + size * int(stop)), dtype=kind
    )
