"""Kernel ridge regression on FCHL19 with increments under it: what is fitted, and its kernel.

The kernel of two molecules is that of their environments (see `local_kernel`) plus that of their
`increments`, each block with a prior variance of its own; composition is all but free. A kernel
alone forgets everything at some distance from its training molecules; increments go on.
`screener.training.fit.additive` fits it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor

from screener.errors import ConfigError

FloatArray = NDArray[np.float64]

LEAST = 1e-12  # share of a molecule's prior variance that the posterior cannot go below


@dataclass(frozen=True, slots=True)
class AdditiveSettings:
    """What a fit is made with."""

    width: float = 4.0  # of the kernel, in units of the representation
    amplitude: float = 10.0  # of the kernel, against the increments' prior variances
    ridge: float = 1e-3
    tolerance: float | None = 0.4  # error, in units of the target, that doubles a molecule's noise
    bonds: float = 0.3  # prior variances of the blocks of increments, in units of mean squares
    contacts: float = 1.0
    rings: float = 0.3


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """What is fitted on n molecules, for one extensive quantity."""

    prior: FloatArray  # (n_increments,), prior variances of the coefficients
    coefficients: FloatArray  # (n_increments,)
    weights: FloatArray  # (n,) on kernels
    noise: FloatArray  # (n,), variances added to the whole kernel's diagonal
    variance: float  # of the posterior, per unit of the whole kernel


def whole_kernel(
    local: FloatArray,
    ours: FloatArray,
    theirs: FloatArray,
    prior: FloatArray,
    settings: AdditiveSettings,
) -> FloatArray:
    """Kernel (n, m) of molecules with others: of environments and of increments.

    Args:
        local: (n, m), kernels of environments.
        ours, theirs: (n, n_increments), (m, n_increments).
        prior: (n_increments,), prior variances.
        settings: for the amplitude.
    Returns:
        float64 (n, m).
    """
    return np.asarray(settings.amplitude * local + (ours * prior) @ theirs.T)


def regularised_factor(kernel: FloatArray, noise: FloatArray) -> FloatArray:
    """Lower Cholesky factor of kernel + noise, float64 (n, n); zeros above the diagonal.

    Args:
        kernel: (n, n), positive semidefinite.
        noise: (n,), added to the diagonal.
    Raises:
        ConfigError: the matrix is not positive definite.
    """
    matrix = kernel.copy(order="F")
    matrix[np.diag_indices(len(matrix))] += noise
    try:
        factor = cho_factor(matrix, lower=True, overwrite_a=True, check_finite=False)[0]
    except np.linalg.LinAlgError as error:
        raise ConfigError(
            f"a kernel of {len(kernel)} molecules is not positive definite with noise "
            f"{noise.min():g}"
        ) from error
    return np.asfortranarray(np.tril(factor))
