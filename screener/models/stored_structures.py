"""Structures as named arrays: those whose predictions loading a bundle checks, and others."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from screener.errors import SchemaError
from screener.records import Structure

Arrays = dict[str, NDArray[Any]]

# arrays of before values had the names of their columns, and what they hold
_FORMER = ("energy_gfn2_ha", "homo_gfn2_ev", "lumo_gfn2_ev", "dipole_gfn2_debye")
_VALUE = "golden.value."


def split_structures(
    n_atoms: NDArray[np.int64], atomic_numbers: NDArray[np.uint8], positions: NDArray[np.float32]
) -> tuple[Structure, ...]:
    """Structures from arrays in which they lie one after the other.

    Args:
        n_atoms: (n,), of each.
        atomic_numbers: (n_atoms,), of all.
        positions: (n_atoms, 3), angstrom, of all.
    Returns:
        as many structures as `n_atoms` has entries.
    """
    stops = np.cumsum(n_atoms)[:-1]
    parts = zip(np.split(atomic_numbers, stops), np.split(positions, stops), strict=True)
    return tuple(Structure(numbers, at) for numbers, at in parts)


def golden_to_arrays(structures: Sequence[Structure]) -> Arrays:
    """Structures one after the other, with the values that all of them have."""
    arrays: Arrays = {
        "golden.n_atoms": np.array([s.n_atoms for s in structures], dtype=np.int64),
        "golden.atomic_numbers": np.concatenate([s.atomic_numbers for s in structures]),
        "golden.positions": np.concatenate([s.positions for s in structures]),
    }
    shared = set.intersection(*(set(each.values) for each in structures))
    for name in sorted(shared):
        arrays[_VALUE + name] = np.array([each.values[name] for each in structures])
    return arrays


def golden_from_arrays(arrays: Arrays) -> list[Structure]:
    """The inverse.

    Raises:
        SchemaError: an array is missing.
    """
    try:
        bare = split_structures(
            arrays["golden.n_atoms"], arrays["golden.atomic_numbers"], arrays["golden.positions"]
        )
    except KeyError as error:
        raise SchemaError(f"the model has no array {error.args[0]}") from error
    values = {
        name.removeprefix(_VALUE): array
        for name, array in arrays.items()
        if name.startswith(_VALUE)
    }
    if "golden.gfn2" in arrays:
        values |= dict(zip(_FORMER, arrays["golden.gfn2"].T, strict=True))
    return [
        each.with_values({name: float(array[row]) for name, array in values.items()})
        for row, each in enumerate(bare)
    ]
