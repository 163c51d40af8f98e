"""Fit a sparse model, its spread, calibration and domain.

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
from screener.models.fchl.representation import ELEMENTS, environments
from screener.models.predictor import Kind
from screener.models.quantities import FITTED
from screener.models.sparse_gp.model import Evaluator, RawPredictions
from screener.models.sparse_gp.predictive_std import leading
from screener.training.fit.calibrate import FittedModel, Growth, SizeSplit, calibrated
from screener.training.fit.data import (
    FitData,
    FitSettings,
    Prepared,
    prepare,
    require_molecules,
    training_metric,
)
from screener.training.fit.progress import Progress
from screener.training.fit.regression import Core, fit_core, selection_errors

__all__ = ["FitData", "FitReport", "FitSettings", "FittedModel", "fit_model"]

log = logging.getLogger(__name__)

FloatArray = NDArray[np.float64]

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
    train: FitData,
    selection: FitData,
    calibration: FitData,
    settings: FitSettings,
    *,
    kind: Kind,
    geometry_level: str,
    workers: int = 1,
    progress: Progress | None = None,
) -> FittedModel:
    """Fit, choose, calibrate.

    Args:
        train: thousands of molecules; their order matters only through seeded samples of them.
        selection: some hundreds or more, disjoint from train.
        calibration: some hundreds or more, disjoint from both.
        settings: see `FitSettings`.
        kind: `direct` learns the high values, `delta` high minus low.
        geometry_level: of all structures.
        workers: processes that make environments.
        progress: keeps the normal equations between runs; default: nothing is kept.
    Returns:
        the model with its report. Bytes repeat on one kind of machine with the same settings.
    Raises:
        ConfigError: a set is empty, or a delta is asked of structures without GFN2 results.
        ValueError: fewer than 10 calibration molecules.
    """
    require_molecules(train, selection, calibration)
    generator = np.random.default_rng(settings.seed)
    places = np.sort(generator.permutation(len(train.structures))[:PROJECTION_SAMPLE])
    metric = Metric.plain()
    if settings.learned_metric:
        metric = training_metric(train, kind, settings.seed)
    sample = metric.scaled(environments([train.structures[int(place)] for place in places]))
    projection, lost = fit_projection(sample, settings.n_components)
    log.info("projection to %d components loses %.2e", settings.n_components, lost)
    fitting, choosing, judging = (
        prepare(data, metric, projection, kind, workers) for data in (train, selection, calibration)
    )
    log.info("environments of %d molecules projected", len(fitting) + len(choosing) + len(judging))

    inducing = _inducing(fitting, settings)
    width, trials = _choose_width(fitting, choosing, inducing, settings)
    core = fit_core(
        fitting, choosing, metric, projection, inducing, width, settings, progress=progress
    )
    predictor = calibrated(
        core.model,
        evaluate(Evaluator(core.model, settings.device), judging),
        calibration,
        [*train.structures, *selection.structures],
        _growth(fitting, choosing, judging, core, settings, progress),
        settings,
        kind=kind,
        geometry_level=geometry_level,
    )
    report = FitReport(
        width=width,
        width_trials=trials,
        ridges=dict(zip(FITTED, core.ridges.tolist(), strict=True)),
        selection_mae=dict(zip(FITTED, core.errors.tolist(), strict=True)),
        projection_loss=lost,
        n_inducing=dict(zip(ELEMENTS, core.model.inducing.counts.tolist(), strict=True)),
        n_train=len(fitting),
        n_selection=len(choosing),
        n_calibration=len(judging),
    )
    return FittedModel(
        predictor, {"settings": settings.model_dump(mode="json"), **report.as_json()}
    )


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
    train: Prepared, selection: Prepared, inducing: Inducing, settings: FitSettings
) -> tuple[float, dict[str, dict[str, float]]]:
    """The width of least error on selection, summed over quantities in units of their spread."""
    if len(settings.widths) == 1:
        return settings.widths[0], {}
    generator = np.random.default_rng(settings.seed)
    part = train.rows(generator.permutation(len(train))[: settings.width_sample])
    fewer = leading(inducing, settings.n_inducing // 2)
    trials, sums = {}, {}
    for width in settings.widths:
        errors = selection_errors(part, selection, fewer, width, settings)
        trials[f"{width:g}"] = dict(zip(FITTED, errors.tolist(), strict=True))
        sums[width] = float(np.sum(errors / selection.targets.std(axis=0)))
    log.info("width trials %s", trials)
    return min(sums, key=lambda width: sums[width]), trials


def _growth(
    train: Prepared,
    selection: Prepared,
    calibration: Prepared,
    core: Core,
    settings: FitSettings,
    progress: Progress | None,
) -> Growth:
    """By a model fitted again on molecules of fewer heavy atoms than the largest."""
    split = SizeSplit.of(train.n_heavy, selection.n_heavy, calibration.n_heavy)
    if split is None:
        return Growth.none()
    smaller = train.rows(split.train)
    small_core = fit_core(
        smaller,
        selection.rows(split.selection),
        core.model.metric,
        core.model.projection,
        _inducing(smaller, settings),
        core.model.width,
        settings,
        ridges=core.ridges,
        progress=progress,
    )
    raw = evaluate(Evaluator(small_core.model, settings.device), calibration)
    growth = Growth.measured(raw, calibration.targets, split.larger)
    log.info("growth per heavy atom %s", growth)
    return growth
