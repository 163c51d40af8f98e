"""What atoms are bonded to, from drawings and geometries, and taken apart into bonds."""

import pytest
from rdkit import Chem

from screener.chemistry.coordination import (
    bond_kinds,
    coordinations,
    drawn_coordinations,
    of_bonds,
)
from screener.chemistry.identity import mol_id
from screener.chemistry.structures import StructureSettings, make_structure

FEC = "O=C1OCC(F)O1"


@pytest.mark.parametrize("smiles", [FEC, "CS(C)(=O)=O", "C[Si](C)(C)OC", "C#N", "COP(=O)(OC)OC"])
def test_a_drawing_and_its_geometry_tell_the_same(smiles):
    structure = make_structure(smiles, mol_id(smiles), StructureSettings())
    assert set(coordinations(structure)) == drawn_coordinations(Chem.MolFromSmiles(smiles))


def test_bonds_of_coordinations():
    assert bond_kinds(["C:C,F,F,F", "O:C", "H:C"]) == {"C4:C", "C4:F", "O1:C", "H1:C"}
    # a carbon of three neighbours is another than one of four
    assert bond_kinds(["C:C,O,O"]).isdisjoint(bond_kinds(["C:C,O,O,O"]))


def test_what_bonds_make_is_counted_by_the_rarest():
    made = of_bonds({"C4:F": 3, "C4:H": 7, "H1:C": 9, "Si4:C": 1})
    assert made == {
        "C:F,F,F,F": 3, "C:F,F,F,H": 3, "C:F,F,H,H": 3, "C:F,H,H,H": 3, "C:H,H,H,H": 7,
        "H:C": 9, "Si:C,C,C,C": 1,
    }  # fmt: skip


def test_a_molecule_is_made_of_the_bonds_of_others():
    others = ["CF", "COC", "CC", "O=C1OCCO1"]  # none has a carbon bonded to F, H, O and C
    bonds = bond_kinds(k for each in others for k in drawn_coordinations(Chem.MolFromSmiles(each)))
    asked = drawn_coordinations(Chem.MolFromSmiles(FEC))
    assert asked <= set(of_bonds(dict.fromkeys(bonds, 1)))
    assert not asked <= {
        k for each in others for k in drawn_coordinations(Chem.MolFromSmiles(each))
    }
    phosphate = drawn_coordinations(Chem.MolFromSmiles("COP(=O)(OC)OC"))
    assert not phosphate <= set(of_bonds(dict.fromkeys(bonds, 1)))
