import csv
import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
from rdkit import Chem
from rdkit.Chem import Descriptors, rdMolDescriptors

import screener

EXAMPLES = Path(screener.__file__).parent / "data" / "examples"
SPECIAL_CARBON_FLUORINE = Chem.MolFromSmarts("[CX4;!$(C(F)(F)(F)[#6])]F")  # sp3, not in CF3


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "make_battery_candidates", EXAMPLES / "make_battery_candidates.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def rows() -> list[dict[str, str]]:
    with (EXAMPLES / "battery-candidates.csv").open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


@pytest.fixture(scope="module")
def mols(rows) -> list[Chem.Mol]:
    return [Chem.MolFromSmiles(row["smiles"]) for row in rows]


@pytest.mark.slow
def test_script_reproduces_the_shipped_file(script, tmp_path):
    script.write(tmp_path / "again.csv")
    shipped = EXAMPLES / "battery-candidates.csv"
    assert (tmp_path / "again.csv").read_bytes() == shipped.read_bytes()


def test_size_of_the_library(rows):
    assert len(rows) >= 5000
    assert sum(path.stat().st_size for path in EXAMPLES.glob("*.csv")) <= 1_000_000


def test_every_candidate_is_a_closed_shell_neutral_organic_molecule(rows, mols):
    for row, mol in zip(rows, mols, strict=True):
        assert mol is not None, row
        elements = {atom.GetSymbol() for atom in mol.GetAtoms()}
        assert "C" in elements, row
        assert elements <= {"C", "N", "O", "F"}, row
        assert Chem.GetFormalCharge(mol) == 0, row
        assert Descriptors.NumRadicalElectrons(mol) == 0, row
        assert len(Chem.GetMolFrags(mol)) == 1, row
        assert 2 <= mol.GetNumHeavyAtoms() <= 15, row


def test_no_molecule_is_there_twice(rows, mols):
    flat = [Chem.MolToSmiles(mol, isomericSmiles=False) for mol in mols]
    assert len(set(flat)) == len(rows)
    assert len({row["name"] for row in rows}) == len(rows)


def test_known_molecules_are_there_once_under_their_formula(script, rows):
    with (EXAMPLES / "known-molecules.csv").open(newline="", encoding="utf-8") as lines:
        known = list(csv.DictReader(lines))
    assert len(known) >= 80
    marked = {row["known_as"]: row for row in rows if row["known_as"]}
    assert len(marked) == len(known) == sum(1 for row in rows if row["known_as"])
    for entry in known:
        row = marked[entry["known_as"]]
        assert row["family"] == entry["family"]
        mol = Chem.MolFromSmiles(row["smiles"])
        assert rdMolDescriptors.CalcMolFormula(mol) == entry["formula"]


@pytest.mark.parametrize(
    ("name", "inchikey"),
    [
        ("ethylene carbonate (EC)", "KMTRUDSVKNLOMY-UHFFFAOYSA-N"),
        ("propylene carbonate (PC)", "RUOJZAUFBMNUDX-UHFFFAOYSA-N"),
        ("dimethyl carbonate (DMC)", "IEJIGPNLZYLLBP-UHFFFAOYSA-N"),
        ("fluoroethylene carbonate (FEC)", "SBLRHMKNNHXPHG-UHFFFAOYSA-N"),
        ("vinylene carbonate (VC)", "VAYTZRYEBVHVLE-UHFFFAOYSA-N"),
        ("1,2-dimethoxyethane (DME)", "XTHFKEDIFFGKHM-UHFFFAOYSA-N"),
        ("acetonitrile (ACN)", "WEVYAHXRMPXWCK-UHFFFAOYSA-N"),
        ("adiponitrile (ADN)", "BTGRAWJCKBQKAO-UHFFFAOYSA-N"),
        ("gamma-butyrolactone (GBL)", "YEJRWHAVMIAJKC-UHFFFAOYSA-N"),
        ("N-methyl-2-pyrrolidone (NMP)", "SECXISVLQFMRJM-UHFFFAOYSA-N"),
        ("tetrahydrofuran (THF)", "WYURNTSHIVDZCO-UHFFFAOYSA-N"),
        ("1,3-dioxolane (DOL)", "WNXJIVFYUVYPPR-UHFFFAOYSA-N"),
    ],
)
def test_known_molecules_have_the_published_inchikeys(rows, name, inchikey):
    (row,) = (row for row in rows if row["known_as"] == name)
    assert Chem.MolToInchiKey(Chem.MolFromSmiles(row["smiles"])) == inchikey


def test_analogues_keep_clear_of_the_unwanted_groups(script, rows, mols):
    for row, mol in zip(rows, mols, strict=True):
        if not row["known_as"]:
            assert not any(map(mol.HasSubstructMatch, script.UNWANTED)), row
            assert rdMolDescriptors.CalcNumHBD(mol) == 0, row


def test_both_sides_of_the_models_domain_are_represented(mols):
    outside = sum(mol.HasSubstructMatch(SPECIAL_CARBON_FLUORINE) for mol in mols)
    assert 0.1 < outside / len(mols) < 0.5
    small = sum(4 <= mol.GetNumHeavyAtoms() <= 11 for mol in mols)
    assert small / len(mols) > 0.75
