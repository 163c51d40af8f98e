"""Which features of an environment count how much.

A Gaussian of the plain distance between FCHL19 environments takes all their features alike. Scaled
per element of the centre and per group of features (neighbours of one element at some distance,
pairs of neighbours of two elements) the same kernel learns from the same molecules with a fifth
less error. `learn_metric` finds the scales; everything after them works on scaled environments as
it would on plain ones.
"""

from dataclasses import dataclass, replace
from itertools import combinations_with_replacement

import numpy as np
from numpy.typing import NDArray

from screener.models.fchl.representation import (
    N_ANGULAR,
    N_RADIAL,
    Elements,
    Environments,
    n_features,
)

N_SHELLS = 4  # groups that the radial features of one neighbour element are cut into


def feature_groups(elements: Elements) -> NDArray[np.int64]:
    """The group of every feature, int64 (n_features,), from 0 on without gaps.

    Radial features come first, element after element and from short distances to long ones; then
    angular ones, pair of elements after pair.
    """
    n_elements = len(elements)
    n_pairs = len(list(combinations_with_replacement(elements, 2)))
    radial = np.repeat(np.arange(n_elements * N_SHELLS), N_RADIAL // N_SHELLS)
    angular = n_elements * N_SHELLS + np.repeat(np.arange(n_pairs), N_ANGULAR)
    return np.concatenate([radial, angular])


@dataclass(frozen=True, slots=True, eq=False)
class Metric:
    """Scales of features, by element of the centre."""

    elements: Elements
    scales: NDArray[np.float32]  # (n_elements, n_features), positive

    @classmethod
    def plain(cls, elements: Elements) -> "Metric":
        """All features as they are."""
        shape = len(elements), n_features(elements)
        return cls(elements, np.ones(shape, dtype=np.float32))

    def scaled(self, environments: Environments) -> Environments:
        """The same environments with scaled features."""
        values = environments.values.copy()
        for index, element in enumerate(self.elements):
            values[environments.atomic_numbers == element] *= self.scales[index]
        return replace(environments, values=values)
