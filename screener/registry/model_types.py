"""Types of models: how one is fitted, stored and evaluated, whoever wrote it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from numpy.typing import NDArray
from pydantic import BaseModel

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class ModelType:
    """One type of model.

    Args:
        name: in configurations and cards, such as `schnet`.
        label: for a reader.
        reads: `structures`, or `drawings` where it is given molecules without a geometry.
        settings: class of its settings, `[settings]` of a training's configuration.
        fit: fits a model; see `screener.training.fit.model_types.Fit`.
        to_arrays: a fitted model as named arrays, for safetensors.
        from_arrays: the inverse; is given the arrays and the card's description of the model
            (quantities, elements); raises SchemaError where they do not fit.
        evaluator: a fitted model ready to predict on one device of torch; see
            `screener.models.registry.Predicts`.
    """

    name: str
    label: str
    reads: Literal["structures", "drawings"]
    settings: type[BaseModel]
    fit: Callable[..., Any]
    to_arrays: Callable[[Any], Arrays]
    from_arrays: Callable[[Arrays, Mapping[str, Any]], Any]
    evaluator: Callable[[Any, str], Any]
