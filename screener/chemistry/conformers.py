"""Conformers from SMILES: distance geometry (ETKDGv3 first), then the MMFF94 force field.

A pure function of the SMILES, the identity and the settings: the molecule is parsed again from the
stored SMILES, hydrogens are added last, and the seed comes from `mol_id`, so neither the order of
work nor the process matters.
"""

from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem, rdBase
from rdkit.Chem import rdDistGeom, rdForceFieldHelpers, rdMolAlign

from screener.chemistry.geometry import has_flat_centre, has_stereochemistry, with_positions
from screener.errors import MoleculeError

SAME = 0.3  # angstrom, between heavy atoms: conformers that are nearer are one
_MATCHES = 100  # ways to lay a molecule onto itself that are tried
_FORCE_FIELD_STEPS = 2000
_KNOWLEDGE_TRIES = 10
_PLAIN_TRIES = 5  # for one conformer of a batch
_BATCH, _MAX_BATCHES = 8, 12
_ATTEMPTS = 6  # seeds, each where those before gave no right conformer
# kcal/mol above the other stereoisomer by the force field; C1C[C@H]2C[C@@H]3C[C@@H]1N2C3 can be had
# with a hydrogen inside its cage, 531 above
_INSIDE_OUT = 100.0
_SEEDS_APART = 7919


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
    """Embed and relax conformers; the lowest in force-field energy alone is kept, see `conformers`.

    Args:
        smiles: canonical isomeric SMILES.
        mol_id: 32 hexadecimal digits; gives the seed.
        n_conformers: how many to try, at least 1.
    Returns:
        the molecule with hydrogens and one conformer, angstrom.
    Raises:
        MoleculeError: as `conformers`.
    """
    molecule = molecule_with_hydrogens(smiles)
    return with_positions(molecule, conformers(molecule, mol_id, n_conformers)[0])


def conformers(
    molecule: Chem.Mol, mol_id: str, n_embedded: int, n_kept: int = 1
) -> list[NDArray[np.float64]]:
    """Embed and relax conformers; the lowest in force-field energy are kept.

    MMFF94 is used, UFF for molecules that it has no parameters for. Conformers with another
    stereochemistry, or with a flat atom of four single bonds, do not count: ETKDG makes such ones
    of spiropentane from a quarter of its seeds, and force fields keep them. Where none is left, all
    is tried again from another seed; what is found then does not count where it lies far above the
    other stereoisomer: it is a cage turned inside out. Of conformers that lie within `SAME` of one
    another the lowest counts.

    Args:
        molecule: with hydrogens.
        mol_id: 32 hexadecimal digits; gives the seed.
        n_embedded: how many to try, at least 1.
        n_kept: how many to return at most.
    Returns:
        positions (n_atoms, 3) of each, angstrom, the lowest first; at least one.
    Raises:
        MoleculeError: `embedding_failed`, `force_field_missing`, `force_field_not_converged`,
            `another_molecule`.
    References:
        Wang et al., J. Chem. Inf. Model. 60, 2044 (2020) (ETKDGv3); Halgren, J. Comput. Chem. 17,
        490 (1996).
    """
    seed = int(mol_id[:7], 16)
    of_another = np.inf  # energy of the lowest that is another stereoisomer, kcal/mol
    for attempt in range(_ATTEMPTS):
        relaxed = _relaxed(molecule, seed + attempt * _SEEDS_APART, n_embedded)
        solid = [each for each in relaxed if not has_flat_centre(molecule, each[1])]
        right = [each for each in solid if has_stereochemistry(molecule, each[1])]
        right = [each for each in right if each[0] < of_another + _INSIDE_OUT]
        if right:
            return _different(molecule, sorted(right, key=itemgetter(0)), n_kept)
        of_another = min([of_another, *(energy for energy, _ in solid)])
    what = (
        "an atom with four single bonds is flat: a saddle point"
        if np.isinf(of_another)
        else "a stereo centre changed in the force field"
    )
    raise MoleculeError("another_molecule", f"{what}, from each of {_ATTEMPTS} seeds")


def _different(
    molecule: Chem.Mol, ordered: list[tuple[float, NDArray[np.float64]]], n_kept: int
) -> list[NDArray[np.float64]]:
    """The first ones that differ from those before them."""
    kept = [ordered[0][1]]
    if n_kept == 1:
        return kept
    seen = [Chem.RemoveHs(with_positions(molecule, kept[0]))]
    for _, positions in ordered[1:]:
        heavy = Chem.RemoveHs(with_positions(molecule, positions))
        if all(
            rdMolAlign.GetBestRMS(Chem.Mol(heavy), other, maxMatches=_MATCHES) > SAME
            for other in seen
        ):
            kept.append(positions)
            seen.append(heavy)
            if len(kept) == n_kept:
                break
    return kept


def _relaxed(
    molecule: Chem.Mol, seed: int, n_conformers: int
) -> list[tuple[float, NDArray[np.float64]]]:
    """Conformers from one seed at minima of the force field: energies and positions.

    Raises:
        MoleculeError: `embedding_failed`, `force_field_missing`, `force_field_not_converged`.
    """
    placed = Chem.Mol(molecule)
    with rdBase.BlockLogs():
        try:
            if not _embed_by_knowledge(placed, seed, n_conformers):
                _embed_and_sort_out(placed, seed, n_conformers)
            relaxed = _relax(placed)
        except RuntimeError as error:  # an invariant of RDKit's that this molecule breaks
            reason = str(error).strip().splitlines()
            raise MoleculeError(
                "embedding_failed", f"RDKit gave up: {' '.join(reason[:2])}"
            ) from error
    minima = [
        (energy, conformer.GetPositions())
        for conformer, (unfinished, energy) in zip(placed.GetConformers(), relaxed, strict=True)
        if unfinished == 0
    ]
    if not minima:
        raise MoleculeError(
            "force_field_not_converged",
            f"not at a minimum after {_FORCE_FIELD_STEPS} force-field steps",
        )
    return minima


def _embed_by_knowledge(molecule: Chem.Mol, seed: int, n_conformers: int) -> bool:
    """ETKDGv3, which gives the best conformers; whether any was found in a few tries."""
    parameters: Any = rdDistGeom.ETKDGv3()  # its stubs take the attributes for constants
    parameters.randomSeed = seed
    parameters.numThreads = 1
    parameters.enableSequentialRandomSeeds = True  # conformer i does not depend on how many follow
    parameters.maxIterations = _KNOWLEDGE_TRIES
    return len(rdDistGeom.EmbedMultipleConfs(molecule, n_conformers, parameters)) > 0


def _embed_and_sort_out(molecule: Chem.Mol, seed: int, n_conformers: int) -> None:
    """Embed without regard to chirality and keep what is the right isomer, or its mirror image is.

    ETKDG's own tests of chirality refuse strained cages that exist: 12 % of QM9 fail ten tries of
    it, 1 % fail these, in a tenth of the time.

    Raises:
        MoleculeError: `embedding_failed`.
    """
    parameters: Any = rdDistGeom.EmbedParameters()
    parameters.numThreads = 1
    parameters.enforceChirality = False
    parameters.maxIterations = _PLAIN_TRIES
    trial = Chem.Mol(molecule)
    kept: list[NDArray[np.float64]] = []
    for batch in range(1, _MAX_BATCHES + 1):
        parameters.randomSeed = seed + batch
        conformer_ids = rdDistGeom.EmbedMultipleConfs(trial, _BATCH, parameters)
        for conformer in conformer_ids:
            positions = trial.GetConformer(conformer).GetPositions()
            kept += [
                image
                for image in (positions, positions * [-1.0, 1.0, 1.0])
                if has_stereochemistry(molecule, image)
            ]
        if len(kept) >= n_conformers:
            break
    if not kept:
        raise MoleculeError(
            "embedding_failed", "distance geometry found no conformer with this stereochemistry"
        )
    for positions in kept[:n_conformers]:
        placed = with_positions(molecule, positions)
        molecule.AddConformer(placed.GetConformer(), assignId=True)


def _relax(molecule: Chem.Mol) -> list[tuple[int, float]]:
    """Relax every conformer: whether it is unfinished, and its energy."""
    options: dict[str, Any] = {"numThreads": 1, "maxIters": _FORCE_FIELD_STEPS}
    if rdForceFieldHelpers.MMFFHasAllMoleculeParams(molecule):
        return list(rdForceFieldHelpers.MMFFOptimizeMoleculeConfs(molecule, **options))
    if rdForceFieldHelpers.UFFHasAllMoleculeParams(molecule):
        return list(rdForceFieldHelpers.UFFOptimizeMoleculeConfs(molecule, **options))
    raise MoleculeError("force_field_missing", "neither MMFF94 nor UFF knows an atom type")
