"""Conformers from SMILES: distance geometry (ETKDGv3), then the MMFF94 force field.

A pure function of the SMILES, the identity and the settings: the molecule is parsed again from the
stored SMILES, hydrogens are added last, and the seed comes from `mol_id`, so neither the order of
work nor the process matters.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem, rdBase
from rdkit.Chem import rdDistGeom, rdForceFieldHelpers

from screener.errors import MoleculeError

_FORCE_FIELD_STEPS = 2000


def molecule_with_hydrogens(smiles: str) -> Chem.Mol:
    """The molecule of a stored SMILES, hydrogens added last.

    Raises:
        MoleculeError: `invalid_smiles`.
    """
    with rdBase.BlockLogs():
        molecule = Chem.MolFromSmiles(smiles)
    if molecule is None:
        raise MoleculeError("invalid_smiles", f"RDKit cannot parse {smiles!r}")
    return Chem.AddHs(molecule)


def atomic_numbers_of(molecule: Chem.Mol) -> NDArray[np.uint8]:
    """Atomic numbers (n_atoms,) in the molecule's order."""
    return np.array([atom.GetAtomicNum() for atom in molecule.GetAtoms()], dtype=np.uint8)


def embed(smiles: str, mol_id: str, n_conformers: int) -> Chem.Mol:
    """Embed and relax conformers; the lowest in force-field energy alone is kept.

    MMFF94 is used, UFF for molecules that it has no parameters for.

    Args:
        smiles: canonical isomeric SMILES.
        mol_id: 32 hexadecimal digits; gives the seed.
        n_conformers: how many to try, at least 1.
    Returns:
        the molecule with hydrogens and one conformer, angstrom.
    Raises:
        MoleculeError: `invalid_smiles`, `embedding_failed`, `force_field_missing`,
            `force_field_not_converged`.
    References:
        Wang et al., J. Chem. Inf. Model. 60, 2044 (2020) (ETKDGv3); Halgren, J. Comput. Chem. 17,
        490 (1996).
    """
    molecule = molecule_with_hydrogens(smiles)
    parameters: Any = rdDistGeom.ETKDGv3()  # its stubs take the attributes for constants
    parameters.randomSeed = int(mol_id[:7], 16)
    parameters.numThreads = 1
    parameters.enableSequentialRandomSeeds = True  # conformer i does not depend on how many follow
    with rdBase.BlockLogs():
        found = list(rdDistGeom.EmbedMultipleConfs(molecule, n_conformers, parameters))
        if not found:
            parameters.useRandomCoords = True  # slower; saves most cages
            found = list(rdDistGeom.EmbedMultipleConfs(molecule, n_conformers, parameters))
        if not found:
            raise MoleculeError(
                "embedding_failed", "ETKDGv3 found no conformer with this stereochemistry"
            )
        if rdForceFieldHelpers.MMFFHasAllMoleculeParams(molecule):
            relaxed = rdForceFieldHelpers.MMFFOptimizeMoleculeConfs(
                molecule, numThreads=1, maxIters=_FORCE_FIELD_STEPS
            )
        elif rdForceFieldHelpers.UFFHasAllMoleculeParams(molecule):
            relaxed = rdForceFieldHelpers.UFFOptimizeMoleculeConfs(
                molecule, numThreads=1, maxIters=_FORCE_FIELD_STEPS
            )
        else:
            raise MoleculeError(
                "force_field_missing", "neither MMFF94 nor UFF knows an atom type in it"
            )
    energies = [
        (energy, conformer)
        for conformer, (unfinished, energy) in zip(found, relaxed, strict=True)
        if unfinished == 0
    ]
    if not energies:
        raise MoleculeError(
            "force_field_not_converged",
            f"not at a minimum after {_FORCE_FIELD_STEPS} force-field steps",
        )
    lowest = min(energies)[1]
    for conformer in found:
        if conformer != lowest:
            molecule.RemoveConformer(conformer)
    return molecule
