"""Names of atoms from who is bonded to whom."""

import numpy as np
import pytest
from model_fixtures import embed
from rdkit import Chem

from screener.chemistry.environments import atom_name


@pytest.mark.parametrize(
    ("smiles", "pattern", "name"),
    [
        ("O=C1OCCO1", "[CX3]=O", "carbonyl carbon"),
        ("O=C1OCCO1", "O=C", "carbonyl oxygen"),
        ("O=C1OCCO1", "[OX2]", "oxygen beside a carbonyl group"),
        ("O=C1OCCO1", "[CX4]", "CH2 carbon bonded to O"),
        ("COC", "[OX2]", "ether oxygen"),
        ("COC", "[CX4]", "methyl carbon bonded to O"),
        ("CC#N", "C#N", "nitrile carbon"),
        ("CC#N", "N", "nitrile nitrogen"),
        ("CC#N", "[CX4]", "methyl carbon"),
        ("CC(F)(F)F", "C(F)", "carbon of a CF3 group"),
        ("CC(F)(F)F", "F", "fluorine"),
        ("CCO", "[OX2]", "hydroxyl oxygen"),
        ("CN(C)C", "N", "amine nitrogen"),
        ("CC(=O)N(C)C", "N", "amide nitrogen"),
        ("C[N+](=O)[O-]", "[N+]", "nitro nitrogen"),
        ("CS(C)(=O)=O", "S", "sulfonyl sulfur"),
        ("CS(C)=O", "S", "sulfinyl sulfur"),
        ("CSC", "S", "sulfide sulfur"),
        ("C=C", "C", "sp2 carbon"),
        ("CC(C)(C)C", "C(C)(C)C", "quaternary carbon"),
        ("CC#CC", "C#C", "sp carbon"),
        ("CCl", "Cl", "chlorine"),
    ],
)
def test_atoms_are_called_as_chemists_call_them(smiles, pattern, name):
    atom = Chem.MolFromSmiles(smiles).GetSubstructMatch(Chem.MolFromSmarts(pattern))[0]
    assert atom_name(embed(smiles), atom) == name


def test_hydrogens_are_told_by_what_they_are_on():
    structure = embed("CO")
    names = {
        atom_name(structure, int(atom)) for atom in np.flatnonzero(structure.atomic_numbers == 1)
    }
    assert names == {"hydrogen on carbon", "hydrogen on oxygen"}
