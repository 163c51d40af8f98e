"""Made-up units of structures, which tests of stores write, join and compare."""

import numpy as np
from hypothesis import strategies as st

from screener.errors import MoleculeError
from screener.records import Structure
from screener.stores.mol_ids import MolIds
from screener.stores.structures import StructureStore

SYMBOLS = (1, 6, 7, 8, 9)
ATOM = Structure(np.array([8], np.uint8), np.zeros((1, 3), np.float32))


def random_structure(
    rng: np.random.Generator, n_values: int = 2, n_atom_values: int = 1, largest: int = 30
) -> Structure:
    n = int(rng.integers(1, largest + 1))
    return Structure(
        rng.choice(SYMBOLS, n).astype(np.uint8),
        rng.normal(scale=4, size=(n, 3)).astype(np.float32),
        {f"energy_level{i}_ha": float(rng.normal()) for i in range(n_values)},
        {f"charges_level{i}": rng.normal(size=n).astype(np.float32) for i in range(n_atom_values)},
        int(rng.integers(-2, 3)),
        int(rng.integers(0, 3)),
    )


def random_ids(rng: np.random.Generator, n: int) -> MolIds:
    return rng.integers(0, 256, (n, 16)).astype(np.uint8)


def random_outcomes(
    rng: np.random.Generator, n: int, n_values: int = 2
) -> list[Structure | MoleculeError]:
    return [
        MoleculeError("embedding_failed", f"no conformer {i}")
        if rng.random() < 0.2
        else random_structure(rng, n_values)
        for i in range(n)
    ]


@st.composite
def structures(draw, n_values: int, n_atom_values: int):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return random_structure(rng, n_values, n_atom_values)


def unit_files(store: StructureStore) -> list[str]:
    """Names of the units that are files of their own."""
    return [name for names in store.unit_names() for name in names]


def equal(one: Structure | MoleculeError, other: Structure | MoleculeError) -> bool:
    if isinstance(one, MoleculeError) or isinstance(other, MoleculeError):
        return (
            isinstance(one, MoleculeError)
            and isinstance(other, MoleculeError)
            and (one.code, one.message) == (other.code, other.message)
        )
    return (
        one.atomic_numbers.tobytes() == other.atomic_numbers.tobytes()
        and one.positions.tobytes() == other.positions.tobytes()
        and one.values == other.values
        and one.atom_values.keys() == other.atom_values.keys()
        and all(
            one.atom_values[name].tobytes() == other.atom_values[name].tobytes()
            for name in one.atom_values
        )
        and (one.charge, one.n_unpaired) == (other.charge, other.n_unpaired)
    )
