"""Fits of kernel ridge regression with increments: for few labels and larger molecules.

Labels of composite methods hold a few wrong ones and molecules that are alone of their kind, so
noise is heavy-tailed: each molecule's grows with its error when left out.
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
from screener.models.kernel_ridge.additive import (
    LEAST,
    AdditiveSettings,
    Fit,
    regularised_factor,
    whole_kernel,
)
from screener.models.kernel_ridge.increments import increments, vocabulary
from screener.records import Structure

FloatArray = NDArray[np.float64]

ROUNDS = 4  # of reweighting
COMPOSITION = 1e3  # prior variance, in units of mean squares: all but free


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """Molecules as fits work on them: any subset of them is a few indices away.

    What is `asked` are the structures that predictions are made for: the same, or others such as
    further conformers of them.
    """

    elements: tuple[int, ...]  # atomic numbers that increments and kernels know
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
        words = vocabulary(self.elements)
        shares = np.zeros(len(words))
        shares[words.block("composition")] = COMPOSITION
        shares[words.block("bonds")] = settings.bonds
        shares[words.block("contacts")] = settings.contacts
        shares[words.block("rings")] = settings.rings
        prior: FloatArray = np.zeros(len(words))
        np.divide(shares, squares, out=prior, where=squares > 0)
        return prior


def elements_in(structures: Sequence[Structure]) -> tuple[int, ...]:
    """Atomic numbers that occur in some structures, ascending."""
    return tuple(sorted({int(number) for each in structures for number in each.atomic_numbers}))


def prepare(
    structures: Sequence[Structure],
    widths: Sequence[float],
    asked: Sequence[Structure] | None = None,
) -> Prepared:
    """Increments and kernels.

    Args:
        structures: to fit on; their elements are those of the fit.
        widths: of kernels, in units of the representation.
        asked: that predictions are made for, of the same elements; default: those to fit on.
    Returns:
        what fits and predictions within the set read.
    """
    elements = elements_in([*structures, *(asked or ())])
    known, own_increments = environments(structures, elements), increments(structures, elements)
    kernels = {width: symmetric_kernel(known, width) for width in widths}
    if asked is None:
        own = {width: np.diag(kernel) for width, kernel in kernels.items()}
        same = tuple(structures)
        return Prepared(elements, same, own_increments, kernels, same, own_increments, kernels, own)
    others = environments(asked, elements)
    cross = {width: LocalKernel(known, width).rows(others).values.numpy() for width in widths}
    own = {width: self_kernel(others, width) for width in widths}
    return Prepared(
        elements,
        tuple(structures),
        own_increments,
        kernels,
        tuple(asked),
        increments(asked, elements),
        cross,
        own,
    )


def solve(
    kernel: FloatArray, targets: FloatArray, settings: AdditiveSettings
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Solve for the weights, molecules that fit badly with more noise than others.

    Args:
        kernel: (n, n), whole.
        targets: (n,).
        settings: ridge and tolerance.
    Returns:
        weights (n,), noise (n,) and the lower Cholesky factor (n, n) of kernel + noise.
    Raises:
        ConfigError: the matrix is not positive definite.
    """
    noise = np.full(len(targets), settings.ridge)
    for left in reversed(range(1 if settings.tolerance is None else ROUNDS)):
        factor = regularised_factor(kernel, noise)
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
    own = prepared.increments[rows]
    local = prepared.kernels[settings.width][np.ix_(rows, rows)]
    kernel = whole_kernel(local, own, own, prior, settings)
    weights, noise, factor = solve(kernel, targets[rows], settings)
    variance = float(targets[rows] @ weights) / len(rows)
    coefficients = prior * (own.T @ weights)
    return Fit(prior, coefficients, settings.amplitude * weights, noise, variance), factor


def predict_within(
    prepared: Prepared,
    targets: FloatArray,
    settings: AdditiveSettings,
    rows: NDArray[np.int64],
    others: NDArray[np.int64],
) -> tuple[FloatArray, FloatArray]:
    """Fit on some molecules, predict others: for cross-validation.

    Args:
        prepared: with kernels of the settings' width.
        targets: float64 (n,), of all prepared molecules; only those of `rows` are read.
        settings: of the fit.
        rows: molecules of the fit.
        others: of the asked structures.
    Returns:
        values and posterior standard deviations, float64 (len(others),) each.
    """
    fit, factor = fit_additive(prepared, targets, settings, rows)
    of_others = prepared.asked[others]
    local = prepared.cross[settings.width][np.ix_(others, rows)]
    kernel = whole_kernel(local, of_others, prepared.increments[rows], fit.prior, settings)
    own = settings.amplitude * prepared.own[settings.width][others] + of_others**2 @ fit.prior
    image = solve_triangular(factor, kernel.T, lower=True)
    variance = np.maximum(own - (image * image).sum(axis=0), LEAST * own)
    return local @ fit.weights + of_others @ fit.coefficients, np.sqrt(variance * fit.variance)
