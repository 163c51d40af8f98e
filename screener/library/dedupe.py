"""Deduplication over the whole library: of equal molecules the one that came first is kept.

Every row has a key of 40 bytes. Keys are sorted in two steps, so that nobody reads a small part of
every block: a group of blocks puts its keys into buckets by `mol_id`, and a bucket gathers its part
of every group. The rows that a bucket finds to be duplicates go back the same way, to groups and
then to blocks. Whatever goes from many to many lies in files of an offset table and records, of
which any part can be read alone.

A group has at least as many blocks as there are buckets. So all buckets together read no more parts
than there are blocks, and reading grows with the blocks, not with blocks times buckets.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from screener.errors import StoreError
from screener.library.record_schema import ORDER_BITS
from screener.stores.files import Folder

KEY = np.dtype(
    [
        ("high", "<u8"),  # the two halves of mol_id
        ("low", "<u8"),
        ("input_order", "<i8"),
        ("isomer", "<i4"),
        ("source", "<i4"),
        ("line", "<i8"),
    ]
)
DUPLICATE = np.dtype(
    [
        ("input_order", "<i8"),
        ("isomer", "<i4"),
        ("kept_source", "<i4"),  # where the occurrence stands that is kept
        ("kept_line", "<i8"),
    ]
)
Records = NDArray[np.void]
Offsets = NDArray[np.int64]

MIN_GROUP_BLOCKS = 64  # so that a small library does not have a group for every few blocks


@dataclass(frozen=True, slots=True)
class Shuffle:
    """How the keys of a library are dealt out to buckets."""

    n_blocks: int
    n_buckets: int  # a power of two
    blocks_per_group: int

    @classmethod
    def of(cls, n_blocks: int, n_rows: int, bucket_rows: int) -> "Shuffle":
        """Buckets of about so many rows, and groups that suit them.

        Args:
            n_blocks: blocks of the library.
            n_rows: rows of all blocks.
            bucket_rows: at most in one bucket, where `mol_id`s are spread evenly.
        Returns:
            Groups of at least as many blocks as there are buckets.
        """
        wanted = max(1, -(-n_rows // bucket_rows))
        n_buckets = 1 << (wanted - 1).bit_length()
        return cls(n_blocks, n_buckets, max(n_buckets, MIN_GROUP_BLOCKS))

    @property
    def n_groups(self) -> int:
        """Groups of consecutive blocks; the last may have fewer blocks."""
        return -(-self.n_blocks // self.blocks_per_group)

    def blocks_of(self, group: int) -> range:
        """The blocks of a group."""
        first = group * self.blocks_per_group
        return range(first, min(first + self.blocks_per_group, self.n_blocks))

    def group_of(self, block: int) -> int:
        """The group that a block belongs to."""
        return block // self.blocks_per_group


def keys_of(molecules: pa.Table) -> Records:
    """Keys of a block's rows, in their order."""
    keys = np.empty(molecules.num_rows, dtype=KEY)
    ids = np.frombuffer(bytes.fromhex("".join(molecules["mol_id"].to_pylist())), dtype=">u8")
    keys["high"], keys["low"] = ids[0::2], ids[1::2]
    for name in ("input_order", "isomer", "source", "line"):
        keys[name] = molecules[name].to_numpy()
    return keys


def by_bucket(keys: Records, n_buckets: int) -> bytes:
    """Keys sorted into buckets, as a file of as many parts as there are buckets."""
    bits = n_buckets.bit_length() - 1
    buckets = keys["high"] >> np.uint64(64 - bits) if bits else np.zeros(len(keys), np.uint64)
    order = np.argsort(buckets, kind="stable")
    offsets = np.searchsorted(buckets[order], np.arange(n_buckets + 1, dtype=np.uint64))
    return pack(keys[order], offsets)


def duplicates_among(keys: Records) -> Records:
    """The rows of one bucket that are not the first of their molecule, in order of the input.

    Args:
        keys: KEY (n_keys,), all of the bucket, in any order.
    Returns:
        DUPLICATE (n_duplicates,).
    """
    order = np.lexsort((keys["isomer"], keys["input_order"], keys["low"], keys["high"]))
    is_first = np.ones(len(order), dtype=bool)
    for name in ("high", "low"):
        halves = keys[name][order]
        differs = halves[1:] != halves[:-1]
        is_first[1:] = differs if name == "high" else is_first[1:] | differs
    first_of_each = np.maximum.accumulate(np.where(is_first, np.arange(len(order)), 0))
    rows, kept = order[~is_first], order[first_of_each[~is_first]]
    duplicates = np.empty(len(rows), dtype=DUPLICATE)
    for name in ("input_order", "isomer"):
        duplicates[name] = keys[name][rows]
    for name in ("source", "line"):
        duplicates[f"kept_{name}"] = keys[name][kept]
    return in_order(duplicates)


def in_order(duplicates: Records) -> Records:
    """Duplicates in the order of the input."""
    return duplicates[np.lexsort((duplicates["isomer"], duplicates["input_order"]))]


def by_block(duplicates: Records, first_blocks: NDArray[np.int64]) -> bytes:
    """Duplicates as a file of parts, each of which holds those of some consecutive blocks.

    Args:
        duplicates: DUPLICATE (n_duplicates,), in order of the input.
        first_blocks: int64 (n_parts,), the first block of each part, ascending.
    """
    starts = first_blocks << ORDER_BITS
    offsets = np.searchsorted(duplicates["input_order"], starts, side="left")
    return pack(duplicates, np.append(offsets, len(duplicates)))


def are_kept(molecules: pa.Table, duplicates: Records) -> NDArray[np.bool_]:
    """Which of a block's rows are not among its duplicates.

    Args:
        molecules: (n_rows), of one block, in order of the input.
        duplicates: DUPLICATE (n_duplicates,), of the same block, in order of the input.
    Returns:
        bool (n_rows,).
    """
    kept = np.ones(molecules.num_rows, dtype=bool)
    if len(duplicates):
        # both are sorted by record and isomer, so the isomer is the position within the record
        order = molecules["input_order"].to_numpy()
        first = np.searchsorted(order, duplicates["input_order"])
        kept[first + duplicates["isomer"]] = False
    return kept


def pack(records: Records, offsets: Offsets) -> bytes:
    """A file: offsets of the parts, one more than there are parts, and the records."""
    return offsets.astype("<i8").tobytes() + records.tobytes()


def read_parts(
    folder: Folder, path: str, kind: np.dtype[np.void], n_parts: int, parts: range
) -> Records:
    """The records of some consecutive parts of a file, in two reads.

    Args:
        folder, path: where the file lies.
        kind: what its records are.
        n_parts: how many parts it has.
        parts: those wanted, none left out in between.
    Returns:
        `kind` (n_records,), those of one part after the other.
    Raises:
        StoreError: the file is missing or cut.
    """
    at = 8 * parts.start
    bounds = folder.read_bytes(path, at, at + 8 * (len(parts) + 1))
    if len(bounds) != 8 * (len(parts) + 1):
        raise StoreError(f"{folder.url}/{path} is cut")
    offsets = np.frombuffer(bounds, dtype="<i8")
    start, stop = int(offsets[0]), int(offsets[-1])
    if start == stop:  # object stores refuse empty ranges
        return np.empty(0, dtype=kind)
    first = 8 * (n_parts + 1)
    size = kind.itemsize
    data = folder.read_bytes(path, first + size * start, first + size * stop)
    if len(data) != size * (stop - start):
        raise StoreError(f"{folder.url}/{path} is cut")
    return np.frombuffer(data, dtype=kind)
