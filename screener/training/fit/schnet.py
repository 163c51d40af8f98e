"""A whole model by SchNet: trained, told about its errors, calibrated.

The three sets are those of `fit`: the selection set chooses among epochs and shows the size of
errors, and is never fitted to.
"""

import logging

import numpy as np
from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt

from screener.models.predictor import Kind
from screener.models.quantities import FITTED, QUANTITIES
from screener.models.schnet.evaluator import SchNetEvaluator
from screener.models.schnet.model import SchNetModel
from screener.models.schnet.network import SchNetSettings
from screener.models.uncertainty.domain import heavy_atoms
from screener.training.fit.calibrate import FittedModel, Growth, SizeSplit, calibrated
from screener.training.fit.data import FitData, LimitSettings, require_molecules
from screener.training.fit.progress import Progress
from screener.training.fit.schnet_errors import with_errors
from screener.training.fit.schnet_scale import fit_schnet
from screener.training.fit.schnet_training import TrainingSettings

log = logging.getLogger(__name__)


class SchNetFitSettings(LimitSettings):
    """How a SchNet is fitted; defaults are those of the shipped delta model."""

    n_members: PositiveInt = 4  # output networks of each quantity, for the spread
    n_features: PositiveInt = 128
    n_interactions: PositiveInt = 5
    n_gaussians: PositiveInt = 40
    n_head: PositiveInt = 32
    cutoff: PositiveFloat = 6.0  # angstrom
    n_epochs: PositiveInt = 40
    size_epochs: PositiveInt = 20  # of the model that shows how errors grow with size
    patience: PositiveInt = 1_000_000  # epochs without a better selection until it ends
    batch_size: PositiveInt = 64
    learning_rate: PositiveFloat = 1e-3  # largest
    loss_weights: tuple[NonNegativeFloat, NonNegativeFloat, NonNegativeFloat, NonNegativeFloat] = (
        3.0,
        1.0,
        2.0,
        0.5,
    )  # of `quantities.FITTED`, in units of their spread

    def training(self, n_epochs: int) -> TrainingSettings:
        """The same for the training."""
        network = SchNetSettings(
            extensive=tuple(quantity.extensive for quantity in QUANTITIES),
            n_members=self.n_members,
            n_features=self.n_features,
            n_interactions=self.n_interactions,
            n_gaussians=self.n_gaussians,
            n_head=self.n_head,
            cutoff=self.cutoff,
        )
        return TrainingSettings(
            network=network,
            loss_weights=self.loss_weights,
            n_epochs=n_epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            patience=self.patience,
            seed=self.seed,
            device=self.device,
        )


def fit_schnet_model(
    train: FitData,
    selection: FitData,
    calibration: FitData,
    settings: SchNetFitSettings,
    *,
    kind: Kind,
    geometry_level: str,
    progress: Progress | None = None,
) -> FittedModel:
    """Train, choose, calibrate.

    Args:
        train: molecules that weights are fitted to.
        selection: some hundreds or more, disjoint from train.
        calibration: some hundreds or more, disjoint from both.
        settings: see `SchNetFitSettings`.
        kind: `direct` learns the high values, `delta` high minus low.
        geometry_level: of all structures.
        progress: keeps checkpoints between runs; default: nothing is kept.
    Raises:
        ConfigError: a set is empty, or a delta is asked of structures without GFN2 results.
        ValueError: fewer than 10 calibration molecules.
    """
    require_molecules(train, selection, calibration)
    model = _trained(train, selection, settings, settings.n_epochs, kind, progress)
    evaluator = SchNetEvaluator(model, settings.device)
    errors = evaluator.predict(selection.structures).values - selection.targets(kind)
    predictor = calibrated(
        model,
        evaluator.predict(calibration.structures),
        calibration,
        [*train.structures, *selection.structures],
        _growth(train, selection, calibration, settings, kind, progress),
        settings,
        kind=kind,
        geometry_level=geometry_level,
    )
    report = {
        "settings": settings.model_dump(mode="json"),
        "selection_mae": dict(zip(FITTED, np.abs(errors).mean(axis=0).tolist(), strict=True)),
        "n_train": len(train.structures),
        "n_selection": len(selection.structures),
        "n_calibration": len(calibration.structures),
    }
    return FittedModel(predictor, report)


def _trained(
    train: FitData,
    selection: FitData,
    settings: SchNetFitSettings,
    n_epochs: int,
    kind: Kind,
    progress: Progress | None,
) -> SchNetModel:
    held_out = selection.structures, selection.targets(kind)
    fitted = fit_schnet(
        (train.structures, train.targets(kind)),
        held_out,
        settings.training(n_epochs),
        progress=progress,
    )
    return with_errors(fitted, train.structures, held_out, settings.seed)


def _growth(
    train: FitData,
    selection: FitData,
    calibration: FitData,
    settings: SchNetFitSettings,
    kind: Kind,
    progress: Progress | None,
) -> Growth:
    """By a shorter training on molecules of fewer heavy atoms than the largest."""
    sizes = [
        np.array([heavy_atoms(structure) for structure in data.structures])
        for data in (train, selection, calibration)
    ]
    split = SizeSplit.of(*sizes)
    if split is None:
        return Growth.none()
    smaller = train.subset(split.train), selection.subset(split.selection)
    model = _trained(*smaller, settings, settings.size_epochs, kind, progress)
    raw = SchNetEvaluator(model, settings.device).predict(calibration.structures)
    growth = Growth.measured(raw, calibration.targets(kind), split.larger)
    log.info("growth per heavy atom %s", growth)
    return growth
