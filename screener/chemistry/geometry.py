"""What a geometry says of a molecule: which atoms are close, which stereoisomer it is."""

from functools import cache

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem

from screener.errors import MoleculeError
from screener.records import Structure
from screener.registry.elements import N_ELEMENTS, covalent_radius

BOND_TOLERANCE = 1.25  # two atoms are bonded when closer than this many sums of covalent radii
_BONDED = 1.3  # relative distance up to which two atoms may be bonded
_OPEN = (Chem.BondStereo.STEREONONE, Chem.BondStereo.STEREOANY)


def relative_distances(structure: Structure) -> NDArray[np.float64]:
    """Distances (n_atoms, n_atoms) divided by the sums of covalent radii; about 1 for a bond."""
    relative: NDArray[np.float64] = atom_distances(structure) / _sums_of_radii(structure)
    return relative


def atom_distances(structure: Structure) -> NDArray[np.float64]:
    """Between all atoms, (n_atoms, n_atoms), angstrom."""
    positions = structure.positions.astype(np.float64)
    result: NDArray[np.float64] = np.linalg.norm(positions[:, None] - positions[None, :], axis=2)
    return result


def bonded(structure: Structure) -> NDArray[np.bool_]:
    """Which atoms are bonded, (n_atoms, n_atoms), symmetric; see `BOND_TOLERANCE`."""
    bonds: NDArray[np.bool_] = atom_distances(structure) < BOND_TOLERANCE * _sums_of_radii(
        structure
    )
    np.fill_diagonal(bonds, False)
    return bonds


def _sums_of_radii(structure: Structure) -> NDArray[np.float64]:
    radii = _radii()[structure.atomic_numbers]
    sums: NDArray[np.float64] = np.add.outer(radii, radii)
    return sums


@cache
def _radii() -> NDArray[np.float64]:
    """Covalent radii by atomic number, angstrom."""
    return np.array([0.0, *(covalent_radius(number) for number in range(1, N_ELEMENTS + 1))])


def require_same_molecule(molecule: Chem.Mol, structure: Structure) -> None:
    """Raise unless the structure has the bonds and the stereochemistry of `molecule`.

    Raises:
        MoleculeError: `another_molecule`.
    """
    bonds = Chem.GetAdjacencyMatrix(molecule).astype(bool)
    near = relative_distances(structure) < _BONDED
    np.fill_diagonal(near, False)
    if (bonds & ~near).any():
        raise MoleculeError("another_molecule", "a bond broke in the optimisation")
    # strained cages hold unbonded atoms this close, so an extra contact counts only for hydrogen,
    # which can migrate
    moved = near & ~bonds
    hydrogen = np.asarray(structure.atomic_numbers) == 1
    if moved[hydrogen].any():
        raise MoleculeError(
            "another_molecule", "a hydrogen moved to another atom in the optimisation"
        )
    if not has_stereochemistry(molecule, structure.positions):
        raise MoleculeError("another_molecule", "a stereo centre changed in the optimisation")


def with_positions(molecule: Chem.Mol, positions: NDArray[np.floating]) -> Chem.Mol:
    """A copy of `molecule` whose only conformer is at `positions` (n_atoms, 3), angstrom."""
    placed = Chem.Mol(molecule)
    conformer = Chem.Conformer(placed.GetNumAtoms())
    conformer.SetPositions(positions.astype(np.float64))
    placed.RemoveAllConformers()
    placed.AddConformer(conformer)
    return placed


def has_stereochemistry(molecule: Chem.Mol, positions: NDArray[np.floating]) -> bool:
    """Whether every stereo element that `molecule` defines is found again at `positions`.

    Nitrogen is left out: where it can invert it does so freely, where it cannot (bridgeheads) its
    neighbours tell.

    Args:
        molecule: with hydrogens.
        positions: (n_atoms, 3), angstrom.
    """
    posed = with_positions(molecule, positions)
    Chem.AssignAtomChiralTagsFromStructure(posed, replaceExistingTags=True)
    for before, after in zip(molecule.GetAtoms(), posed.GetAtoms(), strict=True):
        chiral = before.GetChiralTag() != Chem.ChiralType.CHI_UNSPECIFIED
        if chiral and before.GetAtomicNum() != 7 and before.GetChiralTag() != after.GetChiralTag():
            return False
    defined = [bond for bond in molecule.GetBonds() if bond.GetStereo() not in _OPEN]
    if not defined:
        return True
    for bond in posed.GetBonds():
        bond.SetStereo(Chem.BondStereo.STEREONONE)
    Chem.AssignStereochemistryFrom3D(posed, replaceExistingTags=False)
    return all(
        posed.GetBondWithIdx(bond.GetIdx()).GetStereo() == bond.GetStereo() for bond in defined
    )
