"""A compact set of the molecules met so far, and a random sample of them.

The set stores 64 bits of the SHA-256 of each canonical SMILES, which is 8 bytes per molecule. Two
different molecules with the same 64 bits would be taken for one, and the second would be left out;
among ten million molecules the chance of any such pair is 3 in a million. No molecule is ever
emitted twice.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Digests = NDArray[np.uint64]


class Seen:
    """A set of 64-bit digests to which blocks are added.

    The digests are kept in sorted arrays, each at least twice as long as the next. That takes 8
    bytes per digest, and 16 for a moment while the two longest arrays are merged.
    """

    def __init__(self) -> None:
        self._runs: list[Digests] = []

    def __len__(self) -> int:
        return sum(map(len, self._runs))

    def add(self, digests: Digests) -> NDArray[np.bool_]:
        """Add digests and say which of them were not in the set.

        Args:
            digests: uint64 (n,); may repeat.
        Returns:
            bool (n,): True where a digest is new; of equal ones in the block, only at the first.
        """
        unique, first = np.unique(digests, return_index=True)
        known = np.zeros(len(unique), dtype=bool)
        for run in self._runs:
            places = np.minimum(np.searchsorted(run, unique), len(run) - 1)
            known |= run[places] == unique
        new = np.zeros(len(digests), dtype=bool)
        new[first[~known]] = True
        if not known.all():
            self._runs.append(unique[~known])
        while len(self._runs) > 1 and len(self._runs[-2]) < 2 * len(self._runs[-1]):
            merged = np.concatenate([self._runs.pop(), self._runs.pop()])
            merged.sort()
            self._runs.append(merged)
        return new


class EvenSample:
    """A random sample of a stream: the molecules with the smallest digests.

    A digest is as good as a random number, so the sample does not depend on the order in which the
    molecules come.

    Args:
        size: how many molecules to keep.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._kept: list[tuple[int, str]] = []

    def add(self, digests: Digests, smiles: Sequence[str]) -> None:
        """Offer molecules to the sample; none may be offered twice.

        Args:
            digests: uint64 (n,).
            smiles: n canonical SMILES, in the same order.
        """
        offered = zip(digests.tolist(), smiles, strict=True)
        self._kept = sorted([*self._kept, *offered])[: self._size]

    @property
    def smiles(self) -> list[str]:
        """The SMILES of the sample, sorted by digest."""
        return [smiles for _, smiles in self._kept]
