import importlib.util
from itertools import islice

import numpy as np
import pytest
from rdkit import Chem

from screener.chemistry.conformers import embed
from screener.chemistry.identity import identify, mol_id
from screener.errors import ConfigError, MoleculeError
from screener.training.qm9 import molecules as qm9

needs_qm9 = pytest.mark.skipif(
    importlib.util.find_spec("qm9pack") is None, reason="qm9pack is not installed"
)

CHIRAL = ["C[C@@H]1COC(=O)O1", "OC[C@H]1O[C@@H](O)[C@H](O)[C@@H]1O", "C/C=C/C#N", "C/C=C\\C#N"]


@needs_qm9
def test_entries_have_their_published_values():
    methane, ammonia = islice(qm9.entries(), 2)
    assert methane.atomic_numbers.tolist() == [6, 1, 1, 1, 1]
    assert methane.ae0_b3lyp_kcal == pytest.approx(395.999, abs=0.01)  # Sci. Data 1, 140022
    assert methane.homo_b3lyp_ev == pytest.approx(-10.550, abs=1e-3)
    assert methane.dipole_b3lyp_debye == 0.0
    assert ammonia.dipole_b3lyp_debye == pytest.approx(1.6256)


def test_numbers_of_mathematica_are_read():
    assert qm9._number("1.*^-6") == 1e-6
    assert qm9._number("-2.5E-3") == -2.5e-3


@pytest.mark.parametrize("smiles", CHIRAL)
def test_stereochemistry_comes_back_from_the_geometry_whatever_the_atom_order(smiles):
    smiles = Chem.CanonSmiles(smiles)
    flat = Chem.MolToSmiles(Chem.MolFromSmiles(smiles), isomericSmiles=False)
    molecule = embed(smiles, mol_id(smiles), 1)
    numbers = np.array([atom.GetAtomicNum() for atom in molecule.GetAtoms()])
    positions = molecule.GetConformer().GetPositions()
    for seed in range(4):
        order = np.random.default_rng(seed).permutation(len(numbers))
        restored = qm9.restore(flat, numbers[order], positions[order])
        assert identify(restored).smiles == smiles
        numbers_there = [atom.GetAtomicNum() for atom in restored.GetAtoms()]
        assert sorted(numbers_there) == sorted(numbers)


def test_another_molecule_is_not_mapped():
    molecule = embed("COC", mol_id("COC"), 1)
    numbers = np.array([atom.GetAtomicNum() for atom in molecule.GetAtoms()])
    with pytest.raises(MoleculeError) as caught:
        qm9.restore("CCO", numbers, molecule.GetConformer().GetPositions())
    assert caught.value.code == "not_mapped"


def test_missing_package_says_what_to_install(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="pip install"):
        next(qm9.entries())
