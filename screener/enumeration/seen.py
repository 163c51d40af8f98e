"""Which molecules have come up before, in 8 bytes each; and an even sample of them.

A molecule is known by 64 bits of the SHA-256 of its canonical SMILES. Two molecules that share them
are taken for one: among ten million the chance that any two do is 3 in a million, and then one is
left out; none comes up twice.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Digests = NDArray[np.uint64]


class Seen:
    """A set of digests that grows by blocks.

    Sorted runs, each at least twice as long as the next: 8 bytes per digest, 16 while the longest
    are merged.
    """

    def __init__(self) -> None:
        self._runs: list[Digests] = []

    def __len__(self) -> int:
        return sum(map(len, self._runs))

    def add(self, digests: Digests) -> NDArray[np.bool_]:
        """Add digests (n,); which of them are new, the first of equal ones alone, (n,)."""
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
    """The molecules with the smallest digests: a random sample, however the stream is ordered.

    Args:
        size: how many molecules to keep.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._kept: list[tuple[int, str]] = []

    def add(self, digests: Digests, smiles: Sequence[str]) -> None:
        """Offer molecules, each of which comes once."""
        both = zip(digests.tolist(), smiles, strict=True)
        self._kept = sorted([*self._kept, *both])[: self._size]

    @property
    def smiles(self) -> list[str]:
        """The sample, in the order of the digests."""
        return [smiles for _, smiles in self._kept]
