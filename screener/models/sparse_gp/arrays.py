"""A sparse model as named arrays, for safetensors."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from screener.errors import SchemaError
from screener.models.fchl.inducing import Inducing
from screener.models.fchl.metric import Metric
from screener.models.fchl.projection import Projection
from screener.models.sparse_gp.model import SparseModel
from screener.models.sparse_gp.predictive_std import PosteriorRoot

Arrays = dict[str, NDArray[Any]]

_KINDS = {True: "extensive", False: "intensive"}


def model_to_arrays(model: SparseModel) -> Arrays:
    """The model's arrays by name, as they are stored."""
    return {
        "metric.scales": model.metric.scales,
        "projection.means": model.projection.means,
        "projection.vectors": model.projection.vectors,
        "inducing.values": model.inducing.values,
        "inducing.counts": model.inducing.counts,
        "width": np.array([model.width]),
        "baselines": model.baselines,
        "weights": model.weights,
        "n_leading": np.array([model.n_leading]),
        "difficulty": model.difficulty,
        "difficulty_offset": model.difficulty_offset,
        **{f"{_KINDS[kind]}.packed": root.packed for kind, root in model.roots.items()},
        **{f"{_KINDS[kind]}.scales": root.scales for kind, root in model.roots.items()},
    }


def model_from_arrays(arrays: Arrays, description: Mapping[str, Any]) -> SparseModel:
    """The inverse.

    Args:
        arrays: by name.
        description: `elements`, atomic numbers, and `extensive`, of each fitted column whether it
            is.
    Raises:
        SchemaError: an array is missing or has another type, or is not for these elements and
            columns.
    """
    elements, extensive = tuple(description["elements"]), tuple(description["extensive"])

    def array(name: str, dtype: type, n: int | None = None, axis: int = 0) -> NDArray[Any]:
        if name not in arrays or arrays[name].dtype != dtype:
            raise SchemaError(f"the model has no array {name} of {np.dtype(dtype)}")
        if n is not None and arrays[name].shape[axis] != n:
            raise SchemaError(f"array {name} has shape {arrays[name].shape}, not {n} along {axis}")
        return arrays[name]

    metric = Metric.plain(elements)
    if "metric.scales" in arrays:  # models of before there were metrics have none
        metric = Metric(elements, array("metric.scales", np.float32, len(elements)))
    return SparseModel(
        extensive=extensive,
        metric=metric,
        projection=Projection(
            elements,
            array("projection.means", np.float32, len(elements)),
            array("projection.vectors", np.float16, len(elements)),
        ),
        inducing=Inducing(
            elements,
            array("inducing.values", np.float16),
            array("inducing.counts", np.int64, len(elements)),
        ),
        width=float(array("width", np.float64)[0]),
        baselines=array("baselines", np.float64, len(extensive)),
        weights=array("weights", np.float64, len(extensive), 1),
        n_leading=int(array("n_leading", np.int64)[0]),
        roots={
            kind: PosteriorRoot(
                array(f"{name}.packed", np.float16), array(f"{name}.scales", np.float32)
            )
            for kind, name in _KINDS.items()
            if kind in extensive
        },
        difficulty=array("difficulty", np.float64, len(extensive), 1),
        difficulty_offset=array("difficulty_offset", np.float64, len(extensive)),
    )
