"""The list of molecules in use in batteries, of the classes that the other list lacks."""

from importlib.resources import files

import pandas as pd
from rdkit import Chem
from rdkit.Chem.Descriptors import NumRadicalElectrons
from rdkit.Chem.rdMolDescriptors import CalcMolFormula

from screener.chemistry.known_names import has_check_digit

FOLDER = files("screener") / "data" / "examples"
CLASSES = {
    "sulfone", "sultone", "sulfate", "sulfite", "phosphate", "phosphite", "phosphazene", "silane",
    "siloxane", "borate", "fluorinated ether", "fluorinated ester", "phenothiazine",
}  # fmt: skip


def read(name):
    return pd.read_csv(str(FOLDER / name), keep_default_na=False)


def test_structures_formulas_and_numbers_belong_together():
    table = read("molecules-in-use.csv")
    for row in table.itertuples():
        molecule = Chem.MolFromSmiles(row.smiles)
        assert CalcMolFormula(molecule) == row.formula, row.known_as
        assert Chem.GetFormalCharge(molecule) == 0, row.known_as
        assert NumRadicalElectrons(molecule) == 0, row.known_as
        assert not row.cas or has_check_digit(row.cas), row.known_as
        assert len(row.source) > 20, row.known_as
        assert row.role, row.known_as


def test_each_is_there_once_and_all_classes_are():
    table = read("molecules-in-use.csv")
    assert set(table["family"]) >= CLASSES
    both = [*table["smiles"], *read("known-molecules.csv")["smiles"]]
    plain = [Chem.MolToSmiles(Chem.MolFromSmiles(each), isomericSmiles=False) for each in both]
    new = plain[: len(table)]
    assert len(set(new)) == len(new)
    assert set(new).isdisjoint(plain[len(table) :])
