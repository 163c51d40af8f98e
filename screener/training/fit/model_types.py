"""The types of models that `screener train` fits, ours as entries of the registry.

A plug-in adds one by an entry point `screener.models`, as ours are added.
"""

from collections.abc import Mapping
from typing import Any, Protocol

from dask.system import CPU_COUNT
from pydantic import BaseModel, ValidationError

from screener.errors import ConfigError
from screener.models.morgan_gp import model as morgan
from screener.models.readout import model as of_readout
from screener.models.readout.evaluator import ReadoutEvaluator
from screener.models.schnet.evaluator import SchNetEvaluator
from screener.models.schnet.model import schnet_from_arrays, schnet_to_arrays
from screener.models.sparse_gp.arrays import model_from_arrays, model_to_arrays
from screener.models.sparse_gp.model import Evaluator
from screener.registry.model_types import ModelType
from screener.stores.toml import explained
from screener.training.fit import morgan_gp, readout, schnet, sparse_gp
from screener.training.fit.calibrate import FittedModel
from screener.training.fit.data import FitSets, FitSettings
from screener.training.fit.morgan_gp import MorganGpSettings, fit_morgan_gp
from screener.training.fit.progress import Progress
from screener.training.fit.readout import ReadoutFitSettings, fit_readout
from screener.training.fit.schnet import SchNetFitSettings, fit_schnet_model
from screener.training.fit.sparse_gp import fit_model


class Fit(Protocol):
    """Fits one type of model."""

    def __call__(self, sets: FitSets, settings: Any, progress: Progress) -> FittedModel:
        """Fit, with the type's own settings; `progress` knows where an earlier run was."""


def _fit_sparse(sets: FitSets, settings: FitSettings, progress: Progress) -> FittedModel:
    return fit_model(sets, settings, workers=CPU_COUNT, progress=progress)


def _fit_schnet(sets: FitSets, settings: SchNetFitSettings, progress: Progress) -> FittedModel:
    return fit_schnet_model(sets, settings, progress=progress)


def _fit_readout(sets: FitSets, settings: ReadoutFitSettings, progress: Progress) -> FittedModel:
    return fit_readout(sets, settings)  # done before a checkpoint would be due


def _fit_morgan_gp(sets: FitSets, settings: MorganGpSettings, progress: Progress) -> FittedModel:
    return fit_morgan_gp(sets, settings)  # done before a checkpoint would be due


SPARSE_FCHL = ModelType(
    name=sparse_gp.NAME,
    label="sparse Gaussian process on FCHL19 environments",
    reads="structures",
    settings=FitSettings,
    fit=_fit_sparse,
    to_arrays=model_to_arrays,
    from_arrays=model_from_arrays,
    evaluator=Evaluator,
)
SCHNET = ModelType(
    name=schnet.NAME,
    label="SchNet",
    reads="structures",
    settings=SchNetFitSettings,
    fit=_fit_schnet,
    to_arrays=schnet_to_arrays,
    from_arrays=schnet_from_arrays,
    evaluator=SchNetEvaluator,
)
AIMNET2_READOUT = ModelType(
    name=readout.NAME,
    label="networks on AIMNet2's features of atoms",
    reads="structures",
    settings=ReadoutFitSettings,
    fit=_fit_readout,
    to_arrays=of_readout.to_arrays,
    from_arrays=of_readout.from_arrays,
    evaluator=ReadoutEvaluator,
)
MORGAN_GP = ModelType(
    name=morgan_gp.NAME,
    label="Gaussian process on counts of Morgan fragments",
    reads="drawings",
    settings=MorganGpSettings,
    fit=_fit_morgan_gp,
    to_arrays=morgan.to_arrays,
    from_arrays=morgan.from_arrays,
    evaluator=morgan.MorganGpEvaluator,
)


def settings_of(kind: ModelType, values: Mapping[str, Any]) -> BaseModel:
    """A type's settings from plain values.

    Args:
        kind: type of model.
        values: `[settings]` of a configuration.
    Raises:
        ConfigError: a key or a value does not fit.
    """
    try:
        return kind.settings.model_validate(dict(values))
    except ValidationError as error:
        raise ConfigError(f"settings: {explained(error)}") from error
