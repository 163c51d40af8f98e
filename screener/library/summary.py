"""What a library holds beyond its totals."""

import string
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import pyarrow as pa
import pyarrow.compute as pc

from screener.stores.library import LibraryStore

ROWS_AT_ONCE = 5_000_000  # InChIKeys held in memory: about 300 MB
READ_ROWS = 65536


@dataclass(frozen=True, slots=True)
class TautomerGroups:
    """Rows that share an InChIKey: tautomers, and other forms that it does not tell apart."""

    n_groups: int
    n_rows: int  # rows in these groups
    largest: list[tuple[str, int]]  # InChIKey and number of rows


def tautomer_groups(
    library: LibraryStore, n_largest: int = 3, rows_at_once: int = ROWS_AT_ONCE
) -> TautomerGroups:
    """Rows with different `mol_id` and the same InChIKey.

    Large libraries are read once for every letter, or pair of letters, that an InChIKey can begin
    with, so memory does not grow with the library.

    Args:
        library: the library that is looked through.
        n_largest: how many groups to name, the largest first, then by InChIKey.
        rows_at_once: about how many keys to hold.
    Returns:
        How many groups there are, and the largest of them.
    """
    n_letters = 0
    while 26**n_letters * rows_at_once < library.n_rows:
        n_letters += 1
    n_groups, n_rows = 0, 0
    largest: list[tuple[str, int]] = []
    for letters in product(string.ascii_uppercase, repeat=n_letters):
        counts = _repeated(library, "".join(letters))
        n_groups += len(counts)
        n_rows += sum(count for _, count in counts)
        largest = sorted([*largest, *counts], key=lambda entry: (-entry[1], entry[0]))[:n_largest]
    return TautomerGroups(n_groups, n_rows, largest)


def _repeated(library: LibraryStore, start: str) -> list[tuple[str, int]]:
    keys = pa.chunked_array(list(_keys(library, start)), pa.string())
    counts = pa.Table.from_struct_array(pc.value_counts(keys.combine_chunks()))
    counts = counts.filter(pc.greater(counts["counts"], 1))
    return list(zip(counts["values"].to_pylist(), counts["counts"].to_pylist(), strict=True))


def _keys(library: LibraryStore, start: str) -> Iterator[pa.Array]:
    """InChIKeys that begin with `start`; rows without one are left out."""
    for first in range(0, library.n_rows, READ_ROWS):
        stop = min(first + READ_ROWS, library.n_rows)
        for keys in library.read_range(first, stop, ["inchikey"])["inchikey"].chunks:
            named = pc.and_(pc.starts_with(keys, start), pc.greater(pc.utf8_length(keys), 0))
            yield keys.filter(named)
