"""What the receipts of many units add up to, so that nobody reads a million of them to be told.

    receipts/joined/<name>.sums.json

A file of sums lies beside each file of compacted receipts of predictions and is written with it. It
may be missing, as in campaigns of earlier versions: then the receipts themselves are read.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

from screener.errors import StoreError
from screener.records import Receipt
from screener.stores.files import to_json
from screener.stores.receipts import Receipts

_SUMMED = {"finished", "quarantine"}  # what receipts of predictions tell


@dataclass(frozen=True, slots=True)
class ReceiptSums:
    """The sums of some units.

    Args:
        units: their names.
        finished: when each was done, seconds since 1970.
        n_in: rows that entered each.
        counts: rows by status, of all together.
        quarantine: rows by code, of all together.
    """

    units: Sequence[str]
    finished: Sequence[float]
    n_in: Sequence[int]
    counts: Mapping[str, int]
    quarantine: Mapping[str, int]

    @classmethod
    def of(cls, receipts: Sequence[Receipt]) -> "ReceiptSums":
        """The sums of receipts of predictions."""
        counts, quarantine = Counter[str](), Counter[str]()
        for receipt in receipts:
            counts.update(receipt.counts)
            quarantine.update(receipt.details["quarantine"])
        return cls(
            [receipt.unit for receipt in receipts],
            [receipt.details["finished"] for receipt in receipts],
            [receipt.counts["in"] for receipt in receipts],
            dict(counts),
            dict(quarantine),
        )


def write_sums(store: Receipts, name: str) -> None:
    """Write the sums of a file of compacted receipts, unless they are there or cannot be made.

    Args:
        store: that it belongs to.
        name: of the file, which is there.
    Raises:
        StoreError: the receipts cannot be read, or the sums cannot be written.
    """
    if store.folder.exists(store.beside(name)):
        return
    receipts = list(store.read_compacted(name))
    if all(_SUMMED.issubset(receipt.details) for receipt in receipts):
        sums = ReceiptSums.of(receipts)
        store.folder.write_bytes(store.beside(name), to_json(asdict(sums)))


def sums_of(store: Receipts, seen: set[str]) -> Iterator[ReceiptSums]:
    """The sums of all receipts that were not told before.

    Args:
        store: of predictions.
        seen: as of `Receipts.all`; grows.
    Raises:
        SchemaError: a receipt is broken.
    """
    for name in store.compacted():
        if store.is_told(name, seen):
            continue
        sums = _read(store, name)
        if sums is not None and seen.isdisjoint(sums.units):  # or some were told one by one
            seen.update(sums.units)
            store.tell(name, seen)
            yield sums
    if rest := list(store.all(seen=seen)):
        yield ReceiptSums.of(rest)


def _read(store: Receipts, name: str) -> ReceiptSums | None:
    """The sums of one file; None where they are missing or broken."""
    try:
        sums = ReceiptSums(**json.loads(store.folder.read_bytes(store.beside(name))))
    except (StoreError, TypeError, ValueError):
        return None
    return sums if len(sums.units) == len(sums.finished) == len(sums.n_in) else None
