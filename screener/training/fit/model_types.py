"""The types of models that `screener train` fits.

A type is added by one entry of `MODEL_TYPES`: the settings that a configuration may give it, what
it learns, and the function that fits it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from dask.system import CPU_COUNT
from pydantic import ValidationError

from screener.errors import ConfigError
from screener.models.card import GeometryLevel
from screener.models.fchl.representation import ELEMENTS
from screener.models.predictor import Kind
from screener.models.quantities import FITTED
from screener.stores.toml import explained
from screener.training.fit.calibrate import FittedModel
from screener.training.fit.data import FitData, FitSettings, LimitSettings
from screener.training.fit.progress import Progress
from screener.training.fit.schnet import SchNetFitSettings, fit_schnet_model
from screener.training.fit.sparse_gp import fit_model


@dataclass(frozen=True, slots=True, eq=False)
class FitSets:
    """What a fit is given."""

    fit: FitData
    selection: FitData
    calibration: FitData
    kind: Kind
    geometry_level: GeometryLevel


class Fit(Protocol):
    """Fits one type of model."""

    def __call__(self, sets: FitSets, settings: Any, progress: Progress) -> FittedModel:
        """Fit, with the type's own settings; `progress` knows where an earlier run was."""


@dataclass(frozen=True, slots=True)
class ModelType:
    """One type of model.

    Args:
        settings: its own; `[settings]` of a configuration.
        quantities: that it learns, all of which need labels.
        elements: that it can be given.
        fit: see `Fit`.
    """

    settings: type[LimitSettings]
    quantities: tuple[str, ...]
    elements: tuple[int, ...]
    fit: Fit


def _sparse(sets: FitSets, settings: FitSettings, progress: Progress) -> FittedModel:
    return fit_model(
        sets.fit,
        sets.selection,
        sets.calibration,
        settings,
        kind=sets.kind,
        geometry_level=sets.geometry_level,
        workers=CPU_COUNT,
        progress=progress,
    )


def _schnet(sets: FitSets, settings: SchNetFitSettings, progress: Progress) -> FittedModel:
    return fit_schnet_model(
        sets.fit,
        sets.selection,
        sets.calibration,
        settings,
        kind=sets.kind,
        geometry_level=sets.geometry_level,
        progress=progress,
    )


MODEL_TYPES: Mapping[str, ModelType] = {
    "sparse-fchl": ModelType(FitSettings, FITTED, tuple(ELEMENTS), _sparse),
    "schnet": ModelType(SchNetFitSettings, FITTED, tuple(ELEMENTS), _schnet),
}


def model_type(name: str) -> ModelType:
    """A type by its name.

    Raises:
        ConfigError: there is none.
    """
    if name not in MODEL_TYPES:
        raise ConfigError(f"there is no model {name!r}; there are {', '.join(MODEL_TYPES)}")
    return MODEL_TYPES[name]


def settings_of(kind: ModelType, values: Mapping[str, Any]) -> LimitSettings:
    """A type's settings from plain values.

    Raises:
        ConfigError: a key or a value does not fit.
    """
    try:
        return kind.settings.model_validate(dict(values))
    except ValidationError as error:
        raise ConfigError(f"settings: {explained(error)}") from error
