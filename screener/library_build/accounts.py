"""Where every record of a build went, and where the rows of every shard lie."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from screener.errors import StoreError
from screener.library_build.tasks import Piece
from screener.records import Receipt
from screener.stores.library import LibraryTotals


def pieces_of(ends: NDArray[np.int64], first: int, stop: int) -> list[Piece]:
    """Where rows `first` to `stop` lie, given how many are kept up to the end of each block."""
    blocks = range(
        int(np.searchsorted(ends, first, side="right")),
        int(np.searchsorted(ends, stop, side="left")) + 1,
    )
    pieces = []
    for block in blocks:
        before = int(ends[block - 1]) if block else 0
        inside = max(first, before) - before, min(stop, int(ends[block])) - before
        if inside[0] < inside[1]:
            pieces.append(Piece(block, *inside))
    return pieces


def add_up(
    blocks: Sequence[Receipt],
    n_blank: int,
    shards: Sequence[Receipt],
    parts: Sequence[Receipt],
) -> LibraryTotals:
    """The accounts of a build, from the receipts of its tasks.

    Raises:
        StoreError: they do not add up.
    """
    counts: Counter[str] = Counter()
    codes: Counter[str] = Counter()
    sizes: Counter[int] = Counter()
    elements: Counter[str] = Counter()
    for block in blocks:
        counts.update({"in": block.counts["in"], "made": block.counts["rows"]})
        codes.update(block.details["codes"])
    for part in parts:
        counts.update(part.counts)
    for shard in shards:
        counts.update(shard.counts)
        counts["undefined_stereo"] += shard.details["undefined_stereo"]
        sizes.update({int(size): n for size, n in shard.details["n_heavy"].items()})
        elements.update(shard.details["elements"])
    standardised = counts["in"] - counts["quarantine"]
    totals = LibraryTotals(
        read=counts["in"],
        blank=n_blank,
        isomers_added=counts["made"] - standardised,
        kept=counts["rows"],
        duplicates=counts["duplicates"],
        quarantined=counts["quarantine"],
        quarantined_by_code=dict(sorted(codes.items())),
        undefined_stereo=counts["undefined_stereo"],
        n_heavy=dict(sorted(sizes.items())),
        elements=dict(sorted(elements.items())),
    )
    ended = totals.kept + totals.duplicates + totals.quarantined
    if (
        totals.read + totals.isomers_added != ended
        or sum(codes.values()) != totals.quarantined
        or sum(sizes.values()) != totals.kept
    ):
        raise StoreError(
            f"the accounts of the build do not add up: {counts}; delete the folder and build again"
        )
    return totals
