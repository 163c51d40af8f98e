"""QM9 as the package `qm9pack` carries it, and its stereochemistry, which the SMILES lack.

Ramakrishnan, Dral, Rupp, von Lilienfeld, Sci. Data 1, 140022 (2014): B3LYP/6-31G(2df,p) geometries
and properties. The
package's import fails on new setuptools, so its CSV files are read in place. A label belongs to one
stereoisomer: the
one whose geometry was calculated; `screener.chemistry.placing.restore` finds its SMILES.
"""

import ast
import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from screener.chemistry.levels import B3LYP
from screener.errors import ConfigError
from screener.registry.columns import level
from screener.registry.elements import number_of
from screener.units import (
    EV_PER_HARTREE,
    KCAL_PER_HARTREE,
    atomization_energy_ha,
)

_COLUMNS = [
    "Index",
    "SMILES",
    "Elements",
    "XYZ_Ang",
    "HOMO_au",
    "LUMO_au",
    "Dipole_debye",
    "InternalEnergy_0K_au",
]


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """One molecule of QM9."""

    index: int  # QM9's own number, 1-based
    smiles: str  # as distributed: without stereochemistry
    atomic_numbers: NDArray[np.uint8]  # (n_atoms,)
    positions: NDArray[np.float64]  # (n_atoms, 3), angstrom, B3LYP
    ae0_b3lyp_kcal: float  # D0: zero-point energy included, unscaled
    homo_b3lyp_ev: float
    lumo_b3lyp_ev: float
    dipole_b3lyp_debye: float


def entries() -> Iterator[Entry]:
    """Every molecule, in the order of the files.

    Raises:
        ConfigError: `qm9pack` is not installed.
    """
    for path in _files():
        table = pd.read_csv(path, usecols=_COLUMNS, dtype=str)
        for row in table.itertuples(index=False):
            yield _entry(row)


def _files() -> list[Path]:
    spec = importlib.util.find_spec("qm9pack")
    if spec is None or not spec.submodule_search_locations:
        raise ConfigError("QM9 is not installed; pip install -c constraints.txt 'screener[qm9]'")
    return sorted(Path(spec.submodule_search_locations[0], "data").glob("qm9_part*.csv"))


def _number(text: str) -> float:
    return float(text.replace("*^", "e"))  # some are written as 1.*^-6


def _entry(row: Any) -> Entry:
    numbers = np.array(
        [number_of(symbol) for symbol in ast.literal_eval(row.Elements)], dtype=np.uint8
    )
    flat = [_number(text) for text in row.XYZ_Ang.replace("[", "").replace("]", "").split(",")]
    free_atoms_ha = level(B3LYP.name).free_atoms_ha
    energy = atomization_energy_ha(_number(row.InternalEnergy_0K_au), numbers, free_atoms_ha)
    return Entry(
        index=int(row.Index),
        smiles=row.SMILES,
        atomic_numbers=numbers,
        positions=np.array(flat).reshape(-1, 3),
        ae0_b3lyp_kcal=energy * KCAL_PER_HARTREE,
        homo_b3lyp_ev=_number(row.HOMO_au) * EV_PER_HARTREE,
        lumo_b3lyp_ev=_number(row.LUMO_au) * EV_PER_HARTREE,
        dipole_b3lyp_debye=_number(row.Dipole_debye),
    )
