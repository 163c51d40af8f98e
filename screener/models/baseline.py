"""What is taken off before a kernel learns: a linear function of composition, or a mean.

In float64, since atomization energies are thousands of kcal/mol and the kernel learns the last few
of them.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from screener.models.fchl.representation import ELEMENTS
from screener.records import Structure

FloatArray = NDArray[np.float64]


def composition(structures: Sequence[Structure]) -> FloatArray:
    """Number of atoms of each of `ELEMENTS`, float64 (n_structures, n_elements)."""
    counts = np.zeros((len(structures), len(ELEMENTS)))
    for row, structure in enumerate(structures):
        for column, element in enumerate(ELEMENTS):
            counts[row, column] = np.count_nonzero(structure.atomic_numbers == element)
    return counts


def fit_baseline(counts: FloatArray, values: FloatArray, *, extensive: bool) -> FloatArray:
    """Coefficients (n_elements + 1,): one per element and a constant.

    Extensive: linear least squares without a constant, which would break size extensivity.
    Intensive: the mean.
    """
    coefficients = np.zeros(len(ELEMENTS) + 1)
    if extensive:
        coefficients[:-1] = np.linalg.lstsq(counts, values, rcond=None)[0]
    else:
        coefficients[-1] = values.mean()
    return coefficients


def baseline(counts: FloatArray, coefficients: FloatArray) -> FloatArray:
    """The baseline's values, float64 (n,)."""
    # element by element, not a matrix product: a row's sum must not depend on the batch
    result = np.full(len(counts), coefficients[-1])
    for column in range(len(ELEMENTS)):
        result += counts[:, column] * coefficients[column]
    return result
