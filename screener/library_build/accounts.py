"""Where every record of a build went, and where the rows of every shard lie."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from screener.errors import StoreError
from screener.library.blocks import OwnColumn
from screener.library.columns import ColumnFacts
from screener.library_build.tasks import Piece
from screener.records import Receipt
from screener.stores.library import LibraryTotals
from screener.stores.number_texts import TextFacts


class BlockTotals:
    """What the blocks of a build hold, added up; their receipts are not kept.

    Args:
        n_blocks: how many there are.
    """

    def __init__(self, n_blocks: int) -> None:
        self.rows: NDArray[np.int64] = np.zeros(n_blocks, dtype=np.int64)  # that were made
        self.quarantined: NDArray[np.int64] = np.zeros(n_blocks, dtype=np.int64)
        self.counts: Counter[str] = Counter()
        self.codes: Counter[str] = Counter()
        self._columns: dict[str, tuple[tuple[int, int], ColumnFacts]] = {}
        self._firsts: dict[str, tuple[int, str]] = {}  # block, and what is no number

    def add(self, block: int, receipt: Receipt) -> None:
        """Count a block."""
        self.rows[block] = receipt.counts["rows"]
        self.quarantined[block] = receipt.counts["quarantined"]
        self.counts.update(receipt.counts)
        self.codes.update(receipt.details["codes"])
        for position, (name, values, first) in enumerate(receipt.details["own"]):
            facts = ColumnFacts(**values | {"texts": TextFacts(**values["texts"])})
            place, known = self._columns.get(name, ((block, position), facts))
            self._columns[name] = min(place, (block, position)), known.and_(facts)
            if first is not None:
                self._firsts[name] = min(self._firsts.get(name, (block, first)), (block, first))

    @property
    def own_columns(self) -> dict[str, OwnColumn]:
        """The caller's columns in the order in which they first appear, and what they hold."""
        by_place = sorted(self._columns.items(), key=lambda column: column[1][0])
        return {
            name: OwnColumn(facts, self._firsts.get(name, (0, None))[1])
            for name, (_, facts) in by_place
        }


def pieces_of(ends: NDArray[np.int64], first: int, stop: int) -> list[Piece]:
    """Where rows `first` to `stop` lie, given how many are kept up to the end of each block.

    Args:
        ends: int64 (n_blocks,).
        first, stop: the first row, and the one after the last.
    Returns:
        Pieces of blocks in order, none of them empty.
    """
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
    blocks: BlockTotals, shards: Iterable[Receipt], parts: Iterable[Receipt]
) -> LibraryTotals:
    """The accounts of a build, from what its tasks counted.

    Args:
        blocks: what was read and standardised.
        shards, parts: receipts of what was written.
    Returns:
        Where every record went.
    Raises:
        StoreError: they do not add up.
    """
    written: Counter[str] = Counter()
    sizes: Counter[int] = Counter()
    elements: Counter[str] = Counter()
    for part in parts:
        written.update(part.counts)
    for shard in shards:
        details: dict[str, Any] = shard.details
        written.update(shard.counts)
        written["undefined_stereo"] += details["undefined_stereo"]
        sizes.update({int(size): n for size, n in details["n_heavy"].items()})
        elements.update(details["elements"])
    read, made = blocks.counts["in"], blocks.counts["rows"]
    totals = LibraryTotals(
        read=read,
        blank=blocks.counts["blank"],
        isomers_added=made - (read - written["quarantine"]),
        kept=written["rows"],
        duplicates=written["duplicates"],
        quarantined=written["quarantine"],
        quarantined_by_code=dict(sorted(blocks.codes.items())),
        undefined_stereo=written["undefined_stereo"],
        n_heavy=dict(sorted(sizes.items())),
        elements=dict(sorted(elements.items())),
    )
    ended = totals.kept + totals.duplicates + totals.quarantined
    if (
        totals.read + totals.isomers_added != ended
        or sum(blocks.codes.values()) != totals.quarantined
        or sum(sizes.values()) != totals.kept
    ):
        raise StoreError(
            f"the accounts of the build do not add up: {blocks.counts}, {written}; delete the "
            "folder and build again"
        )
    return totals
