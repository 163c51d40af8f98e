"""Pareto ranking: fronts that nobody dominates, and within a front whoever stands apart.

A molecule dominates another that it equals or surpasses in every objective, and surpasses in one.
The first front is dominated by nobody, the second by the first alone, and so on. Within a front a
molecule comes the sooner the more room there is around it (crowding distance). Both ends of a front
in each objective have all the room there is, so several molecules have the same: of these the one
of the higher utility comes first, which is what they would be worth if they were ranked by value,
and equal ones come by `mol_id`.

Molecules go by in pieces, and only those that fewer than k others dominate are kept. That loses
nothing. Of k or more dominators, the k that dominate one another least are kept themselves; so
whoever is let go has k before it. Dominators of one that is kept are kept, so its front stays what
it was. And every member of a front that reaches the first k has fewer than k dominators, so the
room around its members is what it was.

References:
    Deb, Pratap, Agarwal, Meyarivan, IEEE Trans. Evol. Comput. 6, 182 (2002) (NSGA-II).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from screener.ranking.topk import TIE_DIGITS, TopK

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_DIGITS = 9
_BLOCK = 256  # molecules that are compared with all others at a time


class ParetoTop:
    """The best k of molecules in any pieces and any order.

    Args:
        k: how many are wanted.
        n_objectives: numbers of each molecule.
    """

    def __init__(self, k: int, n_objectives: int) -> None:
        self._k = k
        self._values = np.empty((0, n_objectives))
        self._rows = np.empty(0, np.int64)
        self._mol_ids = np.empty(0, dtype=str)
        self._utility = np.empty(0)
        self._n_dominators = np.empty(0, np.int64)

    def add(
        self, values: FloatArray, mol_ids: Sequence[str], rows: IntArray, utility: FloatArray
    ) -> None:
        """More molecules.

        Args:
            values: float64 (n, n_objectives), finite, larger is better.
            mol_ids: (n,).
            rows: int64 (n,), of the library.
            utility: float64 (n,), finite, larger is better; orders what has equal scores.
        """
        if not len(rows):
            return
        everything = np.concatenate([self._values, values])
        names = np.concatenate([self._mol_ids, np.array(mol_ids, dtype=str)])
        # those kept before have been compared with one another
        n_dominators = np.concatenate(
            [
                self._n_dominators + _n_dominators(self._values, values),
                _n_dominators(values, everything),
            ]
        )
        kept = n_dominators < self._k
        self._values, self._mol_ids = everything[kept], names[kept]
        self._rows = np.concatenate([self._rows, rows])[kept]
        self._utility = np.concatenate([self._utility, np.round(utility, TIE_DIGITS)])[kept]
        self._n_dominators = n_dominators[kept]

    def merge(self, other: "ParetoTop") -> None:
        """Add what another one was given."""
        self.add(other._values, other._mol_ids.tolist(), other._rows, other._utility)

    @property
    def top(self) -> TopK:
        """The best k; the score is minus the number of the front, from 1, and up to one half more
        for the room around the molecule."""
        front = fronts(self._values)
        scores = np.empty(len(front))
        for number in np.unique(front).tolist():
            members = np.flatnonzero(front == number)
            room = crowding(self._values[members])
            with np.errstate(invalid="ignore"):
                share = np.where(np.isinf(room), 1.0, room / (1.0 + room))
            scores[members] = 0.5 * share - (number + 1)
        return TopK.from_arrays(scores, self._mol_ids.tolist(), self._rows, self._k, self._utility)


def fronts(values: FloatArray) -> IntArray:
    """The front of each molecule, from 0.

    Args:
        values: float64 (n, n_objectives), finite, larger is better.
    """
    front = np.full(len(values), -1, dtype=np.int64)
    number = 0
    while (left := np.flatnonzero(front < 0)).size:
        front[left[_n_dominators(values[left], values[left]) == 0]] = number
        number += 1
    return front


def crowding(values: FloatArray) -> FloatArray:
    """The room around each molecule of one front.

    Args:
        values: float64 (n, n_objectives).
    Returns:
        float64 (n,): over the objectives, the sum of the distances between the neighbours on
        either side, in units of what the front spans; infinite at its ends. Molecules with equal
        values have equal room: where there are several, they are counted as one.
    """
    unique, place = np.unique(values, axis=0, return_inverse=True)
    room = np.zeros(len(unique))
    for column in unique.T:
        order = np.argsort(column, kind="stable")
        span = column[order[-1]] - column[order[0]]
        if span == 0.0:
            continue
        room[column == column[order[0]]] = np.inf
        room[column == column[order[-1]]] = np.inf
        inner = order[1:-1]
        room[inner] += (column[order[2:]] - column[order[:-2]]) / span
    # rooms that differ by rounding alone are equal
    distances: FloatArray = np.round(room, _DIGITS)[place.reshape(-1)]
    return distances


def _n_dominators(values: FloatArray, others: FloatArray) -> IntArray:
    """How many of the others dominate each, int64 (n,)."""
    n_better = np.empty(len(values), dtype=np.int64)
    for start in range(0, len(values), _BLOCK):
        some = values[start : start + _BLOCK, None, :]
        at_least = (others >= some).all(axis=2)
        better = (others > some).any(axis=2)
        n_better[start : start + _BLOCK] = (at_least & better).sum(axis=1)
    return n_better
