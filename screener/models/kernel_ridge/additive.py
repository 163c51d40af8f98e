"""Kernel ridge regression on FCHL19 with increments under it: for few labels and larger molecules.

The kernel of two molecules is that of their environments (see `local_kernel`) plus that of their
`increments`, each block with a prior variance of its own; composition is all but free. A kernel
alone forgets everything at some distance from its training molecules; increments go on. Labels of
composite methods hold a few wrong ones and molecules that are alone of their kind, so noise is
heavy-tailed: each molecule's grows with its error when left out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve, solve_triangular
from scipy.linalg.lapack import dpotri

from screener.errors import ConfigError
from screener.models.fchl.local_kernel import LocalKernel, self_kernel, symmetric_kernel
from screener.models.fchl.representation import environments
from screener.models.kernel_ridge.increments import NAMES, block, increments
from screener.models.kernel_ridge.leave_out import regularised_factor
from screener.records import Structure

FloatArray = NDArray[np.float64]

ROUNDS = 4  # of reweighting
LEAST = 1e-12  # share of a molecule's prior variance that the posterior cannot go below
COMPOSITION = 1e3  # prior variance, in units of mean squares: all but free


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
    spread: float  # posterior variance per unit of the whole kernel


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """Molecules as fits work on them: any subset of them is a few indices away.

    What is `asked` are the structures that predictions are made for: the same, or others such as
    further conformers of them.
    """

    structures: tuple[Structure, ...]  # (n,), to fit on
    increments: FloatArray  # (n, n_increments)
    kernels: Mapping[float, FloatArray]  # width -> (n, n)
    asked_structures: tuple[Structure, ...]  # (m,)
    asked: FloatArray  # (m, n_increments)
    cross: Mapping[float, FloatArray]  # width -> (m, n), of the asked with those to fit on
    own: Mapping[float, FloatArray]  # width -> (m,), of the asked with themselves

    def prior(self, rows: NDArray[np.int64], settings: AdditiveSettings) -> FloatArray:
        """Prior variances (n_increments,) from the mean squares over `rows`; 0 where none is."""
        squares = (self.increments[rows] ** 2).mean(axis=0)
        shares = np.zeros(len(NAMES))
        shares[block("composition")] = COMPOSITION
        shares[block("bonds")] = settings.bonds
        shares[block("contacts")] = settings.contacts
        shares[block("rings")] = settings.rings
        prior: FloatArray = np.zeros(len(NAMES))
        np.divide(shares, squares, out=prior, where=squares > 0)
        return prior


def prepare(
    structures: Sequence[Structure],
    widths: Sequence[float],
    asked: Sequence[Structure] | None = None,
) -> Prepared:
    """Increments and kernels of molecules to fit on, and of those asked for (default: the same)."""
    known, found = environments(structures), increments(structures)
    kernels = {width: symmetric_kernel(known, width) for width in widths}
    if asked is None:
        own = {width: np.diag(kernel) for width, kernel in kernels.items()}
        same = tuple(structures)
        return Prepared(same, found, kernels, same, found, kernels, own)
    others = environments(asked)
    cross = {width: LocalKernel(known, width).rows(others).values.numpy() for width in widths}
    own = {width: self_kernel(others, width) for width in widths}
    return Prepared(tuple(structures), found, kernels, tuple(asked), increments(asked), cross, own)


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
    """
    return np.asarray(settings.amplitude * local + (ours * prior) @ theirs.T)


def solve(
    kernel: FloatArray, targets: FloatArray, settings: AdditiveSettings
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Weights (n,), noise (n,) and the lower Cholesky factor (n, n) of kernel + noise.

    Args:
        kernel: (n, n), whole.
        targets: (n,).
        settings: ridge and tolerance.
    Raises:
        ConfigError: the matrix is not positive definite.
    """
    noise = np.full(len(targets), settings.ridge)
    for left in reversed(range(1 if settings.tolerance is None else ROUNDS)):
        factor = regularised_factor(kernel + np.diag(noise), 0.0)
        weights = cho_solve((factor, True), targets)
        if left and settings.tolerance is not None:
            inverse, _ = dpotri(factor, lower=1)
            left_out = weights / np.diag(inverse)
            noise = settings.ridge * (1.0 + (left_out / settings.tolerance) ** 2)
    return np.asarray(weights), noise, factor


def fit_additive(
    prepared: Prepared,
    targets: FloatArray,
    settings: AdditiveSettings,
    rows: NDArray[np.int64],
) -> tuple[Fit, FloatArray]:
    """Fit on some of the prepared molecules.

    Args:
        prepared: with kernels of the settings' width.
        targets: float64 (n,), of all prepared molecules; only those of `rows` are read.
        settings: all that there is to choose.
        rows: molecules of the fit.
    Returns:
        the fit, and the lower Cholesky factor of whole kernel + noise.
    Raises:
        ConfigError: shapes that do not fit, values that are not finite.
    """
    if targets.shape != (len(prepared.structures),) or not np.isfinite(targets[rows]).all():
        raise ConfigError(f"{len(prepared.structures)} molecules need as many finite targets")
    prior = prepared.prior(rows, settings)
    found = prepared.increments[rows]
    local = prepared.kernels[settings.width][np.ix_(rows, rows)]
    kernel = whole_kernel(local, found, found, prior, settings)
    weights, noise, factor = solve(kernel, targets[rows], settings)
    spread = float(targets[rows] @ weights) / len(rows)
    coefficients = prior * (found.T @ weights)
    return Fit(prior, coefficients, settings.amplitude * weights, noise, spread), factor


def predict_within(
    prepared: Prepared,
    targets: FloatArray,
    settings: AdditiveSettings,
    rows: NDArray[np.int64],
    others: NDArray[np.int64],
) -> tuple[FloatArray, FloatArray]:
    """Fit on `rows`, predict `others` of the asked structures: for cross-validation.

    Returns:
        values and posterior standard deviations, float64 (len(others),) each.
    """
    fit, factor = fit_additive(prepared, targets, settings, rows)
    asked = prepared.asked[others]
    local = prepared.cross[settings.width][np.ix_(others, rows)]
    kernel = whole_kernel(local, asked, prepared.increments[rows], fit.prior, settings)
    own = settings.amplitude * prepared.own[settings.width][others] + asked**2 @ fit.prior
    image = solve_triangular(factor, kernel.T, lower=True)
    variance = np.maximum(own - (image * image).sum(axis=0), LEAST * own)
    return local @ fit.weights + asked @ fit.coefficients, np.sqrt(variance * fit.spread)
