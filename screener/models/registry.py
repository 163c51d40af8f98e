"""Types of models, from the registry: how a fitted one is stored in a bundle and evaluated.

Ours are registered as those of plug-ins are, by the entry points `screener.models`.
"""

from collections.abc import Sequence
from typing import Any, Protocol

from screener.models.raw_predictions import RawPredictions
from screener.registry.model_types import ModelType
from screener.registry.plugins import entry


class Predicts(Protocol):
    """What every type of model offers once it is ready."""

    def predict(self, molecules: Sequence[Any]) -> RawPredictions:
        """Values and uncalibrated standard deviations of structures, or of RDKit molecules where
        the type reads drawings; a row has the same bytes in whatever batch."""


def model_type(name: str) -> ModelType:
    """A type of model by its name.

    Raises:
        ConfigError: there is none; names the nearest.
    """
    registered_type: ModelType = entry("models", name)
    return registered_type


def evaluator_of(name: str, model: Any, device: str = "cpu") -> Predicts:
    """A model ready to predict.

    Args:
        name: of its type.
        model: what was fitted.
        device: of torch, such as `cpu` or `cuda`.
    Returns:
        the evaluator.
    """
    evaluator: Predicts = model_type(name).evaluator(model, device)
    return evaluator
