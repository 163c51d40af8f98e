"""A trained SchNet network, and what stands between its outputs and values in their units."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from screener.models.baseline import baseline, composition
from screener.models.schnet.network import SchNet
from screener.records import Structure

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Scale:
    """What stands between targets and the outputs of a network, in float64."""

    elements: tuple[int, ...]  # atomic numbers that the baselines count
    baselines: FloatArray  # (n_targets, n_elements + 1), of `baseline`
    factors: FloatArray  # (n_targets,), standard deviations of what the baselines leave

    def standardised(self, structures: Sequence[Structure], targets: FloatArray) -> FloatArray:
        """What a network learns, (n, n_targets), from targets in their units."""
        return (targets - self._baseline(structures)) / self.factors

    def restored(self, structures: Sequence[Structure], outputs: FloatArray) -> FloatArray:
        """Values in their units, (n, n_targets), from outputs of a network."""
        return outputs * self.factors + self._baseline(structures)

    def _baseline(self, structures: Sequence[Structure]) -> FloatArray:
        counts = composition(structures, self.elements)
        return np.stack([baseline(counts, row) for row in self.baselines], axis=1)


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """A trained network and what its outputs are multiplied and added with."""

    network: SchNet
    scale: Scale
