"""The forms that a fitted model has: how each is stored in a bundle, and how it is evaluated."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import NDArray

from screener.errors import SchemaError
from screener.models.schnet.evaluator import SchNetEvaluator
from screener.models.schnet.model import SchNetModel, schnet_from_arrays, schnet_to_arrays
from screener.models.sparse_gp.arrays import model_from_arrays, model_to_arrays
from screener.models.sparse_gp.model import Evaluator, RawPredictions, SparseModel
from screener.records import Structure

Arrays = dict[str, NDArray[Any]]
Model = SparseModel | SchNetModel


class Predicts(Protocol):
    """What every form of model offers once it is ready."""

    def predict(self, structures: Sequence[Structure]) -> RawPredictions:
        """Values and uncalibrated standard deviations; a row has the same bytes in whatever
        batch."""


@dataclass(frozen=True, slots=True)
class _Form:
    type: type
    to_arrays: Callable[[Any], Arrays]
    from_arrays: Callable[[Arrays], Model]
    evaluator: Callable[[Any, str], Predicts]


FORMS: Mapping[str, _Form] = {
    "sparse-fchl": _Form(SparseModel, model_to_arrays, model_from_arrays, Evaluator),
    "schnet": _Form(SchNetModel, schnet_to_arrays, schnet_from_arrays, SchNetEvaluator),
}


def form_of(model: Model) -> str:
    """The name of a model's form."""
    return next(name for name, form in FORMS.items() if isinstance(model, form.type))


def evaluator_of(model: Model, device: str = "cpu") -> Predicts:
    """A model ready to predict on one device of torch."""
    return FORMS[form_of(model)].evaluator(model, device)


def to_arrays(model: Model) -> Arrays:
    """The model's arrays by name, as they are stored."""
    return FORMS[form_of(model)].to_arrays(model)


def from_arrays(form: str, arrays: Arrays) -> Model:
    """The inverse, for a form by its name.

    Raises:
        SchemaError: there is no such form, or the arrays do not fit it.
    """
    if form not in FORMS:
        raise SchemaError(f"there is no form of model {form!r}; there are {', '.join(FORMS)}")
    return FORMS[form].from_arrays(arrays)
