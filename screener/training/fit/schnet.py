"""A whole model by SchNet: trained, told about its errors, calibrated.

The three sets are those of `fit`: the selection set chooses among epochs and shows the size of
errors, and is never fitted to.
"""

import logging

import numpy as np
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from screener.models.schnet.evaluator import SchNetEvaluator
from screener.models.schnet.model import SchNetModel
from screener.models.schnet.network import SchNetSettings
from screener.models.targets import Targets
from screener.training.fit.calibrate import FittedModel, Growth, SizeSplit, calibrated
from screener.training.fit.data import FitData, FitSets, LimitSettings
from screener.training.fit.loss_weights import loss_weights_of
from screener.training.fit.progress import Progress
from screener.training.fit.schnet_errors import with_errors
from screener.training.fit.schnet_scale import fit_schnet
from screener.training.fit.schnet_training import TrainingSettings

log = logging.getLogger(__name__)

NAME = "schnet"  # of this type of model


class SchNetFitSettings(LimitSettings):
    """How a SchNet is fitted; defaults are those of the shipped delta model."""

    n_members: PositiveInt = 4  # output networks of each column, whose differences tell the std
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
    loss_weights: dict[str, NonNegativeFloat] = Field(default_factory=dict)  # see `loss_weights_of`

    def training(self, targets: Targets, n_epochs: int) -> TrainingSettings:
        """The same for the training.

        Raises:
            ConfigError: a loss weight is of nothing that is learned.
        """
        network = SchNetSettings(
            extensive=targets.extensive,
            n_members=self.n_members,
            n_features=self.n_features,
            n_interactions=self.n_interactions,
            n_gaussians=self.n_gaussians,
            n_head=self.n_head,
            cutoff=self.cutoff,
        )
        return TrainingSettings(
            network=network,
            loss_weights=loss_weights_of(self.loss_weights, targets),
            n_epochs=n_epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            patience=self.patience,
            seed=self.seed,
            device=self.device,
        )


def fit_schnet_model(
    sets: FitSets, settings: SchNetFitSettings, *, progress: Progress | None = None
) -> FittedModel:
    """Train, choose, calibrate.

    Args:
        sets: molecules that weights are fitted to; some hundreds or more to choose on, and to
            calibrate on.
        settings: see `SchNetFitSettings`.
        progress: keeps checkpoints between runs; default: nothing is kept.
    Returns:
        the predictor with a report of the fit.
    Raises:
        ConfigError: labels are missing, a structure lacks a low value, or a loss weight is of
            nothing that is learned.
        ValueError: fewer than 10 calibration molecules.
    """
    selection, calibration, targets = sets.selection, sets.calibration, sets.targets
    model = _trained(sets.fit, selection, targets, settings, settings.n_epochs, progress)
    evaluator = SchNetEvaluator(model, settings.device)
    errors = evaluator.predict(selection.structures).values - selection.targets(targets)
    raw = evaluator.predict(calibration.structures)
    growth = _growth(sets, settings, progress)
    predictor = calibrated(NAME, model, raw, sets, growth, settings)
    report = {
        "settings": settings.model_dump(mode="json"),
        "selection_mae": dict(
            zip(targets.names, np.abs(errors).mean(axis=0).tolist(), strict=True)
        ),
        "n_train": len(sets.fit),
        "n_selection": len(selection),
        "n_calibration": len(calibration),
    }
    return FittedModel(predictor, report, sets.elements)


def _trained(
    train: FitData,
    selection: FitData,
    targets: Targets,
    settings: SchNetFitSettings,
    n_epochs: int,
    progress: Progress | None,
) -> SchNetModel:
    held_out = selection.structures, selection.targets(targets)
    fitted = fit_schnet(
        (train.structures, train.targets(targets)),
        held_out,
        settings.training(targets, n_epochs),
        progress=progress,
    )
    return with_errors(fitted, train.structures, held_out, settings.seed)


def _growth(sets: FitSets, settings: SchNetFitSettings, progress: Progress | None) -> Growth:
    """By a shorter training on molecules of fewer heavy atoms than the largest."""
    split = SizeSplit.of(sets.fit.n_heavy, sets.selection.n_heavy, sets.calibration.n_heavy)
    if split is None:
        return Growth.none(sets.targets)
    smaller = sets.fit.subset(split.train), sets.selection.subset(split.selection)
    model = _trained(*smaller, sets.targets, settings, settings.size_epochs, progress)
    raw = SchNetEvaluator(model, settings.device).predict(sets.calibration.structures)
    growth = Growth.measured(
        raw, sets.calibration.targets(sets.targets), sets.targets, split.larger
    )
    log.info("growth per heavy atom %s", growth)
    return growth
