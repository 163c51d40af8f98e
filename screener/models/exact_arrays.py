"""An exact model as named arrays, for safetensors.

Training molecules are stored as numbers and positions, 13 bytes an atom, and the inverse Cholesky
roots as triangles: 300 molecules take 0.5 MB.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from screener.errors import SchemaError
from screener.models.arrays import split_structures
from screener.models.exact import ExactModel
from screener.models.metric import Metric

Arrays = dict[str, NDArray[Any]]

_TYPES: dict[str, type] = {
    "exact.n_atoms": np.int64,
    "exact.atomic_numbers": np.uint8,
    "exact.positions": np.float32,
    "exact.metric": np.float32,
    "exact.width": np.float64,
    "exact.extensive": np.bool_,
    "exact.baselines": np.float64,
    "exact.weights": np.float64,
    "exact.amplitudes": np.float64,
}
_ROOTS = ("exact.root_means", "exact.root_sums")  # lower triangle row by row, where it is used


def exact_to_arrays(model: ExactModel) -> Arrays:
    """The model's arrays by name, as they are stored."""
    arrays: Arrays = {
        "exact.n_atoms": np.array([s.n_atoms for s in model.structures], dtype=np.int64),
        "exact.atomic_numbers": np.concatenate([s.atomic_numbers for s in model.structures]),
        "exact.positions": np.concatenate([s.positions for s in model.structures]),
        "exact.metric": model.metric.scales,
        "exact.width": np.array([model.width]),
        "exact.extensive": model.extensive,
        "exact.baselines": model.baselines,
        "exact.weights": model.weights,
        "exact.amplitudes": model.amplitudes,
    }
    triangle = np.tril_indices(len(model.structures))
    for row, name in enumerate(_ROOTS):
        if (model.extensive == bool(row)).any():
            arrays[name] = model.roots[row][triangle]
    return arrays


def exact_from_arrays(arrays: Arrays) -> ExactModel:
    """The inverse.

    Raises:
        SchemaError: an array is missing, has another type, or the shapes do not fit.
    """
    extensive = arrays.get("exact.extensive", np.empty(0, dtype=np.bool_))
    used = {name: np.float64 for row, name in enumerate(_ROOTS) if (extensive == bool(row)).any()}
    for name, dtype in {**_TYPES, **used}.items():
        if name not in arrays or arrays[name].dtype != dtype:
            raise SchemaError(f"the model has no array {name} of {np.dtype(dtype)}")
    n = len(arrays["exact.n_atoms"])
    if arrays["exact.weights"].shape != (n, len(extensive)) or any(
        len(arrays[name]) != n * (n + 1) // 2 for name in used
    ):
        raise SchemaError(f"the model's arrays are not those of {n} molecules")
    means, sums = (_root(arrays[name], n) if name in used else np.empty((0, 0)) for name in _ROOTS)
    return ExactModel(
        structures=split_structures(
            arrays["exact.n_atoms"], arrays["exact.atomic_numbers"], arrays["exact.positions"]
        ),
        metric=Metric(arrays["exact.metric"]),
        width=float(arrays["exact.width"][0]),
        extensive=extensive,
        baselines=arrays["exact.baselines"],
        weights=arrays["exact.weights"],
        amplitudes=arrays["exact.amplitudes"],
        roots=(means, sums),
    )


def _root(packed: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    root = np.zeros((n, n))
    root[np.tril_indices(n)] = packed
    return root
