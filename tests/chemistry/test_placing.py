import numpy as np
import pytest
from rdkit import Chem

from screener.chemistry.conformers import embed
from screener.chemistry.identity import identify, mol_id
from screener.chemistry.placing import restore
from screener.errors import MoleculeError

CHIRAL = ["C[C@@H]1COC(=O)O1", "OC[C@H]1O[C@@H](O)[C@H](O)[C@@H]1O", "C/C=C/C#N", "C/C=C\\C#N"]


@pytest.mark.parametrize("smiles", CHIRAL)
def test_stereochemistry_comes_back_from_the_geometry_whatever_the_atom_order(smiles):
    smiles = Chem.CanonSmiles(smiles)
    flat = Chem.MolToSmiles(Chem.MolFromSmiles(smiles), isomericSmiles=False)
    molecule = embed(smiles, mol_id(smiles), 1)
    numbers = np.array([atom.GetAtomicNum() for atom in molecule.GetAtoms()])
    positions = molecule.GetConformer().GetPositions()
    for seed in range(4):
        order = np.random.default_rng(seed).permutation(len(numbers))
        restored = restore(flat, numbers[order], positions[order])
        assert identify(restored).smiles == smiles
        numbers_there = [atom.GetAtomicNum() for atom in restored.GetAtoms()]
        assert sorted(numbers_there) == sorted(numbers)


def test_another_molecule_is_not_mapped():
    molecule = embed("COC", mol_id("COC"), 1)
    numbers = np.array([atom.GetAtomicNum() for atom in molecule.GetAtoms()])
    with pytest.raises(MoleculeError) as caught:
        restore("CCO", numbers, molecule.GetConformer().GetPositions())
    assert caught.value.code == "not_mapped"
