"""The regression inside a fit: inducing environments, weights, spread, for one kernel width.

Molecules are streamed in chunks, so that memory is a few (m, m) matrices whatever their number.
"""

import logging
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from screener.models.baseline import baseline, fit_baseline
from screener.models.fchl.inducing import Inducing
from screener.models.fchl.metric import Metric
from screener.models.fchl.projection import Projection
from screener.models.fchl.sparse_kernel import SparseKernel
from screener.models.quantities import FITTED, QUANTITIES
from screener.models.sparse_gp.model import SparseModel
from screener.models.sparse_gp.posterior import (
    NormalEquations,
    Whitening,
    best_ridge,
    leave_one_out,
)
from screener.models.sparse_gp.predictive_std import SpreadRoot, leading, leading_columns
from screener.training.fit.data import FitSettings, Prepared
from screener.training.fit.normal_equations import EXTENSIVE, Equations, Features, accumulate
from screener.training.fit.progress import NoProgress, Progress

log = logging.getLogger(__name__)

FloatArray = NDArray[np.float64]

LEADING_RIDGE = 100.0  # times the model's: with few environments less is resolved
DIFFICULTY_RIDGES = tuple(10.0**power for power in range(-4, 2))
FLOOR = 0.05  # of the median error, added before the logarithm: errors near zero are chance


@dataclass(frozen=True, slots=True, eq=False)
class Core:
    """A fitted model with what was chosen for it."""

    model: SparseModel
    ridges: FloatArray  # (n_quantities,)
    errors: FloatArray  # (n_quantities,), mean absolute, on selection before it joined the fit


@dataclass(frozen=True, slots=True, eq=False)
class _Started:
    """A fit up to the choice of ridges."""

    features: Features
    baselines: FloatArray
    rest: FloatArray  # (n_train, n_quantities), targets without baseline
    equations: Equations
    ridges: FloatArray
    errors: FloatArray


def selection_errors(
    train: Prepared, selection: Prepared, inducing: Inducing, width: float, settings: FitSettings
) -> FloatArray:
    """Mean absolute errors (n_quantities,) on `selection` at the best of `settings.ridges`."""
    return _start(train, selection, inducing, width, settings, None).errors


def fit_core(
    train: Prepared,
    selection: Prepared,
    metric: Metric,
    projection: Projection,
    inducing: Inducing,
    width: float,
    settings: FitSettings,
    *,
    ridges: FloatArray | None = None,
    progress: Progress | None = None,
) -> Core:
    """Fit weights and spread at one kernel width.

    Args:
        train: fits; selection: chooses the ridges, then joins the fit.
        metric, projection: that both were scaled and projected with.
        inducing: environments of training molecules.
        width: of the kernel.
        settings: ridges to try, numbers of molecules and environments of the spread.
        ridges: (n_quantities,), to be used as they are; otherwise chosen from `settings.ridges`.
        progress: keeps the normal equations, most of the work, between runs.
    """
    started = _start(train, selection, inducing, width, settings, ridges, progress)
    features, equations, rest = started.features, started.equations, started.rest
    chosen = started.ridges
    rest_selection = _without(selection, started.baselines)
    for rows, chunk, atoms in features.chunks(selection):
        equations.add(chunk, atoms, rest_selection[rows])

    generator = np.random.default_rng(settings.seed)
    places = np.sort(generator.permutation(len(train))[: settings.n_difficulty])
    sample, rest_sample = features.all(train.rows(places)), rest[places]
    columns = leading_columns(inducing, leading(inducing, settings.n_leading))
    roots, stds, weights = (
        [],
        np.empty_like(rest_sample),
        np.empty((len(inducing.values), len(FITTED))),
    )
    for (extensive, one), rows_of_kind in zip(equations.kinds, sample, strict=True):
        quantities = np.flatnonzero(extensive == EXTENSIVE)
        # a submatrix holds their equations: L is lower triangular and they come first
        few = NormalEquations(len(columns), 0)
        few.gram = np.asfortranarray(one.gram[np.ix_(columns, columns)])
        ridge = LEADING_RIDGE * float(np.median(chosen[quantities]))
        roots.append(SpreadRoot.of(few, ridge))
        image = rows_of_kind[:, columns] @ roots[-1].matrix()
        half_log_variance = np.log((image * image).sum(axis=1)) / 2
        for place, quantity in enumerate(quantities):
            factored = one.factor(chosen[quantity])
            weights[:, quantity] = factored.solve(one.products[:, place])
            residuals = rest_sample[:, quantity] - rows_of_kind @ weights[:, quantity]
            errors_without = np.abs(leave_one_out(residuals, factored.leverage(rows_of_kind)))
            floor = FLOOR * float(np.median(errors_without))
            stds[:, quantity] = np.log(errors_without + floor) - half_log_variance
    log.info("leave-one-out errors of %d molecules", len(places))
    offset = stds.mean(axis=0)
    difficulty = _fit_difficulty(sample[1], stds - offset)
    model = SparseModel(
        metric=metric,
        projection=projection,
        inducing=inducing,
        width=width,
        baselines=started.baselines,
        weights=features.whitening.weights(weights),
        n_leading=settings.n_leading,
        root_extensive=roots[0],
        root_intensive=roots[1],
        difficulty=features.whitening.weights(difficulty),
        difficulty_offset=offset,
    )
    return Core(model, chosen, started.errors)


def _fit_difficulty(features: FloatArray, targets: FloatArray) -> FloatArray:
    """Weights (m, n_quantities); the ridge is that of least squared error on the last fifth."""
    cut = len(features) - max(1, len(features) // 5)
    first = NormalEquations(features.shape[1], targets.shape[1])
    first.add(features[:cut], targets[:cut])
    errors = []
    for ridge in DIFFICULTY_RIDGES:
        predicted = features[cut:] @ first.factor(ridge).solve(first.products)
        errors.append(((targets[cut:] - predicted) ** 2).mean(axis=0))
    first.add(features[cut:], targets[cut:])
    best = np.array(errors).argmin(axis=0)
    weights = np.empty((features.shape[1], targets.shape[1]))
    for column, number in enumerate(best):
        weights[:, column] = first.factor(DIFFICULTY_RIDGES[number]).solve(
            first.products[:, column]
        )
    return weights


def _start(
    train: Prepared,
    selection: Prepared,
    inducing: Inducing,
    width: float,
    settings: FitSettings,
    ridges: FloatArray | None,
    progress: Progress | None = None,
) -> _Started:
    kernel = SparseKernel(inducing, width, settings.device)
    features = Features(kernel, Whitening.of(kernel))
    baselines = np.stack(
        [
            fit_baseline(train.counts, train.targets[:, column], extensive=quantity.extensive)
            for column, quantity in enumerate(QUANTITIES)
        ]
    )
    rest, rest_selection = _without(train, baselines), _without(selection, baselines)
    equations = accumulate(features, train, rest, progress or NoProgress())
    log.info("normal equations of %d molecules, %d environments", len(train), kernel.n_inducing)
    chosen, errors = np.empty(len(QUANTITIES)), np.empty(len(QUANTITIES))
    held_out = features.all(selection)
    for (extensive, one), rows_of_kind in zip(equations.kinds, held_out, strict=True):
        columns = extensive == EXTENSIVE
        tried = settings.ridges if ridges is None else tuple(sorted(set(ridges[columns].tolist())))
        chosen[columns], errors[columns] = best_ridge(
            one, tried, rows_of_kind, rest_selection[:, columns]
        )
    log.info("ridges %s", dict(zip(FITTED, chosen.tolist(), strict=True)))
    return _Started(
        features, baselines, rest, equations, chosen if ridges is None else ridges, errors
    )


def _without(data: Prepared, baselines: FloatArray) -> FloatArray:
    return data.targets - np.stack([baseline(data.counts, row) for row in baselines], axis=1)
