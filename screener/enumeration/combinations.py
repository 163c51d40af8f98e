"""Choices of one part for each site that together stay within a budget of heavy atoms, numbered.

Choices that are too large have no number, so that none is drawn in vain: how many completions each
part leaves is counted once, from the last site back, and a number is resolved site by site.
"""

from bisect import bisect_right
from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate

Sizes = tuple[int, ...]


class Combinations:
    """All choices within the budget.

    Args:
        sizes: for each site the heavy atoms of its parts, ascending.
        budget: heavy atoms of all chosen parts together, at most.
        most: the largest budget that is asked for anywhere; tables for it are shared.
    """

    def __init__(self, sizes: Sequence[Sizes], budget: int, most: int) -> None:
        self._sizes = tuple(sizes)
        self._budget = budget
        self._sums = [_sums(self._sizes[site:], most) for site in range(len(sizes))]
        self.size = _counts(self._sizes, most)[budget] if 0 <= budget <= most else 0

    def choice(self, number: int) -> tuple[int, ...]:
        """The part of each site in the choice `number`, 0 .. size - 1."""
        left, chosen = self._budget, []
        for sizes, by_budget in zip(self._sizes, self._sums, strict=True):
            sums = by_budget[left]
            part = bisect_right(sums, number)
            number -= sums[part - 1] if part else 0
            left -= sizes[part]
            chosen.append(part)
        return tuple(chosen)


@lru_cache(maxsize=4096)
def _sums(sizes: tuple[Sizes, ...], most: int) -> list[list[int]]:
    """For each budget 0 .. most: how many choices begin with one of the first 1, 2, ... parts of
    the first site, as many as fit."""
    completions = _counts(sizes[1:], most)
    return [
        [*accumulate(completions[left - size] for size in sizes[0][: bisect_right(sizes[0], left)])]
        for left in range(most + 1)
    ]


def _counts(sizes: tuple[Sizes, ...], most: int) -> list[int]:
    """How many choices there are within each budget 0 .. most."""
    return [(sums or [0])[-1] for sums in _sums(sizes, most)] if sizes else [1] * (most + 1)
