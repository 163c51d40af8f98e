"""A sparse model as named arrays, for safetensors."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from screener.errors import SchemaError
from screener.models.fchl.inducing import Inducing
from screener.models.fchl.metric import Metric
from screener.models.fchl.projection import Projection
from screener.models.sparse_gp.model import SparseModel
from screener.models.sparse_gp.predictive_std import SpreadRoot
from screener.records import Structure

Arrays = dict[str, NDArray[Any]]

_GFN2 = ("energy_gfn2_ha", "homo_gfn2_ev", "lumo_gfn2_ev", "dipole_gfn2_debye")
_CHARGES = "charges_gfn2"


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
        "extensive.packed": model.root_extensive.packed,
        "extensive.scales": model.root_extensive.scales,
        "intensive.packed": model.root_intensive.packed,
        "intensive.scales": model.root_intensive.scales,
        "difficulty": model.difficulty,
        "difficulty_offset": model.difficulty_offset,
    }


def model_from_arrays(arrays: Arrays) -> SparseModel:
    """The inverse.

    Raises:
        SchemaError: an array is missing or has another type.
    """

    def array(name: str, dtype: type) -> NDArray[Any]:
        if name not in arrays or arrays[name].dtype != dtype:
            raise SchemaError(f"the model has no array {name} of {np.dtype(dtype)}")
        return arrays[name]

    # models of before there were metrics have none
    plain = "metric.scales" not in arrays
    return SparseModel(
        metric=Metric.plain() if plain else Metric(array("metric.scales", np.float32)),
        projection=Projection(
            array("projection.means", np.float32), array("projection.vectors", np.float16)
        ),
        inducing=Inducing(array("inducing.values", np.float16), array("inducing.counts", np.int64)),
        width=float(array("width", np.float64)[0]),
        baselines=array("baselines", np.float64),
        weights=array("weights", np.float64),
        n_leading=int(array("n_leading", np.int64)[0]),
        root_extensive=SpreadRoot(
            array("extensive.packed", np.float16), array("extensive.scales", np.float32)
        ),
        root_intensive=SpreadRoot(
            array("intensive.packed", np.float16), array("intensive.scales", np.float32)
        ),
        difficulty=array("difficulty", np.float64),
        difficulty_offset=array("difficulty_offset", np.float64),
    )


def split_structures(
    n_atoms: NDArray[np.int64], atomic_numbers: NDArray[np.uint8], positions: NDArray[np.float32]
) -> tuple[Structure, ...]:
    """Structures from arrays in which they lie one after the other."""
    stops = np.cumsum(n_atoms)[:-1]
    parts = zip(np.split(atomic_numbers, stops), np.split(positions, stops), strict=True)
    return tuple(Structure(numbers, at) for numbers, at in parts)


def structures_to_arrays(structures: list[Structure]) -> Arrays:
    """Structures one after the other; GFN2 results where all have them."""
    arrays: Arrays = {
        "golden.n_atoms": np.array([s.n_atoms for s in structures], dtype=np.int64),
        "golden.atomic_numbers": np.concatenate([s.atomic_numbers for s in structures]),
        "golden.positions": np.concatenate([s.positions for s in structures]),
    }
    if all(s.values.keys() >= set(_GFN2) for s in structures):
        arrays["golden.gfn2"] = np.array([[s.values[name] for name in _GFN2] for s in structures])
        arrays["golden.charges"] = np.concatenate([s.atom_values[_CHARGES] for s in structures])
    return arrays


def structures_from_arrays(arrays: Arrays) -> list[Structure]:
    """The inverse.

    Raises:
        SchemaError: an array is missing.
    """
    try:
        stops = np.cumsum(arrays["golden.n_atoms"])
        structures = []
        for number, stop in enumerate(stops):
            atoms = slice(int(stop - arrays["golden.n_atoms"][number]), int(stop))
            values, atom_values = {}, {}
            if "golden.gfn2" in arrays:
                values = dict(zip(_GFN2, arrays["golden.gfn2"][number].tolist(), strict=True))
                atom_values = {_CHARGES: arrays["golden.charges"][atoms]}
            structures.append(
                Structure(
                    arrays["golden.atomic_numbers"][atoms],
                    arrays["golden.positions"][atoms],
                    values,
                    atom_values,
                )
            )
    except KeyError as error:
        raise SchemaError(f"the model has no array {error.args[0]}") from error
    return structures
