from pathlib import Path

import pytest
from block_reading import read_in_blocks

from screener.chemistry.standardise import StandardiseSettings
from screener.errors import MoleculeError
from screener.library.blocks import Standardised, compose, entries, standardise_entry
from screener.library.settings import Layout
from screener.library.shards import elements_of

LACTATE = """lactate
     RDKit          3D

  7  6  0  0  0  0  0  0  0  0999 V2000
    1.2000    1.1000    0.6000 C   0  0
    0.5000   -0.1000    0.0000 C   0  0
   -1.0000    0.0000    0.3000 C   0  0
   -1.5000    0.9000    0.9000 O   0  0
   -1.7000   -1.0000   -0.2000 O   0  0
    0.7000   -0.2000   -1.4000 O   0  0
    0.9000   -1.0000    0.5000 H   0  0
  1  2  1  0
  2  3  1  0
  3  4  2  0
  3  5  1  0
  2  6  1  0
  2  7  1  0
M  END
"""


def run(
    path: Path, content: str, changes: dict[str, MoleculeError] | None = None, **settings: object
) -> "tuple[list[dict[str, object]], list[dict[str, object]], object]":
    path.write_text(content)
    ((records,), _) = read_in_blocks([path], path.parent / "tmp", Layout())
    results: list[Standardised | MoleculeError] = []
    for entry in entries(records):
        try:
            if changes and entry[1] in changes:
                raise changes[entry[1]]
            results.append(standardise_entry(entry, StandardiseSettings(**settings)))
        except MoleculeError as error:
            results.append(error)
    result = compose(records, results, {0: path.name}, from_text=True)
    return result.molecules.to_pylist(), result.quarantine.to_pylist(), result


def test_every_record_is_a_molecule_or_set_aside(tmp_path: Path) -> None:
    content = "smiles,id,price\nOCC,a,1\nC(,b,x\nC,c,2,3\nCCCO,d,4\nCN,e,\n"
    died = {"CCCO": MoleculeError("crashed", "killed by signal 11")}
    molecules, quarantine, result = run(tmp_path / "a.csv", content, died)
    assert [(m["smiles"], m["smiles_input"], m["source_id"], m["line"]) for m in molecules] == [
        ("CCO", "OCC", "a", 2),
        ("CN", "CN", "e", 6),
    ]
    assert [(q["source"], q["line"], q["code"], q["raw"]) for q in quarantine] == [
        ("a.csv", 3, "invalid_smiles", "C("),
        ("a.csv", 4, "invalid_csv", "C"),
        ("a.csv", 5, "crashed", "CCCO"),
    ]
    assert {q["stage"] for q in quarantine} == {"library"}
    # 'x' stands in a record that was set aside, so prices are numbers
    price = result.own["own.price"]
    assert price.facts.texts.as_int
    assert price.first is None
    assert result.codes == {"crashed": 1, "invalid_csv": 1, "invalid_smiles": 1}


def test_raw_text_is_cut(tmp_path: Path) -> None:
    _, quarantine, _ = run(tmp_path / "a.smi", "C" * 9000 + "(\n")
    assert quarantine[0]["raw"] == "C" * 199 + "…"


def test_isomers_are_numbered(tmp_path: Path) -> None:
    molecules, _, _ = run(tmp_path / "a.smi", "CC(F)O\nCC\n", enumerate_stereo=4)
    assert [(m["input_order"], m["isomer"]) for m in molecules] == [(0, 0), (0, 1), (1, 0)]


def test_mol_blocks_keep_the_stereochemistry_of_their_coordinates(tmp_path: Path) -> None:
    broken = LACTATE.replace(" O   0  0", " Oxo 0  0", 1)
    valence = LACTATE.replace("  3  4  2  0", "  3  4  3  0")
    content = f"{LACTATE}$$$$\n{broken}$$$$\n{valence}$$$$\n"
    molecules, quarantine, _ = run(tmp_path / "a.sdf", content)
    assert len(molecules) == 1
    assert "@" in str(molecules[0]["smiles"])
    assert molecules[0]["n_undefined_stereo"] == 0
    assert molecules[0]["source_id"] == "lactate"
    assert [q["code"] for q in quarantine] == ["abbreviation", "invalid_molblock"]
    assert all(q["message"] for q in quarantine)


@pytest.mark.parametrize(
    ("smiles", "elements"),
    [
        ("C[Si](C)(C)Cl", {"C", "Si", "Cl"}),
        ("c1ccsc1Br", {"C", "S", "Br"}),
        ("[H]/N=C(\\C)OB(O)O", {"H", "N", "C", "O", "B"}),
        ("C[S@+]([O-])c1cc[nH]c1", {"C", "S", "O", "N"}),
        ("C[Se]CP", {"C", "Se", "P"}),
        ("C[C@@H](F)[NH3+]", {"C", "F", "N"}),
    ],
)
def test_elements_are_read_from_smiles(smiles: str, elements: set[str]) -> None:
    assert elements_of(smiles) == elements
