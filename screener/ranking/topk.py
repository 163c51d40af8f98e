"""The best k of any number of molecules, in pieces that merge in any order.

Every task returns the best of its unit and the driver merges them as they come: merging is
associative, commutative and idempotent (a unit counted twice changes nothing), so the result is
that of a full sort whatever the order.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from screener.errors import SchemaError

TIE_DIGITS = 12  # of what orders equal scores; what differs by rounding alone is equal


class Ranked(NamedTuple):
    """One molecule that has a score."""

    score: float  # finite, larger is better
    mol_id: str
    row: int
    tie: float = 0.0  # finite; of equal scores the larger one comes first


def _order(entry: Ranked) -> tuple[float, float, str, int]:
    return (-entry.score, -entry.tie, entry.mol_id, entry.row)


@dataclass(frozen=True, slots=True)
class TopK:
    """At most k molecules, score descending; equal scores by what breaks their tie, descending,
    then by `mol_id`, ascending. Immutable.

    Args:
        k: how many are kept, positive.
        entries: in order, each once, at most k; use `from_arrays` or `of` to get them so.
    """

    k: int
    entries: tuple[Ranked, ...] = ()

    def __post_init__(self) -> None:
        if self.k < 1:
            raise ValueError(f"k must be positive, not {self.k}")

    @classmethod
    def of(cls, entries: Iterable[Ranked], k: int) -> "TopK":
        """The best k of any entries; those without a finite score never enter."""
        ranked = {
            entry for entry in entries if math.isfinite(entry.score) and math.isfinite(entry.tie)
        }
        return cls(k, tuple(sorted(ranked, key=_order)[:k]))

    @classmethod
    def from_arrays(
        cls,
        scores: NDArray[np.float64],
        mol_ids: Sequence[str],
        rows: Sequence[int] | NDArray[np.int64],
        k: int,
        ties: NDArray[np.float64] | None = None,
    ) -> "TopK":
        """The best k of one unit.

        Args:
            scores: float64 (n,), NaN for what is not to be ranked.
            mol_ids: (n,).
            rows: (n,), row numbers in the library.
            k: how many to keep.
            ties: float64 (n,), finite, what orders equal scores; None where nothing does.
        Returns:
            the best k; what is equal in all of this in the order of `mol_id`.
        Raises:
            ValueError: the lengths differ, or k is not positive.
        """
        breaking = [0.0] * len(scores) if ties is None else ties.tolist()
        each = zip(scores.tolist(), mol_ids, rows, breaking, strict=True)
        return cls.of((Ranked(score, name, int(row), tie) for score, name, row, tie in each), k)

    def merge(self, other: "TopK") -> "TopK":
        """The best k of both.

        Raises:
            ValueError: the two keep different numbers of molecules.
        """
        if self.k != other.k:
            raise ValueError(f"cannot merge a top {self.k} with a top {other.k}")
        if not other.entries or other.entries == self.entries:
            return self
        return TopK.of((*self.entries, *other.entries), self.k)

    @property
    def rows(self) -> NDArray[np.int64]:
        """int64 (n,), best first."""
        return np.array([entry.row for entry in self.entries], dtype=np.int64)

    def to_json(self) -> dict[str, Any]:
        """A JSON value; `from_json` gives back an equal object, to the last bit of every score."""
        ties = [entry.tie for entry in self.entries]
        return {
            "k": self.k,
            "scores": [entry.score for entry in self.entries],
            "mol_ids": [entry.mol_id for entry in self.entries],
            "rows": [entry.row for entry in self.entries],
            **({"ties": ties} if any(ties) else {}),
        }

    @classmethod
    def from_json(cls, value: Any) -> "TopK":
        """Back from `to_json`, or from what was stored of it.

        Raises:
            SchemaError: the value was not written by `to_json`.
        """
        try:
            ties = value.get("ties") or [0.0] * len(value["scores"])
            columns = zip(value["scores"], value["mol_ids"], value["rows"], ties, strict=True)
            entries = [
                Ranked(float(score), str(mol_id), int(row), float(tie))
                for score, mol_id, row, tie in columns
            ]
            made = cls.of(entries, int(value["k"]))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise SchemaError(f"not a stored top-k list: {error}") from error
        if list(made.entries) != entries:
            raise SchemaError("not a stored top-k list: its molecules are out of order")
        return made
