"""What the receipts of a stage add up to: counts, quarantine, the best so far."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from screener.ranking.row_status import widen
from screener.ranking.topk import Ranked, TopK
from screener.records import Receipt

MERGED_AT_ONCE = 256  # entries, if `k` is not larger


@dataclass
class StageTotals:
    """Running sums over receipts, in any order.

    Args:
        k: how many of the best are wanted.
    """

    k: int
    n_units: int = 0
    counts: Counter[str] = field(default_factory=Counter)  # rows by status; `in` counts them all
    quarantine: Counter[str] = field(default_factory=Counter)  # rows by code
    filtered: Counter[str] = field(default_factory=Counter)  # rows by rule
    left_out: set[str] = field(default_factory=set)
    outside: Counter[str] = field(default_factory=Counter)  # rows out of domain by reason
    value_range: dict[str, list[float]] = field(default_factory=dict)  # by objective, of candidates
    disagree: Counter[str] = field(default_factory=Counter)  # rows in which stages do, by column
    made: int = 0  # structures
    seconds: float = 0.0  # of all tasks together
    complete: bool = True  # whether every receipt tells as many of its best as `k` needs
    _top: TopK = field(init=False)
    _entries: list[Ranked] = field(default_factory=list)  # not merged yet

    def __post_init__(self) -> None:
        self._top = TopK(self.k)

    def add(self, receipt: Receipt) -> None:
        """Count one unit."""
        details = receipt.details
        self.n_units += 1
        self.counts.update(receipt.counts)
        self.quarantine.update(details["quarantine"])
        self.filtered.update(details["filtered"])
        self.left_out.update(details["left_out"])
        self.outside.update(details.get("outside", {}))  # older receipts do not tell
        widen(self.value_range, details.get("spread", {}))
        self.disagree.update(details.get("disagree", {}))
        self.made += details["made"]
        self.seconds += receipt.seconds
        unit_top = TopK.from_json(details["top"])
        self.complete &= unit_top.k >= self.k
        self._entries.extend(unit_top.entries[: self.k])
        if len(self._entries) > max(self.k, MERGED_AT_ONCE):
            self._merge()

    @classmethod
    def of(cls, receipts: Iterable[Receipt], k: int) -> "StageTotals":
        """The sum over these receipts."""
        totals = cls(k)
        for receipt in receipts:
            totals.add(receipt)
        return totals

    @property
    def top(self) -> TopK:
        """The best so far."""
        self._merge()
        return self._top

    @property
    def floor(self) -> Ranked | None:
        """What the k-th best is or was a while ago; None while there were fewer."""
        return self._top.entries[-1] if len(self._top.entries) == self.k else None

    def _merge(self) -> None:
        """Not at every unit: with a large `k` that would be a sort of all of them each time."""
        if self._entries:
            self._top = self._top.merge(TopK.of(self._entries, self.k))
            self._entries.clear()
