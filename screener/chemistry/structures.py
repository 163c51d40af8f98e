"""From a SMILES to one 3D structure at a geometry level.

`mmff94` is the relaxed ETKDG conformer; `gfn2-opt` goes on from there to the GFN2 minimum and adds
the energy and properties of GFN2. A structure whose bonds are no longer those of the SMILES is
refused.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, PositiveFloat, PositiveInt
from rdkit import Chem

from screener.chemistry.conformers import atomic_numbers_of, embed
from screener.chemistry.gfn2 import Gfn2
from screener.chemistry.optimise import minimise
from screener.errors import MoleculeError
from screener.records import Structure
from screener.units import ANGSTROM_PER_BOHR

_BONDED = 1.3  # relative distance up to which two atoms may be bonded


class GeometrySettings(BaseModel):
    """How structures are made; part of the digest that names a set of structures."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    level: Literal["mmff94", "gfn2-opt"] = "mmff94"
    n_conformers: PositiveInt = 1  # embedded and relaxed; the lowest is kept
    force_threshold: PositiveFloat = 0.03  # eV/angstrom, `gfn2-opt` alone
    max_steps: PositiveInt = 200  # GFN2 evaluations, `gfn2-opt` alone


def make_structure(smiles: str, mol_id: str, settings: GeometrySettings) -> Structure:
    """Structure of one molecule from its canonical isomeric SMILES.

    Args:
        smiles: canonical isomeric SMILES, closed shell.
        mol_id: 32 hexadecimal digits; gives the seed of the embedding.
        settings: geometry level and its settings.
    Returns:
        atoms in the order of the SMILES, hydrogens last.
    Raises:
        MoleculeError: what `embed` and `optimised` raise.
    """
    molecule = embed(smiles, mol_id, settings.n_conformers)
    positions = molecule.GetConformer().GetPositions()
    if settings.level == "gfn2-opt":
        return optimised(molecule, positions, settings)
    return Structure(atomic_numbers_of(molecule), positions.astype(np.float32))


def optimised(
    molecule: Chem.Mol, positions: NDArray[np.floating], settings: GeometrySettings
) -> Structure:
    """The GFN2 minimum reached from `positions`, with the properties there.

    Args:
        molecule: with hydrogens, in the order of `positions`.
        positions: (n_atoms, 3), angstrom.
        settings: thresholds of the optimisation.
    Raises:
        MoleculeError: `scf_failed`, `not_converged`, `another_molecule`.
    """
    atomic_numbers = atomic_numbers_of(molecule)
    gfn2 = Gfn2(atomic_numbers, positions.astype(np.float64) / ANGSTROM_PER_BOHR)
    minimum = minimise(
        gfn2.energy_and_gradient,
        atomic_numbers,
        positions,
        settings.force_threshold,
        settings.max_steps,
    )
    structure = Structure(atomic_numbers, minimum.positions, gfn2.properties())
    require_same_molecule(molecule, structure)
    return structure


def relative_distances(structure: Structure) -> NDArray[np.float64]:
    """Distances (n_atoms, n_atoms) divided by the sums of covalent radii; about 1 for a bond."""
    table = Chem.GetPeriodicTable()
    radii = np.array([table.GetRcovalent(int(number)) for number in structure.atomic_numbers])
    positions = structure.positions.astype(np.float64)
    distances = np.linalg.norm(positions[:, None] - positions[None, :], axis=-1)
    relative: NDArray[np.float64] = distances / (radii[:, None] + radii[None, :])
    return relative


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
    if not _same_stereochemistry(molecule, structure):
        raise MoleculeError("another_molecule", "a stereo centre changed in the optimisation")


def with_positions(molecule: Chem.Mol, positions: NDArray[np.floating]) -> Chem.Mol:
    """A copy of `molecule` whose only conformer is at `positions` (n_atoms, 3), angstrom."""
    placed = Chem.Mol(molecule)
    conformer = Chem.Conformer(placed.GetNumAtoms())
    conformer.SetPositions(positions.astype(np.float64))
    placed.RemoveAllConformers()
    placed.AddConformer(conformer)
    return placed


def _same_stereochemistry(molecule: Chem.Mol, structure: Structure) -> bool:
    """Whether every stereo element that `molecule` defines is found again in the structure.

    Nitrogen is left out: where it can invert it does so freely, where it cannot (bridgeheads) its
    neighbours tell.
    """
    found = with_positions(molecule, structure.positions)
    Chem.AssignAtomChiralTagsFromStructure(found, replaceExistingTags=True)
    for before, after in zip(molecule.GetAtoms(), found.GetAtoms(), strict=True):
        defined = before.GetChiralTag() != Chem.ChiralType.CHI_UNSPECIFIED
        if defined and before.GetAtomicNum() != 7 and before.GetChiralTag() != after.GetChiralTag():
            return False
    for bond in found.GetBonds():
        bond.SetStereo(Chem.BondStereo.STEREONONE)
    Chem.AssignStereochemistryFrom3D(found, replaceExistingTags=False)
    return all(
        before.GetStereo()
        in (Chem.BondStereo.STEREONONE, Chem.BondStereo.STEREOANY, after.GetStereo())
        for before, after in zip(molecule.GetBonds(), found.GetBonds(), strict=True)
    )
