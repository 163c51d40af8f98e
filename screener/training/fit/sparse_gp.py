"""Fit a sparse model, its stds, calibration and domain.

Three sets of molecules come in: *train* fits, *selection* chooses width and ridges (and then joins
the fit with these fixed), *calibration* is seen by neither and sets intervals and limits. Splits
are the caller's; see `screener.training`.
"""

import logging
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from screener.models.baseline import baseline
from screener.models.fchl.inducing import Inducing, choose_inducing
from screener.models.fchl.metric import Metric
from screener.models.fchl.projection import fit_projection
from screener.models.fchl.representation import environments
from screener.models.raw_predictions import RawPredictions
from screener.models.sparse_gp.model import Evaluator
from screener.models.sparse_gp.predictive_std import leading
from screener.models.targets import Targets
from screener.training.fit.calibrate import FittedModel, Growth, SizeSplit, calibrated
from screener.training.fit.data import (
    FitSets,
    FitSettings,
    Prepared,
    prepare,
    training_metric,
)
from screener.training.fit.progress import Progress
from screener.training.fit.regression import Core, fit_core, selection_errors

log = logging.getLogger(__name__)

FloatArray = NDArray[np.float64]

NAME = "sparse-fchl"  # of this type of model
PROJECTION_SAMPLE = 2_000  # molecules whose environments the projection is fitted on


@dataclass(frozen=True, slots=True, eq=False)
class FitReport:
    """What was chosen and measured while fitting, for the model card."""

    width: float
    width_trials: dict[str, dict[str, float]]  # width -> quantity -> mean absolute error
    ridges: dict[str, float]
    selection_mae: dict[str, float]  # of the model fitted on train alone
    projection_loss: float  # share of variance left out, worst element
    n_inducing: dict[int, int]  # by element
    n_train: int
    n_selection: int
    n_calibration: int

    def as_json(self) -> dict[str, Any]:
        """The same as JSON values."""
        return {**asdict(self), "n_inducing": {str(z): n for z, n in self.n_inducing.items()}}


def fit_model(
    sets: FitSets, settings: FitSettings, *, workers: int = 1, progress: Progress | None = None
) -> FittedModel:
    """Fit, choose, calibrate.

    Args:
        sets: thousands of molecules to fit, whose order matters only through seeded samples of
            them; some hundreds or more to choose on, and to calibrate on.
        settings: see `FitSettings`.
        workers: processes that make environments.
        progress: keeps the normal equations between runs; default: nothing is kept.
    Returns:
        the model with its report. Bytes repeat on one kind of machine with the same settings.
    Raises:
        ConfigError: labels are missing, or a structure lacks a low value.
        ValueError: fewer than 10 calibration molecules.
    """
    train, elements, targets = sets.fit, sets.elements, sets.targets
    generator = np.random.default_rng(settings.seed)
    places = np.sort(generator.permutation(len(train))[:PROJECTION_SAMPLE])
    metric = Metric.plain(elements)
    if settings.learned_metric:
        metric = training_metric(train, targets, elements, settings.seed)
    some = [train.structures[int(place)] for place in places]
    sample = metric.scaled(environments(some, elements))
    projection, lost = fit_projection(sample, settings.n_components)
    log.info("projection to %d components loses %.2e", settings.n_components, lost)
    fitting, choosing, judging = (
        prepare(data, metric, projection, targets, workers)
        for data in (train, sets.selection, sets.calibration)
    )
    log.info("environments of %d molecules projected", len(fitting) + len(choosing) + len(judging))

    inducing = _inducing(fitting, settings)
    width, trials = _choose_width(fitting, choosing, inducing, targets, settings)
    core = fit_core(
        fitting, choosing, metric, projection, inducing, width, targets, settings,
        progress=progress,
    )  # fmt: skip
    raw = evaluate(Evaluator(core.model, settings.device), judging)
    growth = _growth(fitting, choosing, judging, core, targets, settings, progress)
    predictor = calibrated(NAME, core.model, raw, sets, growth, settings)
    report = FitReport(
        width=width,
        width_trials=trials,
        ridges=dict(zip(targets.names, core.ridges.tolist(), strict=True)),
        selection_mae=dict(zip(targets.names, core.errors.tolist(), strict=True)),
        projection_loss=lost,
        n_inducing=dict(zip(elements, core.model.inducing.counts.tolist(), strict=True)),
        n_train=len(fitting),
        n_selection=len(choosing),
        n_calibration=len(judging),
    )
    whole = {"settings": settings.model_dump(mode="json"), **report.as_json()}
    return FittedModel(predictor, whole, elements)


def evaluate(evaluator: Evaluator, data: Prepared) -> RawPredictions:
    """Predict prepared molecules, baseline included."""
    values, stds, distances = zip(
        *(evaluator.predict_projected(chunk) for _, chunk in data.chunks()), strict=True
    )
    baselines = [baseline(data.counts, row) for row in evaluator.model.baselines]
    return RawPredictions(
        np.concatenate(values) + np.stack(baselines, axis=1),
        np.concatenate(stds),
        np.concatenate(distances),
        np.concatenate([[0], np.cumsum(data.environments.atoms_per_molecule)]),
    )


def _inducing(train: Prepared, settings: FitSettings) -> Inducing:
    generator = np.random.default_rng(settings.seed)
    return choose_inducing(train.environments, settings.n_inducing, generator)


def _choose_width(
    train: Prepared,
    selection: Prepared,
    inducing: Inducing,
    targets: Targets,
    settings: FitSettings,
) -> tuple[float, dict[str, dict[str, float]]]:
    """The width of least error on selection, summed over columns in units of their std."""
    if len(settings.widths) == 1:
        return settings.widths[0], {}
    generator = np.random.default_rng(settings.seed)
    part = train.rows(generator.permutation(len(train))[: settings.width_sample])
    fewer = leading(inducing, settings.n_inducing // 2)
    trials, sums = {}, {}
    for width in settings.widths:
        errors = selection_errors(part, selection, fewer, width, targets, settings)
        trials[f"{width:g}"] = dict(zip(targets.names, errors.tolist(), strict=True))
        sums[width] = float(np.sum(errors / selection.targets.std(axis=0)))
    log.info("width trials %s", trials)
    return min(sums, key=lambda width: sums[width]), trials


def _growth(
    train: Prepared,
    selection: Prepared,
    calibration: Prepared,
    core: Core,
    targets: Targets,
    settings: FitSettings,
    progress: Progress | None,
) -> Growth:
    """By a model fitted again on molecules of fewer heavy atoms than the largest."""
    split = SizeSplit.of(train.n_heavy, selection.n_heavy, calibration.n_heavy)
    if split is None:
        return Growth.none(targets)
    smaller = train.rows(split.train)
    small_core = fit_core(
        smaller,
        selection.rows(split.selection),
        core.model.metric,
        core.model.projection,
        _inducing(smaller, settings),
        core.model.width,
        targets,
        settings,
        ridges=core.ridges,
        progress=progress,
    )
    raw = evaluate(Evaluator(small_core.model, settings.device), calibration)
    growth = Growth.measured(raw, calibration.targets, targets, split.larger)
    log.info("growth per heavy atom %s", growth)
    return growth
