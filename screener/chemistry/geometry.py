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
# least volume of the corner at an atom with four single bonds, see `corner_volume`: methane has
# 3.08, the centre of spiropentane 1.80, bridgeheads of [1.1.1]propellane 0.92, flat centres 0.00
FLAT = 0.3


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


def beyond(bonds: NDArray[np.bool_], first: int, second: int) -> NDArray[np.bool_] | None:
    """The atoms that hang on one end of a bond.

    Args:
        bonds: (n_atoms, n_atoms), of `bonded`, or of some of the atoms.
        first, second: the ends of a bond.
    Returns:
        (n_atoms,), what is reached from `second` without the bond; None where that is `first`: the
        bond is in a ring.
    """
    cut = bonds.copy()
    cut[first, second] = cut[second, first] = False
    reached = np.zeros(len(bonds), dtype=bool)
    reached[second] = True
    while (more := reached | cut[reached].any(axis=0)).sum() > reached.sum():
        reached = more
    return None if reached[first] else reached


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
    if has_flat_centre(molecule, structure.positions):
        raise MoleculeError(
            "another_molecule",
            "an atom with four single bonds is flat after the optimisation: a saddle point",
        )


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
    # by index: loops over GetAtoms() take several times as long
    atoms = [molecule.GetAtomWithIdx(place) for place in range(molecule.GetNumAtoms())]
    centres = [
        (atom, wanted)
        for atom in atoms
        if (wanted := atom.GetChiralTag()) != Chem.ChiralType.CHI_UNSPECIFIED
        and atom.GetAtomicNum() != 7
    ]
    posed = with_positions(molecule, positions)
    if centres:
        Chem.AssignAtomChiralTagsFromStructure(posed, replaceExistingTags=True)
    for atom, wanted in centres:
        found = posed.GetAtomWithIdx(atom.GetIdx()).GetChiralTag()
        if found == Chem.ChiralType.CHI_UNSPECIFIED:  # RDKit tells none of trivalent phosphorus
            found = _handedness(atom, positions)
        if found != wanted:
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


def _handedness(atom: Chem.Atom, positions: NDArray[np.floating]) -> Chem.ChiralType:
    """Of an atom with three neighbours and a lone pair."""
    if atom.GetDegree() != 3:
        return Chem.ChiralType.CHI_UNSPECIFIED
    where = positions.astype(np.float64)
    around = [bond.GetOtherAtomIdx(atom.GetIdx()) for bond in atom.GetBonds()]
    volume = float(corner_volume(where[atom.GetIdx()], where[around]))
    if abs(volume) < FLAT:
        return Chem.ChiralType.CHI_UNSPECIFIED
    is_clockwise = volume > 0.0
    return (
        Chem.ChiralType.CHI_TETRAHEDRAL_CW if is_clockwise else Chem.ChiralType.CHI_TETRAHEDRAL_CCW
    )


def corner_volume(
    centres: NDArray[np.float64], neighbours: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Six times the volume between the ends of unit vectors to an atom's four neighbours.

    It is zero where the atom is flat, or the tip of a pyramid on a square, as geometries at a
    saddle point have it. Its sign tells mirror images apart.

    Args:
        centres: (..., 3), angstrom.
        neighbours: (..., 4, 3), angstrom; (..., 3, 3) where a lone pair is the fourth.
    Returns:
        (...), positive where, seen from the first, the others follow each other clockwise.
    """
    bonds = neighbours - centres[..., None, :]
    bonds = bonds / np.linalg.norm(bonds, axis=-1, keepdims=True)
    if bonds.shape[-2] == 3:
        opposite = -bonds.sum(axis=-2, keepdims=True)
        length = np.linalg.norm(opposite, axis=-1, keepdims=True)
        bonds = np.concatenate([bonds, opposite / np.maximum(length, 1e-9)], axis=-2)
    volumes: NDArray[np.float64] = np.linalg.det(bonds[..., 1:, :] - bonds[..., :1, :])
    return volumes


def has_flat_centre(molecule: Chem.Mol, positions: NDArray[np.floating]) -> bool:
    """Whether an atom that the drawing gives four single bonds is flat at `positions`.

    Args:
        molecule: with hydrogens.
        positions: (n_atoms, 3), angstrom.
    """
    centres = [
        (atom.GetIdx(), [other.GetIdx() for other in atom.GetNeighbors()])
        for atom in molecule.GetAtoms()
        if atom.GetDegree() == 4 and atom.GetHybridization() == Chem.HybridizationType.SP3
    ]
    atoms = np.array([atom for atom, _ in centres], dtype=np.int64)
    around = np.array([around for _, around in centres], dtype=np.int64)
    return _any_flat(positions, atoms, around)


def has_flat_atom(structure: Structure, bonds: NDArray[np.bool_]) -> bool:
    """Whether an atom such as carbon with four neighbours is flat, as far as a geometry tells.

    Args:
        structure: n_atoms atoms.
        bonds: (n_atoms, n_atoms), of `bonded`.
    """
    has_four = _with_four_electrons()[structure.atomic_numbers] & (bonds.sum(axis=1) == 4)
    atoms = np.flatnonzero(has_four)
    return _any_flat(structure.positions, atoms, np.nonzero(bonds[atoms])[1])


@cache
def _with_four_electrons() -> NDArray[np.bool_]:
    """Whether an element has four valence electrons, by atomic number."""
    n_electrons = Chem.GetPeriodicTable().GetNOuterElecs
    return np.array([False, *(n_electrons(number) == 4 for number in range(1, N_ELEMENTS + 1))])


def _any_flat(
    positions: NDArray[np.floating], atoms: NDArray[np.int64], around: NDArray[np.int64]
) -> bool:
    """Whether any of the atoms (n,) with these neighbours (4 n,) is flat."""
    where = positions.astype(np.float64)
    volumes = corner_volume(where[atoms], where[around.reshape(-1, 4)])
    return bool((np.abs(volumes) < FLAT).any())
