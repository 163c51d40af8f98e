"""How far errors spread, by what a molecule is.

A posterior standard deviation tells where a fit has few neighbours, and not how flexible a molecule
is or how well the level below does with its elements. The logarithm of the spread is linear in that
of the standard deviation and in what is counted here.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from screener.chemistry.geometry import beyond, bonded
from screener.records import Structure
from screener.registry.elements import SPREAD_GROUPS, numbers_of

FloatArray = NDArray[np.float64]

_GROUPS = tuple(tuple(numbers_of(symbols)) for symbols in SPREAD_GROUPS)
N_FEATURES = 3 + len(_GROUPS)


@dataclass(frozen=True, slots=True, eq=False)
class Spread:
    """Of the errors of one model.

    Args:
        weights: (2 + N_FEATURES,), of 1, of the logarithm of the std and of the features.
    """

    weights: FloatArray

    def stds(self, stds: FloatArray, told: FloatArray) -> FloatArray:
        """Standard deviations that know more.

        Args:
            stds: (..., n), positive.
            told: (n, N_FEATURES), of `features`.
        Returns:
            of the shape of `stds`.
        """
        # feature by feature, not a matrix product: a row's sum must not depend on the batch
        logarithm = self.weights[0] + self.weights[1] * np.log(stds)
        for feature, weight in enumerate(self.weights[2:]):
            logarithm = logarithm + weight * told[:, feature]
        return np.asarray(np.exp(logarithm))


def spread_stds(spreads: Sequence[Spread], stds: FloatArray, told: FloatArray) -> FloatArray:
    """Standard deviations of several targets, each by its own spread.

    Args:
        spreads: (n_targets,).
        stds: (n, n_targets), positive.
        told: (n, N_FEATURES), of `features`.
    Returns:
        (n, n_targets).
    """
    columns = [spread.stds(own, told) for spread, own in zip(spreads, stds.T, strict=True)]
    return np.stack(columns, axis=1)


def features(structures: Sequence[Structure]) -> FloatArray:
    """Logarithms of numbers of heavy atoms, and of one more than those of bonds that can turn, of
    rings, and of atoms of some elements.

    Args:
        structures: n.
    Returns:
        float64 (n, N_FEATURES).
    """
    rows = [_counts(structure) for structure in structures]
    return np.log(np.array(rows, dtype=np.float64).reshape(-1, N_FEATURES))


def _counts(structure: Structure) -> list[int]:
    is_heavy = structure.atomic_numbers > 1
    bonds = bonded(structure)[np.ix_(is_heavy, is_heavy)]
    n_heavy, n_bonds = max(1, len(bonds)), int(bonds.sum()) // 2
    n_rings = max(0, n_bonds - n_heavy + 1)
    atoms = [int(np.isin(structure.atomic_numbers, group).sum()) for group in _GROUPS]
    return [n_heavy, 1 + _turning(bonds), 1 + n_rings, *(1 + count for count in atoms)]


def _turning(bonds: NDArray[np.bool_]) -> int:
    """Bonds outside rings between atoms that are no ends."""
    degrees = bonds.sum(axis=0)
    inner = [
        (int(i), int(j))
        for i, j in zip(*np.nonzero(np.triu(bonds)), strict=True)
        if min(degrees[i], degrees[j]) > 1
    ]
    return sum(beyond(bonds, *ends) is not None for ends in inner)
