"""Errors of kernel ridge regression on molecules left out, in closed form.

With G = (K + ridge)^-1 and a = G y, the errors of the molecules of a group g, had none of them been
in the fit, are (G_gg)^-1 a_g: no fit is repeated. Groups of one give leave-one-out, few large ones
K-fold, and molecules of one connectivity stay together.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.linalg.lapack import dpotri

from screener.errors import ConfigError

FloatArray = NDArray[np.float64]


def left_out_errors(
    kernel: FloatArray, targets: FloatArray, ridge: float, groups: NDArray[np.int64]
) -> FloatArray:
    """True minus predicted of every molecule, with its group left out.

    Args:
        kernel: (n, n), of the training molecules, positive semidefinite.
        targets: (n, t), what the kernel learns, baseline taken off.
        ridge: added to the diagonal, in units of the kernel.
        groups: (n,), molecules of one number are left out together.
    Returns:
        float64 (n, t).
    Raises:
        ConfigError: kernel and ridge are not positive definite.
    """
    factor = regularised_factor(kernel, ridge)
    weights = cho_solve((factor, True), targets)
    inverse, _ = dpotri(factor, lower=1, overwrite_c=1)  # lower triangle
    errors = weights / np.diag(inverse)[:, None]
    _, place, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    for group in np.flatnonzero(sizes > 1):
        members = np.flatnonzero(place == group)
        block = np.tril(inverse[np.ix_(members, members)])
        block += np.tril(block, -1).T
        errors[members] = np.linalg.solve(block, weights[members])
    return np.asarray(errors)


def regularised_factor(kernel: FloatArray, ridge: float) -> FloatArray:
    """Lower Cholesky factor of kernel + ridge, float64 (n, n); zeros above the diagonal.

    Raises:
        ConfigError: the matrix is not positive definite.
    """
    matrix = kernel.copy(order="F")
    matrix[np.diag_indices(len(matrix))] += ridge
    try:
        factor = cho_factor(matrix, lower=True, overwrite_a=True, check_finite=False)[0]
    except np.linalg.LinAlgError as error:
        raise ConfigError(
            f"a kernel of {len(kernel)} molecules is not positive definite with ridge {ridge:g}"
        ) from error
    return np.asfortranarray(np.tril(factor))
