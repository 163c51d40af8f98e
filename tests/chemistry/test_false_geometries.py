"""Geometries that are not the molecule: flat centres, inverted ones, other isomers."""

from dataclasses import replace

import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import rdDistGeom, rdForceFieldHelpers

from screener.chemistry.conformers import embed, molecule_with_hydrogens
from screener.chemistry.geometry import (
    bonded,
    corner_volume,
    has_flat_atom,
    has_flat_centre,
    has_stereochemistry,
    require_same_molecule,
)
from screener.chemistry.identity import mol_id
from screener.chemistry.structures import StructureSettings, make_structure
from screener.errors import MoleculeError
from screener.records import Structure
from screener.units import KCAL_PER_HARTREE

ENERGY = "energy_gfn2_ha"
N_SEEDS = 10
AGREE = 0.2  # kcal/mol between geometries that are the same
# ETKDG makes their centres flat from 4 to 18 of 40 seeds, and the force field keeps them so
WITH_FLAT_CENTRES = ("C1CC12CC2", "C1OC12CO2", "FC1CC12CC2")
STRAINED = (
    *WITH_FLAT_CENTRES,
    "C1CC2(C1)CC2",
    "C1CCC12CC2",
    "C1CC12CC21CC1",
    "C1CC23CC12C3",
    "C1CC23CC2(C1)C3",
    "C1C2CC1C2",
    "C1CC2CC1C2",
    "C1C2CC12",
    "C12C3C1C23",
    "C12C3C4C1C1C2C3C41",
    "C1CC2CCC1C2",
    "C1=CC2CCC1C2",
    "C1=CC2C=CC1C2",
    "C1C2C3C1C23",
    "C1CC2CCC1CC2",
    "C1C2CC3CC1CC(C2)C3",
    "C=C=CC",
    "CC=C=CC",
    "C=C=C=C",
    "C=C=C=CC",
    "C=C=C1CC1",
    "C=C1CC1",
    "C1=CC1",
    "C1=CCC1",
    "O=C1CC1",
    "CN1CC1",
    "C1CC12CO2",
    "C1CO1",
)
CONFORMERS = {"C1CC23CCC2(C1)C3": 2.0}  # kcal/mol between its conformers: a ring folds both ways


def seeded(k):
    return f"{k * 104_729 + 7:07x}" + "0" * 25


def is_flat(structure):
    return has_flat_atom(structure, bonded(structure))


def spiropentane(flat):
    """Spiropentane as it is, or with both rings in one plane."""
    rings = [(0.79, 1.26, 0.0), (-0.79, 1.26, 0.0)]
    other = [(0.79, -1.26, 0.0), (-0.79, -1.26, 0.0)]
    if not flat:
        other = [(0.0, -1.26, 0.79), (0.0, -1.26, -0.79)]
    return np.array([*rings, (0.0, 0.0, 0.0), *other])


@pytest.mark.parametrize("smiles", WITH_FLAT_CENTRES)
def test_no_seed_gives_a_flat_centre(smiles):
    smiles = Chem.CanonSmiles(smiles)
    for k in range(2 * N_SEEDS):
        molecule = embed(smiles, seeded(k), 1)
        assert not has_flat_centre(molecule, molecule.GetConformer().GetPositions())


def test_one_embedding_and_the_force_field_do_give_some():
    molecule = molecule_with_hydrogens("C1CC12CC2")
    parameters = rdDistGeom.ETKDGv3()
    parameters.randomSeed = 7
    rdDistGeom.EmbedMultipleConfs(molecule, 40, parameters)
    rdForceFieldHelpers.MMFFOptimizeMoleculeConfs(molecule)
    flat = [has_flat_centre(molecule, each.GetPositions()) for each in molecule.GetConformers()]
    assert 0 < sum(flat) < 40


def test_volumes_of_known_corners():
    tetrahedron = np.array([(1, 1, 1), (-1, -1, 1), (-1, 1, -1), (1, -1, -1)], dtype=float)
    origin = np.zeros(3)
    assert abs(corner_volume(origin, tetrahedron)) == pytest.approx(16 / 27**0.5)
    assert corner_volume(origin, tetrahedron) == pytest.approx(
        -corner_volume(origin, tetrahedron * [1, 1, -1])
    )
    square = np.array([(1, 1, 0.5), (-1, 1, 0.5), (-1, -1, 0.5), (1, -1, 0.5)])
    assert corner_volume(origin, square) == pytest.approx(0.0)
    pyramid = tetrahedron[:3]  # with a lone pair where the fourth would be
    assert corner_volume(origin, pyramid) == pytest.approx(corner_volume(origin, tetrahedron))


def test_handedness_is_that_of_rdkit():
    checked = 0
    for smiles in ("CC(F)OC(=O)C(C)CC1CC1C", "CS(=O)CC", "CP(=O)(O)CC", "C[Si](F)(Cl)CC(C)O"):
        molecule = molecule_with_hydrogens(smiles)
        assert rdDistGeom.EmbedMolecule(molecule, 3) == 0
        positions = molecule.GetConformer().GetPositions()
        Chem.AssignAtomChiralTagsFromStructure(molecule, replaceExistingTags=True)
        assert has_stereochemistry(molecule, positions)
        for atom in molecule.GetAtoms():
            if atom.GetChiralTag() != Chem.ChiralType.CHI_UNSPECIFIED:
                mirrored = Chem.Mol(molecule)
                mirrored.GetAtomWithIdx(atom.GetIdx()).InvertChirality()
                assert not has_stereochemistry(mirrored, positions)
                checked += 1
    assert checked > 20


@pytest.mark.parametrize("smiles", ["CCO[P@H]CC=O", "CC(C)O[P@@](C)C(C)C", "C[P@](CC)c1ccccc1"])
def test_trivalent_phosphorus_is_made_with_its_own_hand(smiles):
    molecule = embed(smiles, seeded(0), 1)
    positions = molecule.GetConformer().GetPositions()
    assert has_stereochemistry(molecule, positions)
    assert not has_stereochemistry(molecule, positions * [-1, 1, 1])


def test_a_flat_centre_after_an_optimisation_is_another_molecule():
    molecule = Chem.MolFromSmiles("C1CC12CC2")
    numbers = np.full(5, 6, dtype=np.uint8)
    require_same_molecule(molecule, Structure(numbers, spiropentane(False).astype(np.float32)))
    with pytest.raises(MoleculeError, match="flat after the optimisation") as caught:
        require_same_molecule(molecule, Structure(numbers, spiropentane(True).astype(np.float32)))
    assert caught.value.code == "another_molecule"


def test_a_flat_atom_is_seen_without_a_drawing():
    numbers = np.full(5, 6, dtype=np.uint8)
    assert is_flat(Structure(numbers, spiropentane(True).astype(np.float32)))
    assert not is_flat(Structure(numbers, spiropentane(False).astype(np.float32)))
    silicon = replace(
        Structure(numbers, (1.25 * spiropentane(True)).astype(np.float32)),
        atomic_numbers=np.array([6, 6, 14, 6, 6], dtype=np.uint8),
    )
    assert is_flat(silicon)


@pytest.mark.slow
@pytest.mark.parametrize(
    "smiles",
    [
        *(
            pytest.param(smiles, marks=pytest.mark.soak if place % 4 else ())
            for place, smiles in enumerate(STRAINED)
        ),
        *CONFORMERS,
    ],
)
def test_energies_of_strained_molecules_agree_over_seeds(smiles):
    smiles = Chem.CanonSmiles(smiles)
    energies = [
        KCAL_PER_HARTREE
        * make_structure(smiles, seeded(k), StructureSettings(level="gfn2-opt")).values[ENERGY]
        for k in range(N_SEEDS)
    ]
    spread = max(energies) - min(energies)
    if smiles in CONFORMERS:
        assert AGREE < spread < CONFORMERS[smiles]
    else:
        assert spread < AGREE


@pytest.mark.parametrize("smiles", ["C1=NC2=N[C@@H](CO2)N=1", "C1OC2=N[C@]13O[P@@](O2)O3"])
def test_an_isomer_that_the_force_field_inverts_is_found_from_another_seed(smiles):
    molecule = molecule_with_hydrogens(smiles)
    made = make_structure(smiles, mol_id(smiles), StructureSettings())
    assert has_stereochemistry(molecule, made.positions)


def test_a_cage_that_is_turned_inside_out_is_no_conformer():
    smiles = "C1C[C@H]2C[C@@H]3C[C@@H]1N2C3"  # found from the fifth seed, 531 kcal/mol higher
    with pytest.raises(MoleculeError, match="changed in the force field, from each of") as caught:
        make_structure(smiles, mol_id(smiles), StructureSettings())
    assert caught.value.code == "another_molecule"
