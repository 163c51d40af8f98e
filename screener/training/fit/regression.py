"""The regression inside a fit: inducing environments, weights, stds, for one kernel width.

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
from screener.models.sparse_gp.model import SparseModel
from screener.models.sparse_gp.posterior import (
    NormalEquations,
    Whitening,
    best_ridge,
    leave_one_out,
)
from screener.models.sparse_gp.predictive_std import PosteriorRoot, leading, leading_columns
from screener.models.targets import Targets
from screener.training.fit.data import FitSettings, Prepared
from screener.training.fit.normal_equations import Equations, Features, accumulate
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
    ridges: FloatArray  # (n_fitted,)
    errors: FloatArray  # (n_fitted,), mean absolute, on selection before it joined the fit


@dataclass(frozen=True, slots=True, eq=False)
class _Started:
    """A fit up to the choice of ridges."""

    features: Features
    baselines: FloatArray
    rest: FloatArray  # (n_train, n_fitted), targets without baseline
    equations: Equations
    ridges: FloatArray
    errors: FloatArray


def selection_errors(
    train: Prepared,
    selection: Prepared,
    inducing: Inducing,
    width: float,
    targets: Targets,
    settings: FitSettings,
) -> FloatArray:
    """How well a kernel width does.

    Args:
        train: molecules that are fitted.
        selection: that errors are of.
        inducing: environments of training molecules.
        width: of the kernel.
        targets: what is learned.
        settings: ridges to try.
    Returns:
        mean absolute errors (n_fitted,) on `selection` at the best ridges.
    """
    return _start(train, selection, inducing, width, targets, settings, None).errors


def fit_core(
    train: Prepared,
    selection: Prepared,
    metric: Metric,
    projection: Projection,
    inducing: Inducing,
    width: float,
    targets: Targets,
    settings: FitSettings,
    *,
    ridges: FloatArray | None = None,
    progress: Progress | None = None,
) -> Core:
    """Fit weights and stds at one kernel width.

    Args:
        train: fits; selection: chooses the ridges, then joins the fit.
        metric, projection: that both were scaled and projected with.
        inducing: environments of training molecules.
        width: of the kernel.
        targets: what is learned.
        settings: ridges to try, numbers of molecules and environments of the stds.
        ridges: (n_fitted,), to be used as they are; otherwise chosen from `settings.ridges`.
        progress: keeps the normal equations, most of the work, between runs.
        selection: prepared molecules that choose the ridge.
    Returns:
        weights and stds at this width, with the error on the selection.
    """
    started = _start(train, selection, inducing, width, targets, settings, ridges, progress)
    features, equations, rest = started.features, started.equations, started.rest
    chosen = started.ridges
    rest_selection = _without(selection, started.baselines)
    for rows, chunk, atoms in features.chunks(selection):
        equations.add(chunk, atoms, rest_selection[rows])

    generator = np.random.default_rng(settings.seed)
    places = np.sort(generator.permutation(len(train))[: settings.n_difficulty])
    sample, rest_sample = features.all(train.rows(places)), rest[places]
    columns = leading_columns(inducing, leading(inducing, settings.n_leading))
    roots: dict[bool, PosteriorRoot] = {}
    stds = np.empty_like(rest_sample)
    weights = np.empty((len(inducing.values), len(targets.names)))
    for extensive, one in equations.kinds:
        rows_of_kind = sample[0] if extensive else sample[1]
        quantities = np.flatnonzero(extensive == equations.extensive)
        # a submatrix holds their equations: L is lower triangular and they come first
        few = NormalEquations(len(columns), 0)
        few.gram = np.asfortranarray(one.gram[np.ix_(columns, columns)])
        ridge = LEADING_RIDGE * float(np.median(chosen[quantities]))
        roots[extensive] = PosteriorRoot.of(few, ridge)
        image = rows_of_kind[:, columns] @ roots[extensive].matrix()
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
        extensive=targets.extensive,
        metric=metric,
        projection=projection,
        inducing=inducing,
        width=width,
        baselines=started.baselines,
        weights=features.whitening.weights(weights),
        n_leading=settings.n_leading,
        roots=roots,
        difficulty=features.whitening.weights(difficulty),
        difficulty_offset=offset,
    )
    return Core(model, chosen, started.errors)


def _fit_difficulty(features: FloatArray, targets: FloatArray) -> FloatArray:
    """Weights (m, n_fitted); the ridge is that of least squared error on the last fifth."""
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
    targets: Targets,
    settings: FitSettings,
    ridges: FloatArray | None,
    progress: Progress | None = None,
) -> _Started:
    kernel = SparseKernel(inducing, width, settings.device)
    features = Features(kernel, Whitening.of(kernel))
    baselines = np.stack(
        [
            fit_baseline(train.counts, train.targets[:, place], extensive=extensive)
            for place, extensive in enumerate(targets.extensive)
        ]
    )
    rest, rest_selection = _without(train, baselines), _without(selection, baselines)
    equations = accumulate(features, train, rest, targets.extensive, progress or NoProgress())
    log.info("normal equations of %d molecules, %d environments", len(train), kernel.n_inducing)
    chosen, errors = np.empty(len(targets.names)), np.empty(len(targets.names))
    held_out = features.all(selection)
    for extensive, one in equations.kinds:
        rows_of_kind = held_out[0] if extensive else held_out[1]
        columns = extensive == equations.extensive
        tried = settings.ridges if ridges is None else tuple(sorted(set(ridges[columns].tolist())))
        chosen[columns], errors[columns] = best_ridge(
            one, tried, rows_of_kind, rest_selection[:, columns]
        )
    log.info("ridges %s", dict(zip(targets.names, chosen.tolist(), strict=True)))
    return _Started(
        features, baselines, rest, equations, chosen if ridges is None else ridges, errors
    )


def _without(data: Prepared, baselines: FloatArray) -> FloatArray:
    return data.targets - np.stack([baseline(data.counts, row) for row in baselines], axis=1)
