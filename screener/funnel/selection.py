"""The best of values that lie in many parts, without bringing the parts together.

A part is sorted, and tells a `Sketch`: its values at a few ranks, which lie the closer together the
nearer they are to the best. The sketches of all parts bound how many values reach a limit, so that
a floor follows from them below which no part has to send anything. What is above the floor exceeds
what is wanted by some percent, and the choice among it is the choice among everything: the same
whatever the parts are and in whatever order they answer.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_GROWTH = 1.03  # of the ranks that a sketch tells, beyond the first few
_SLACK = 8.0  # standard deviations of a number of keys below a limit


@dataclass(frozen=True, slots=True, eq=False)
class Sketch:
    """The values of one part at some ranks.

    Args:
        n: how many values the part has.
        values: float64 (m,), those at `ranks`, descending.
    """

    n: int
    values: FloatArray

    @classmethod
    def of(cls, descending: FloatArray) -> "Sketch":
        """The sketch of values (n,) that are sorted, the largest first."""
        return cls(len(descending), descending[_sketched_ranks(len(descending)) - 1])

    @property
    def ranks(self) -> IntArray:
        """int64 (m,), ascending from 1 to the number of values; they follow from that number."""
        return _sketched_ranks(self.n)


def _sketched_ranks(n: int) -> IntArray:
    if n == 0:
        return np.empty(0, np.int64)
    n_ranks = int(np.log(n) / np.log(_GROWTH)) + 2
    grown = np.floor(_GROWTH ** np.arange(n_ranks)).astype(np.int64)
    ranks: IntArray = np.unique(np.minimum(np.append(grown, n), n))
    return ranks


def floor_of(sketches: Iterable[Sketch], k: int) -> float:
    """The largest limit that at least `k` values in all are known to reach.

    Args:
        sketches: of all parts.
        k: how many values are wanted, positive.
    Returns:
        a limit; minus infinity where there are no more than `k` values.
    """
    sketches = list(sketches)
    if sum(each.n for each in sketches) <= k:
        return -np.inf
    # down to its rank j a part has at least as many values as rank j says
    at_least = [np.diff(each.ranks, prepend=0) for each in sketches]
    values, counts = _cumulated(sketches, at_least)
    return float(values[np.searchsorted(counts, k)])


def ceiling_of(sketches: Iterable[Sketch], k: int) -> float:
    """The smallest limit that at most `k` values in all can reach.

    Args:
        sketches: of all parts.
        k: how many values may reach it at most.
    Returns:
        a limit; infinity where none is known.
    """
    sketches = list(sketches)
    # between its ranks j and j + 1 a part may have as many values as rank j + 1 says, less one
    at_most = [np.diff(each.ranks, append=each.n + 1) for each in sketches]
    values, counts = _cumulated(sketches, at_most)
    # all that are equal reach a limit together
    is_last = np.append(values[1:] != values[:-1], True)[: len(values)]
    fitting = np.flatnonzero(is_last & (counts <= k))
    return float(values[fitting[-1]]) if len(fitting) else np.inf


def _cumulated(
    sketches: Sequence[Sketch], increments: Sequence[IntArray]
) -> tuple[FloatArray, IntArray]:
    """All values that sketches tell, descending, and the sums of increments down to each."""
    values = np.concatenate([np.empty(0), *(each.values for each in sketches)])
    counts = np.concatenate([np.empty(0, np.int64), *increments])
    order = np.argsort(-values, kind="stable")
    return values[order], np.cumsum(counts[order])


def key_limit(k: int, n: int) -> float:
    """Below which at least `k` of `n` random keys (`screener.funnel.draws`) almost surely are.

    Whoever uses it looks whether they are, and takes a larger limit where they are not.
    """
    if k >= n:
        return 1.0
    return float(min(1.0, (k + _SLACK * np.sqrt(k) + _SLACK**2) / n))


@dataclass(frozen=True, slots=True, eq=False)
class Bracket:
    """Two limits between which the value at a wanted rank is: `low` <= value < `high`."""

    low: float
    high: float

    @classmethod
    def of(cls, sketches: Sequence[Sketch], rank: int) -> "Bracket":
        """The bracket of the value at a rank of all values, from 1 for the best."""
        return cls(floor_of(sketches, rank), ceiling_of(sketches, rank - 1))


@dataclass(frozen=True, slots=True, eq=False)
class InBracket:
    """What one part has of a bracket."""

    n_above: int  # values that reach its upper limit
    values: FloatArray  # (n,), those inside, descending


def in_bracket(descending: FloatArray, bracket: Bracket) -> InBracket:
    """What a part, sorted in descending order, has of a bracket."""
    ascending = -descending
    n_above = int(np.searchsorted(ascending, -bracket.high, side="right"))
    end = int(np.searchsorted(ascending, -bracket.low, side="right"))
    return InBracket(n_above, descending[n_above:end])


def splits_at(parts: Sequence[InBracket], rank: int) -> IntArray:
    """How many of the best `rank` of all values each part has.

    Of equal values those of earlier parts are the better ones.

    Args:
        parts: what each part has of a bracket of the value at this rank.
        rank: from 1.
    Returns:
        int64 (n_parts,), which add up to `rank`.
    """
    n_above = np.array([part.n_above for part in parts], dtype=np.int64)
    inside = np.sort(np.concatenate([part.values for part in parts]))[::-1]
    limit = inside[rank - n_above.sum() - 1]  # the value at the rank
    better = np.array([np.searchsorted(-part.values, -limit) for part in parts], dtype=np.int64)
    up_to = np.array([np.searchsorted(-part.values, -limit, "right") for part in parts])
    n_equal = up_to - better
    left = rank - n_above.sum() - better.sum()  # of those that equal the limit
    earlier = np.cumsum(n_equal) - n_equal
    splits: IntArray = n_above + better + np.clip(left - earlier, 0, n_equal)
    return splits
