"""A drawn molecule placed on a geometry: which atom is which, and the stereochemistry there."""

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem, rdBase

from screener.chemistry.conformers import atomic_numbers_of, molecule_with_hydrogens
from screener.chemistry.geometry import relative_distances, with_positions
from screener.errors import MoleculeError
from screener.records import Structure


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
