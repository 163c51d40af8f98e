"""Numbered choices of one part per site whose heavy atoms together stay within a budget.

A choice that would be too large has no number, so no draw is wasted on one. How many ways there are
to fill the sites that follow is counted once, from the last site to the first; a number is then
turned into a choice site by site, by looking up these counts.
"""

from bisect import bisect_right
from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate

Sizes = tuple[int, ...]


class Combinations:
    """All choices within the budget; `size` is how many there are.

    Args:
        sizes: for each site the numbers of heavy atoms of its parts, ascending.
        budget: the most heavy atoms that all chosen parts may have together.
        most: the largest budget of any scaffold of the specification. The counts are tabulated up
            to it, so that scaffolds with the same parts share one table.
    """

    def __init__(self, sizes: Sequence[Sizes], budget: int, most: int) -> None:
        self._sizes = tuple(sizes)
        self._budget = budget
        self._sums = [_sums(self._sizes[site:], most) for site in range(len(sizes))]
        self.size = _counts(self._sizes, most)[budget] if 0 <= budget <= most else 0

    def choice(self, number: int) -> tuple[int, ...]:
        """The index of the part chosen for each site, for a number from 0 to size - 1."""
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
    """Cumulative counts for each budget from 0 to `most`.

    Entry k of a budget is the number of choices within it whose part on the first site is one of
    the parts 0 .. k; parts that exceed the budget by themselves have no entry.
    """
    completions = _counts(sizes[1:], most)
    return [
        [*accumulate(completions[left - size] for size in sizes[0][: bisect_right(sizes[0], left)])]
        for left in range(most + 1)
    ]


def _counts(sizes: tuple[Sizes, ...], most: int) -> list[int]:
    """The number of choices within each budget from 0 to `most`."""
    return [(sums or [0])[-1] for sums in _sums(sizes, most)] if sizes else [1] * (most + 1)
