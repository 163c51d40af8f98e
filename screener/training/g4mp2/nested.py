"""Nested cross-validation of the last rung, alone or at the end of a ladder.

Outer folds are for the figure, inner ones choose settings and give the CV+ intervals, all by
connectivity. A molecule's prediction never knows its label, neither in the fit nor in the choice.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from screener.errors import ConfigError
from screener.models.kernel_ridge.additive import AdditiveSettings
from screener.models.uncertainty.cv_plus import CvPlus
from screener.training.fit.additive import Prepared, predict_within
from screener.training.fit.spread import fit_spread

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

WIDTHS = (4.0, 8.0, 16.0, 32.0)
_KERNELS = (  # width, amplitude, ridge
    (4.0, 10.0, 1e-3),
    (8.0, 10.0, 1e-3),
    (8.0, 100.0, 1e-2),
    (16.0, 100.0, 1e-3),
    (32.0, 1e3, 1e-3),
)
_BLOCKS = ((0.0, 0.0, 0.0), (0.3, 0.0, 0.0), (0.3, 1.0, 0.0), (0.3, 1.0, 0.3))
_TOLERANCES = (None, 0.2, 0.4)
GRID = tuple(
    AdditiveSettings(*kernel, tolerance, *blocks)
    for kernel, tolerance, blocks in product(_KERNELS, _TOLERANCES, _BLOCKS)
)
PLAIN = tuple(  # exact FCHL over composition, nothing else
    AdditiveSettings(*kernel, None, *_BLOCKS[0]) for kernel in _KERNELS
)


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """What a rung is fitted on and judged by; n molecules, energies in kcal/mol.

    The lower end differs between fit and use where a ladder is entered from SMILES: fitted on
    labels at their own geometries, used on top of a predicted value at another conformer.
    """

    prepared: Prepared
    low: FloatArray  # (n,), at the structures to fit on; read where `fit`
    asked_low: FloatArray  # (n,), at the structures asked for
    high: FloatArray  # (n,)
    groups: NDArray[np.int64]  # (n,), molecules of one connectivity have one number
    fit: BoolArray  # (n,), may be fitted on
    judged: BoolArray  # (n,), count in choices and intervals
    n_heavy: NDArray[np.int64]  # (n,)
    told: FloatArray | None = None  # (n, N_FEATURES), that the spread of errors is fitted to

    def __post_init__(self) -> None:
        if not np.isfinite((self.high - self.low)[self.fit]).all():
            raise ConfigError("molecules to fit on need values at both ends of the rung")


@dataclass(frozen=True, slots=True, eq=False)
class Nested:
    """Out-of-fold results, (n,) each, kcal/mol."""

    values: FloatArray  # at the upper end
    low: FloatArray  # CV+ 90 % interval
    high: FloatArray
    chosen: tuple[AdditiveSettings, ...]  # of each outer fold


def folds_of(groups: NDArray[np.int64], n_folds: int, seed: int) -> NDArray[np.int64]:
    """Fold (n,) of every molecule, groups whole, folds of like size.

    Args:
        groups: int64 (n,), molecules of one group are never parted.
        n_folds: at least 2.
        seed: of the draw.
    Returns:
        int64 (n,), from 0.
    """
    unique, place = np.unique(groups, return_inverse=True)
    numbers = np.random.default_rng(seed).permutation(len(unique)) % n_folds
    return np.asarray(numbers[place], dtype=np.int64)


def nested(
    task: Task, grid: Sequence[AdditiveSettings], n_outer: int, n_inner: int, seed: int = 0
) -> Nested:
    """Predict every molecule once, by a model that was chosen, fitted and calibrated without it.

    Args:
        task: molecules, labels and structures.
        grid: what is chosen among.
        n_outer, n_inner: numbers of folds.
        seed: of both.
    Returns:
        values, stds and intervals of every molecule.
    """
    outer = folds_of(task.groups, n_outer, seed)
    values, low, high = (np.full(len(outer), np.nan) for _ in range(3))
    chosen = []
    for fold in range(n_outer):
        train, test = outer != fold, np.flatnonzero(outer == fold)
        inner = np.full(len(outer), -1)
        inner[train] = folds_of(task.groups[train], n_inner, seed + 1 + fold)
        settings = min(grid, key=lambda tried: _inner_error(task, tried, inner, n_inner))
        chosen.append(settings)
        values[test], _ = _predicted(task, settings, task.fit & train, test)
        low[test], high[test] = _interval(task, settings, inner, n_inner, test)
    return Nested(values, low, high, tuple(chosen))


def out_of_fold(
    task: Task, settings: AdditiveSettings, folds: NDArray[np.int64]
) -> tuple[FloatArray, FloatArray]:
    """Values and stds (n,) of every molecule by the model fitted on the other folds.

    Molecules of fold -1 are neither fitted on nor predicted (NaN).

    Args:
        task: the molecules.
        settings: of the fits.
        folds: int64 (n,).
    Returns:
        values and stds, float64 (n,) each.
    """
    values, stds = np.full(len(folds), np.nan), np.full(len(folds), np.nan)
    for fold in np.unique(folds[folds >= 0]):
        others = np.flatnonzero(folds == fold)
        rows = task.fit & (folds >= 0) & (folds != fold)
        values[others], stds[others] = _predicted(task, settings, rows, others)
    return values, stds


def choose(
    task: Task, grid: Sequence[AdditiveSettings], n_folds: int, seed: int = 0
) -> AdditiveSettings:
    """The settings of least mean absolute out-of-fold error over all molecules of the task.

    Args:
        task: the molecules.
        grid: settings to choose among.
        n_folds: of the inner cross-validation.
        seed: of its folds.
    Returns:
        one of the grid.
    """
    folds = folds_of(task.groups, n_folds, seed)
    return min(grid, key=lambda tried: _inner_error(task, tried, folds, n_folds))


def by_size(task: Task, settings: AdditiveSettings, largest: int) -> tuple[FloatArray, FloatArray]:
    """Errors and stds of the judged molecules of more than `largest` heavy atoms, fitted on the
    others.

    Args:
        task: the molecules.
        settings: of the fit.
        largest: heavy atoms of the largest molecule that is fitted on.
    Returns:
        errors and stds, float64 (n_larger,) each.
    """
    larger = np.flatnonzero(task.judged & (task.n_heavy > largest))
    values, stds = _predicted(task, settings, task.fit & (task.n_heavy <= largest), larger)
    return np.asarray(values - task.high[larger]), stds


def choose_by_size(
    task: Task, grid: Sequence[AdditiveSettings], sizes: Sequence[int]
) -> AdditiveSettings:
    """The settings that extrapolate best from molecules of up to so many heavy atoms to larger
    ones, on average over the `sizes`: a single one leaves the choice to chance.

    Args:
        task: the molecules.
        grid: settings to choose among.
        sizes: heavy atoms of the largest fitted molecule, for each split.
    Returns:
        one of the grid.
    """

    def error(tried: AdditiveSettings) -> float:
        return sum(float(np.abs(by_size(task, tried, size)[0]).mean()) for size in sizes)

    return min(grid, key=error)


def _predicted(
    task: Task, settings: AdditiveSettings, rows: BoolArray, others: NDArray[np.int64]
) -> tuple[FloatArray, FloatArray]:
    values, stds = predict_within(
        task.prepared, task.high - task.low, settings, np.flatnonzero(rows), others
    )
    return task.asked_low[others] + values, stds


def _inner_error(
    task: Task, settings: AdditiveSettings, folds: NDArray[np.int64], n_folds: int
) -> float:
    values, _ = out_of_fold(task, settings, folds)
    counted = task.judged & (folds >= 0)
    return float(np.abs(values - task.high)[counted].mean())


def _interval(
    task: Task,
    settings: AdditiveSettings,
    inner: NDArray[np.int64],
    n_inner: int,
    test: NDArray[np.int64],
) -> tuple[FloatArray, FloatArray]:
    """CV+ interval of the molecules `test`, from models fitted on the inner folds."""
    errors, stds = np.full(len(inner), np.nan), np.full(len(inner), np.nan)
    values, others_stds = np.empty((n_inner, len(test))), np.empty((n_inner, len(test)))
    for fold in range(n_inner):
        held = np.flatnonzero((inner == fold) & task.judged)
        rows = task.fit & (inner >= 0) & (inner != fold)
        both, std = _predicted(task, settings, rows, np.concatenate([held, test]))
        errors[held], stds[held] = both[: len(held)] - task.high[held], std[: len(held)]
        values[fold], others_stds[fold] = both[len(held) :], std[len(held) :]
    known = np.flatnonzero((inner >= 0) & task.judged)
    errors, stds = errors[known], stds[known]
    if task.told is not None:
        spread = fit_spread(errors, stds, task.told[known])
        stds = spread.stds(stds, task.told[known])
        others_stds = spread.stds(others_stds, task.told[test])
    return CvPlus.of(errors, stds, inner[known]).interval(values, others_stds)
