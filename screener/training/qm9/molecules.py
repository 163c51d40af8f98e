"""QM9 as the package `qm9pack` carries it, and its stereochemistry, which the SMILES lack.

Ramakrishnan, Dral, Rupp, von Lilienfeld, Sci. Data 1, 140022 (2014): B3LYP/6-31G(2df,p) geometries
and properties. The
package's import fails on new setuptools, so its CSV files are read in place. A label belongs to one
stereoisomer: the
one whose geometry was calculated. `restore` finds its SMILES.
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
from rdkit import Chem, rdBase

from screener.chemistry.conformers import atomic_numbers_of, molecule_with_hydrogens
from screener.chemistry.geometry import relative_distances, with_positions
from screener.errors import ConfigError, MoleculeError
from screener.records import Structure
from screener.registry.elements import number_of
from screener.units import (
    EV_PER_HARTREE,
    FREE_ATOMS_B3LYP_HA,
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
    energy = atomization_energy_ha(_number(row.InternalEnergy_0K_au), numbers, FREE_ATOMS_B3LYP_HA)
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


def restore(
    smiles: str, atomic_numbers: NDArray[np.integer], positions: NDArray[np.floating]
) -> Chem.Mol:
    """The molecule of a flat SMILES with the stereochemistry of a geometry.

    Args:
        smiles: without stereochemistry.
        atomic_numbers: (n_atoms,), of the geometry.
        positions: (n_atoms, 3), angstrom.
    Returns:
        the molecule with explicit hydrogens in the SMILES' own atom order, the geometry as its
        conformer and its
        stereochemistry assigned.
    Raises:
        MoleculeError: `not_mapped`, the geometry does not have the bonds of the SMILES.
    """
    return restore_with_order(smiles, atomic_numbers, positions)[0]


def restore_with_order(
    smiles: str, atomic_numbers: NDArray[np.integer], positions: NDArray[np.floating]
) -> tuple[Chem.Mol, NDArray[np.int64]]:
    """As `restore`, and for each atom of the molecule its place in the geometry, (n_atoms,).

    Args:
        smiles: without stereochemistry.
        atomic_numbers: (n_atoms,).
        positions: (n_atoms, 3), angstrom.
    Returns:
        the molecule with a conformer, and int64 (n_atoms,).
    """
    molecule = molecule_with_hydrogens(smiles)
    order = _mapping(
        molecule, Structure(np.asarray(atomic_numbers, np.uint8), positions.astype(np.float32))
    )
    placed = with_positions(molecule, positions[order])
    with rdBase.BlockLogs():
        Chem.AssignStereochemistryFrom3D(placed)
    return placed, order


def _mapping(molecule: Chem.Mol, geometry: Structure) -> NDArray[np.int64]:
    """For each atom of the molecule, its place in the geometry."""
    pattern = Chem.RWMol()
    for number in atomic_numbers_of(molecule):
        pattern.AddAtom(Chem.Atom(int(number)))
    for bond in molecule.GetBonds():
        pattern.AddBond(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx(), Chem.BondType.SINGLE)
    if pattern.GetNumAtoms() != geometry.n_atoms:
        raise MoleculeError(
            "not_mapped", "the geometry has another number of atoms than the SMILES"
        )
    skeleton = Chem.RWMol()
    for number in geometry.atomic_numbers:
        atom = Chem.Atom(int(number))
        atom.SetNoImplicit(True)
        skeleton.AddAtom(atom)
    # cages hold unbonded atoms nearly as close as bonded ones, so the shortest contacts count, not
    # a threshold
    idx_i, idx_j = np.triu_indices(geometry.n_atoms, 1)
    nearest = np.argsort(relative_distances(geometry)[idx_i, idx_j], kind="stable")
    for pair in nearest[: pattern.GetNumBonds()]:
        skeleton.AddBond(int(idx_i[pair]), int(idx_j[pair]), Chem.BondType.SINGLE)
    match = skeleton.GetSubstructMatch(pattern)
    if not match:
        raise MoleculeError("not_mapped", "the geometry does not have the bonds of the SMILES")
    return np.array(match, dtype=np.int64)
