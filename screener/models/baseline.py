"""What is taken off before a kernel learns: a linear function of composition, or a mean.

In float64, since atomization energies are thousands of kcal/mol and the kernel learns the last few
of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from screener.records import Structure

FloatArray = NDArray[np.float64]


def composition(structures: Sequence[Structure], elements: Sequence[int]) -> FloatArray:
    """Number of atoms of each element, float64 (n_structures, n_elements).

    Args:
        structures: molecules; atoms of other elements are not counted.
        elements: atomic numbers.
    """
    counts = np.zeros((len(structures), len(elements)))
    for row, structure in enumerate(structures):
        for column, element in enumerate(elements):
            counts[row, column] = np.count_nonzero(structure.atomic_numbers == element)
    return counts


def fit_baseline(counts: FloatArray, values: FloatArray, *, extensive: bool) -> FloatArray:
    """Coefficients of the baseline.

    Args:
        counts: float64 (n, n_elements), of `composition`.
        values: float64 (n,).
        extensive: linear least squares without a constant, which would break size extensivity;
            otherwise the mean.
    Returns:
        float64 (n_elements + 1,): one per element and a constant.
    """
    coefficients = np.zeros(counts.shape[1] + 1)
    if extensive:
        coefficients[:-1] = np.linalg.lstsq(counts, values, rcond=None)[0]
    else:
        coefficients[-1] = values.mean()
    return coefficients


def baseline(counts: FloatArray, coefficients: FloatArray) -> FloatArray:
    """The baseline's values.

    Args:
        counts: float64 (n, n_elements), of `composition`.
        coefficients: float64 (n_elements + 1,), of `fit_baseline`.
    Returns:
        float64 (n,).
    """
    # element by element, not a matrix product: a row's sum must not depend on the batch
    result = np.full(len(counts), coefficients[-1])
    for column in range(counts.shape[1]):
        result += counts[:, column] * coefficients[column]
    return result


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
