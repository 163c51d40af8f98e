"""Kernels between molecules and a list of known ones, from counts of fragments.

For columns that are means over a molecule the MinMax kernel, the similarity of counts:

    K[A, B] = sum of the smaller counts / sum of the larger ones,

1 for equal counts and 0 without a common fragment. For columns that are sums over atoms the product
of the counts, so that what is learned of two molecules far from each other adds up.

References:
    Ralaivola, Swamidass, Saigo, Baldi, Neural Networks 18, 1093 (2005).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from screener.models.compiled import compiled
from screener.models.morgan_gp.fragments import Fragments

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Kernels:
    """Of n molecules with m known ones, float64 (n, m) each."""

    similarity: FloatArray  # MinMax
    product: FloatArray  # of counts


class KnownMolecules:
    """The list of known molecules, looked up by fragment.

    Args:
        known: m molecules.
        n_fragments: of the vocabulary.
    """

    def __init__(self, known: Fragments, n_fragments: int) -> None:
        self.known = known
        owner = np.repeat(np.arange(len(known)), np.diff(known.offsets))
        order = np.argsort(known.columns, kind="stable")
        self._molecule, self._count = owner[order], known.counts[order]
        per_fragment = np.bincount(known.columns, minlength=n_fragments)
        self._offsets = np.concatenate([[0], np.cumsum(per_fragment)]).astype(np.int64)

    def kernels(self, queries: Fragments) -> Kernels:
        """Kernels of molecules with the known ones; a row does not depend on the others."""
        smaller = np.zeros((len(queries), len(self.known)))
        product = np.zeros_like(smaller)
        _add_fragments(
            queries.offsets, queries.columns, queries.counts,
            self._offsets, self._molecule, self._count,
            smaller, product,
        )  # fmt: skip
        larger = queries.totals[:, None] + self.known.totals - smaller
        return Kernels(smaller / np.maximum(larger, 1.0), product)


@compiled
def _add_fragments(offsets, columns, counts, starts, molecule, known, smaller, product):  # type: ignore[no-untyped-def]
    for row in range(len(offsets) - 1):
        for entry in range(offsets[row], offsets[row + 1]):
            column, count = columns[entry], counts[entry]
            for place in range(starts[column], starts[column + 1]):
                other = known[place]
                smaller[row, molecule[place]] += min(count, other)
                product[row, molecule[place]] += count * other
