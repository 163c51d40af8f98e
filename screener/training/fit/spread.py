"""Fitting a `Spread` to the errors of molecules that a model has not seen."""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from screener.models.uncertainty.spread import Spread

FloatArray = NDArray[np.float64]

_RIDGE = 1e-3  # on all weights but the first: kinds of molecules that are few keep the std


def fit_spreads(errors: FloatArray, stds: FloatArray, told: FloatArray) -> tuple[Spread, ...]:
    """The spreads of several targets, see `fit_spread`.

    Args:
        errors: (n, n_targets), out of fold.
        stds: (n, n_targets), positive, of the same fits.
        told: (n, N_FEATURES), of `features`.
    Returns:
        (n_targets,).
    """
    return tuple(fit_spread(*own, told) for own in zip(errors.T, stds.T, strict=True))


def fit_spread(errors: FloatArray, stds: FloatArray, told: FloatArray) -> Spread:
    """The most likely spread of errors of a Laplace distribution, which has tails as errors do.

    Args:
        errors: (n,), out of fold.
        stds: (n,), positive, of the same fits.
        told: (n, N_FEATURES), of `features`.
    Returns:
        the spread, in the unit of the errors.
    """
    known = np.column_stack([np.ones(len(errors)), np.log(stds), told])
    sizes = np.abs(errors)

    def cost(weights: FloatArray) -> tuple[float, FloatArray]:
        logarithms = known @ weights
        ratios = sizes * np.exp(-logarithms)
        slopes = known.T @ (1.0 - ratios) / len(sizes)
        slopes[1:] += 2.0 * _RIDGE * weights[1:]
        value = (ratios + logarithms).mean() + _RIDGE * (weights[1:] ** 2).sum()
        return float(value), slopes

    start = np.zeros(known.shape[1])
    return Spread(np.asarray(minimize(cost, start, jac=True, method="BFGS").x))
