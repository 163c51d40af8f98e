"""Exact kernel ridge regression with FCHL19: the model, and how it is fitted.

Every training molecule is in the model, so it is for hundreds to some ten thousand of them: few
labels of a dear method, and the reference that the sparse model is measured against. Width and
ridges are chosen by errors on training molecules left out, in closed form. What is learned, and
whether it is a difference, is the caller's.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from scipy.linalg import cho_solve
from scipy.linalg.lapack import dtrtri

from screener.errors import ConfigError
from screener.models.baseline import baseline, composition, fit_baseline
from screener.models.learn_metric import learn_metric
from screener.models.leave_out import left_out_errors, regularised_factor
from screener.models.local_kernel import part, symmetric_kernel
from screener.models.metric import Metric
from screener.models.representation import environments
from screener.records import Structure

log = logging.getLogger(__name__)

FloatArray = NDArray[np.float64]


class ExactSettings(BaseModel):
    """What is tried."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    widths: tuple[float, ...] = (3.0, 4.0, 6.0, 8.0, 12.0)
    ridges: tuple[float, ...] = tuple(10.0**power for power in range(-8, 1))
    n_choice: int = 2_000  # training molecules, the first ones, that the choice is made on
    learned_metric: bool = True  # from the first training molecules too


@dataclass(frozen=True, slots=True, eq=False)
class ExactModel:
    """Everything that is fitted, for t quantities.

    Training molecules are kept as structures: their environments are made again when the model is
    loaded, which is exact and takes a tenth of the space of the environments.
    """

    structures: tuple[Structure, ...]  # (n,)
    metric: Metric
    width: float
    extensive: NDArray[np.bool_]  # (t,), a sum over atoms; otherwise a mean
    baselines: FloatArray  # (t, n_elements + 1)
    weights: FloatArray  # (n, t) on kernels (extensive) or mean kernels
    amplitudes: FloatArray  # (t,), prior variance per unit of the kernel
    # L^-1 of mean kernels and of kernels, L L^T = K + ridge; (n, n), (0, 0) where nothing uses it
    roots: tuple[FloatArray, FloatArray]


@dataclass(frozen=True, slots=True, eq=False)
class ExactReport:
    """What was chosen."""

    width: float
    ridges: FloatArray  # (t,)
    errors: FloatArray  # (t,), mean absolute, of molecules left out of the choice
    trials: dict[float, FloatArray]  # width -> (t,) errors at the best ridges
    left_out: FloatArray  # (n, t), true minus predicted with a molecule's group left out


def fit_exact(
    structures: Sequence[Structure],
    targets: FloatArray,
    extensive: Sequence[bool],
    settings: ExactSettings,
    groups: NDArray[np.int64] | None = None,
) -> tuple[ExactModel, ExactReport]:
    """Choose width and ridges, and fit.

    Args:
        structures: (n,), training molecules, in random order where not all are used to choose.
        targets: float64 (n, t), in any unit; a composition baseline is taken off first.
        extensive: (t,), whether a quantity is a sum over atoms or a mean.
        settings: what is tried.
        groups: (n,), molecules of one number are left out together; default: one by one.
    Returns:
        the model and what was chosen. The errors in the report are those of the chosen settings,
        so a little too good; nested cross-validation calls this function on each fold.
    Raises:
        ConfigError: no structures, or shapes or values that do not fit.
    """
    n = len(structures)
    if n == 0 or targets.shape != (n, len(extensive)) or not np.isfinite(targets).all():
        raise ConfigError(
            f"{n} structures need finite targets ({n}, {len(extensive)}), not {targets.shape}"
        )
    kinds = np.asarray(extensive, dtype=np.bool_)
    groups = np.arange(n) if groups is None else groups
    counts = composition(structures)
    baselines = np.stack(
        [fit_baseline(counts, y, extensive=bool(e)) for y, e in zip(targets.T, kinds, strict=True)]
    )
    rest = targets - np.stack([baseline(counts, row) for row in baselines], axis=1)
    known = environments(structures)
    metric = learn_metric(known, rest, extensive) if settings.learned_metric else Metric.plain()
    known = metric.scaled(known)
    atoms = known.atoms_per_molecule.astype(np.float64)

    few = min(n, settings.n_choice)
    chosen = {}
    for width in settings.widths:
        kernel = symmetric_kernel(part(known, 0, few), width)
        chosen[width] = _choose_ridges(kernel, atoms[:few], rest[:few], kinds, settings, groups)
        log.info("width %g: errors %s at ridges %s", width, chosen[width][1], chosen[width][0])
    scale = np.maximum(np.abs(rest).mean(axis=0), np.finfo(float).tiny)
    width = min(chosen, key=lambda tried: float((chosen[tried][1] / scale).sum()))
    ridges, errors = chosen[width]

    kernel = symmetric_kernel(known, width)
    means = kernel / (atoms[:, None] * atoms[None, :])
    weights, left_out, amplitudes = np.empty_like(rest), np.empty_like(rest), np.empty(len(kinds))
    for column, (of_sums, ridge) in enumerate(zip(kinds, ridges, strict=True)):
        matrix = kernel if of_sums else means
        factor = regularised_factor(matrix, ridge)
        weights[:, column] = cho_solve((factor, True), rest[:, column])
        amplitudes[column] = rest[:, column] @ weights[:, column] / n
        left_out[:, [column]] = left_out_errors(matrix, rest[:, [column]], ridge, groups)
    roots = _root(means, ridges[~kinds]), _root(kernel, ridges[kinds])
    model = ExactModel(
        tuple(structures), metric, width, kinds, baselines, weights, amplitudes, roots
    )
    trials = {tried: found[1] for tried, found in chosen.items()}
    return model, ExactReport(width, ridges, errors, trials, left_out)


def _choose_ridges(
    kernel: FloatArray,
    atoms: FloatArray,
    rest: FloatArray,
    extensive: NDArray[np.bool_],
    settings: ExactSettings,
    groups: NDArray[np.int64],
) -> tuple[FloatArray, FloatArray]:
    """Ridges (t,) of least mean absolute error left out, and these errors (t,)."""
    means = kernel / (atoms[:, None] * atoms[None, :])
    tried = np.full((len(settings.ridges), rest.shape[1]), np.inf)
    for row, ridge in enumerate(settings.ridges):
        for of_sums, matrix in ((True, kernel), (False, means)):
            columns = np.flatnonzero(extensive == of_sums)
            if len(columns):
                errors = left_out_errors(matrix, rest[:, columns], ridge, groups[: len(rest)])
                tried[row, columns] = np.abs(errors).mean(axis=0)
    return np.asarray(settings.ridges)[tried.argmin(axis=0)], tried.min(axis=0)


def _root(matrix: FloatArray, ridges: FloatArray) -> FloatArray:
    """L^-1 (n, n) at the median of the ridges of the quantities that use it, (0, 0) if none do."""
    if len(ridges) == 0:
        return np.empty((0, 0))
    factor = regularised_factor(matrix, float(np.median(ridges)))
    return np.tril(dtrtri(factor, lower=1)[0])
