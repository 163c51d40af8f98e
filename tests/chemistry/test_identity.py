import hashlib
import random

import pytest
from rdkit import Chem
from rdkit.Chem import AllChem

from screener.chemistry.identity import identify, mol_id, settle

BATTERY = {
    "ethylene carbonate": "O=C1OCCO1",
    "propylene carbonate, R": "C[C@@H]1COC(=O)O1",
    "fluoroethylene carbonate, S": "O=C1OC[C@H](F)O1",
    "dimethoxyethane": "COCCOC",
    "sulfolane": "O=S1(=O)CCCC1",
    "glucose": "OC[C@H]1O[C@@H](O)[C@H](O)[C@@H](O)[C@@H]1O",
    "norbornane": "C1C[C@H]2CC[C@@H]1C2",
    "an imine": "[H]/N=C(\\C)OC",
}


def test_mol_id_is_the_hash_of_the_smiles() -> None:
    assert mol_id("CCO") == hashlib.sha256(b"CCO").digest()[:16].hex()


@pytest.mark.parametrize("smiles", BATTERY.values(), ids=BATTERY.keys())
def test_ten_atom_orders_have_one_identity(smiles: str) -> None:
    mol = Chem.MolFromSmiles(smiles)
    shuffle = random.Random(0).sample
    found = {
        identify(Chem.RenumberAtoms(mol, shuffle(range(mol.GetNumAtoms()), mol.GetNumAtoms())))
        for _ in range(10)
    }
    assert len(found) == 1
    molecule = found.pop()
    assert Chem.MolToSmiles(Chem.MolFromSmiles(molecule.smiles)) == molecule.smiles
    assert molecule.mol_id == mol_id(molecule.smiles)


def test_counts() -> None:
    molecule = identify(Chem.MolFromSmiles("COC(=O)OC"), n_undefined_stereo=3)
    assert (molecule.n_heavy, molecule.n_atoms, molecule.charge) == (6, 12, 0)
    assert molecule.n_undefined_stereo == 3
    assert molecule.inchikey == "IEJIGPNLZYLLBP-UHFFFAOYSA-N"
    assert identify(Chem.MolFromSmiles("C[NH3+]")).charge == 1


def test_hydrogens_and_map_numbers_are_no_part_of_it() -> None:
    plain = identify(Chem.MolFromSmiles("CCO"))
    assert identify(Chem.AddHs(Chem.MolFromSmiles("CCO"))) == plain
    assert identify(Chem.MolFromSmiles("[CH3:7][CH2:2]O")) == plain


@pytest.mark.parametrize("smiles", BATTERY.values(), ids=BATTERY.keys())
def test_geometry_and_smiles_name_the_same_isomer(smiles: str) -> None:
    mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
    assert AllChem.EmbedMolecule(mol, randomSeed=1) == 0
    for atom in mol.GetAtoms():
        atom.SetChiralTag(Chem.ChiralType.CHI_UNSPECIFIED)
    Chem.AssignStereochemistryFrom3D(mol)
    assert identify(mol) == identify(Chem.MolFromSmiles(smiles))


def test_enantiomers_differ_and_inverting_nitrogen_does_not() -> None:
    left, right = (identify(Chem.MolFromSmiles(s)) for s in ("C[C@H](O)F", "C[C@@H](O)F"))
    assert left.mol_id != right.mol_id
    one, other = (identify(Chem.MolFromSmiles(s)) for s in ("C[N@]1CC1(F)C", "C[N@@]1CC1(F)C"))
    assert one == other
    assert "@" not in one.smiles


def test_quaternary_nitrogen_keeps_its_handedness() -> None:
    smiles, _ = settle(Chem.MolFromSmiles("C[N@+](CC)(CCC)c1ccccc1"))
    assert "@" in smiles
