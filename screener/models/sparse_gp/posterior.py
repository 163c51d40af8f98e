"""Bayesian linear regression in whitened kernel features.

Kernel sums K are turned into features K L^-T, L the Cholesky factor of the inducing environments'
own kernel, so that ridge regression there is the sparse Gaussian process and its normal equations
stay well conditioned (those of the raw kernel square its condition number and fail). Molecules are
streamed: only (m, m) matrices are kept.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve, solve_triangular
from scipy.linalg.blas import dsyrk

from screener.models.fchl.sparse_kernel import SparseKernel

FloatArray = NDArray[np.float64]

# Added to the diagonal of the inducing environments' kernel, whose own diagonal is 1. From 1e-9 to
# 1e-7 held-out errors are the same, at 1e-5 they begin to grow.
JITTER = 1e-7

ROWS = 1024  # whose leverages are computed at once


@dataclass(frozen=True, slots=True, eq=False)
class Whitening:
    """Cholesky factors of the inducing kernel, one block per element."""

    factors: tuple[FloatArray, ...]  # lower, (m_element, m_element)

    @classmethod
    def of(cls, kernel: SparseKernel) -> "Whitening":
        """Factors of the kernel's inducing environments, `JITTER` on the diagonal."""
        factors: list[FloatArray] = []
        for index in range(len(kernel.inducing.elements)):
            block = kernel.inducing_kernel(index)
            block[np.diag_indices(len(block))] += JITTER
            factors.append(np.linalg.cholesky(block).astype(np.float64, copy=False))
        return cls(tuple(factors))

    def _blocks(self) -> Iterator[tuple[slice, FloatArray]]:
        start = 0
        for factor in self.factors:
            yield slice(start, start + len(factor)), factor
            start += len(factor)

    def features(self, sums: FloatArray) -> FloatArray:
        """K L^-T, float64 (n, m)."""
        result = np.empty_like(sums)
        for columns, factor in self._blocks():
            if len(factor):
                result[:, columns] = solve_triangular(factor, sums[:, columns].T, lower=True).T
        return result

    def weights(self, whitened: FloatArray) -> FloatArray:
        """L^-T w: weights (m, ...) on whitened features as weights on kernel sums."""
        result = np.empty_like(whitened)
        for rows, factor in self._blocks():
            if len(factor):
                result[rows] = solve_triangular(factor, whitened[rows], lower=True, trans="T")
        return result


class NormalEquations:
    """Sums over molecules of products of features with themselves and with targets.

    Args:
        n_features: m.
        n_targets: t.
    """

    def __init__(self, n_features: int, n_targets: int) -> None:
        self.gram = np.zeros((n_features, n_features), order="F")  # upper triangle only
        self.products = np.zeros((n_features, n_targets))

    def add(self, features: FloatArray, targets: FloatArray) -> None:
        """Add molecules: features (n, m), targets (n, t)."""
        rows = np.ascontiguousarray(features)
        self.gram = dsyrk(1.0, rows.T, beta=1.0, c=self.gram, overwrite_c=True)
        self.products += rows.T @ targets

    def arrays(self) -> dict[str, FloatArray]:
        """What `restore` takes: sums so far."""
        return {"gram": self.gram.T, "products": self.products}

    def restore(self, gram: FloatArray, products: FloatArray) -> None:
        """Go on from sums that `arrays` gave."""
        self.gram, self.products = gram.T, products.copy()

    def factor(self, ridge: float) -> "Factored":
        """Cholesky factor of gram + ridge."""
        matrix = self.gram.copy(order="F")
        matrix[np.diag_indices(len(matrix))] += ridge
        return Factored(cho_factor(matrix, lower=False, overwrite_a=True)[0])


@dataclass(frozen=True, slots=True, eq=False)
class Factored:
    """The Cholesky factor of regularised normal equations."""

    upper: FloatArray  # (m, m); what lies below the diagonal is undefined

    def solve(self, products: FloatArray) -> FloatArray:
        """Weights (m, t) of ridge regression."""
        weights: FloatArray = cho_solve((self.upper, False), products)
        return weights

    def leverage(self, features: FloatArray) -> FloatArray:
        """phi (gram + ridge)^-1 phi of every row, float64 (n,): the variance of the linear
        model in units of that of its noise."""
        result = np.empty(len(features))
        for start in range(0, len(features), ROWS):
            block = features[start : start + ROWS].T
            half = solve_triangular(self.upper, block, lower=False, trans="T")
            result[start : start + ROWS] = np.einsum("mn,mn->n", half, half)
        return result


def leave_one_out(residuals: FloatArray, leverages: FloatArray) -> FloatArray:
    """What each molecule's error would be without it in the fit: r / (1 - h), exact for ridge."""
    errors: FloatArray = residuals / np.maximum(1.0 - leverages, 1e-6)
    return errors


def best_ridge(
    equations: NormalEquations,
    ridges: Sequence[float],
    features: FloatArray,
    targets: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    """The ridge of least mean absolute error on held-out molecules, for each target.

    Args:
        equations: of the training molecules.
        ridges: tried.
        features: (n, m) of the selection molecules; targets: (n, t).
        targets: float64 (n, n_targets), of the held-out molecules.
    Returns:
        ridges (t,) and their mean absolute errors (t,).
    """
    errors = np.full((len(ridges), targets.shape[1]), np.inf)
    for row, ridge in enumerate(ridges):
        weights = equations.factor(ridge).solve(equations.products)
        errors[row] = np.abs(targets - features @ weights).mean(axis=0)
    best = errors.argmin(axis=0)
    return np.asarray(ridges, dtype=np.float64)[best], errors.min(axis=0)
