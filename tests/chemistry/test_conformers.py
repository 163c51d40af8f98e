"""Several conformers of one molecule."""

from itertools import combinations

import numpy as np
from rdkit import Chem
from rdkit.Chem import rdForceFieldHelpers, rdMolAlign

from screener.chemistry.conformers import SAME, conformers, embed, molecule_with_hydrogens
from screener.chemistry.geometry import with_positions
from screener.chemistry.identity import mol_id

SMILES = "OCCCO"


def test_several_conformers_are_different_and_in_order_of_energy():
    molecule = molecule_with_hydrogens(SMILES)
    several = conformers(molecule, mol_id(SMILES), 20, 5)
    assert len(several) == 5
    placed = [with_positions(molecule, each) for each in several]
    for one, other in combinations([Chem.RemoveHs(each) for each in placed], 2):
        assert rdMolAlign.GetBestRMS(Chem.Mol(one), other) > SAME
    properties = rdForceFieldHelpers.MMFFGetMoleculeProperties(molecule)
    energies = [
        rdForceFieldHelpers.MMFFGetMoleculeForceField(each, properties).CalcEnergy()
        for each in placed
    ]
    assert energies == sorted(energies)
    first = embed(SMILES, mol_id(SMILES), 20).GetConformer().GetPositions()
    np.testing.assert_array_equal(first, several[0])


def test_a_rigid_molecule_has_one_conformer():
    assert len(conformers(molecule_with_hydrogens("C"), mol_id("C"), 20, 5)) == 1
