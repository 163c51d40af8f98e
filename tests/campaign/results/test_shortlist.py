"""A shortlist keeps what the user gave, whatever it holds, in each of its forms."""

import csv
import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rdkit import Chem

from screener.campaign.results.shortlist import is_known, shortlist_table, to_sdf, write_shortlist
from screener.chemistry.identity import mol_id
from screener.chemistry.structures import StructureSettings, make_structure
from screener.errors import MoleculeError, StoreError
from screener.ranking.objectives import RankingSettings, parse_objective
from screener.ranking.row_status import best, row_status
from screener.stores.files import Folder

SMILES = ["COC", "CC#N", "C1CCOC1"]
SETTINGS = RankingSettings(
    objectives=(
        parse_objective("minimise:homo_b3lyp_ev"),
        parse_objective("maximise:lumo_b3lyp_ev"),
    ),
    top=2,
)
ETHER = make_structure("COC", mol_id("COC"), StructureSettings())
NOTES = ["two\n\nlines", "$$$$", '"quoted", =1+1']


@pytest.fixture(scope="module")
def predictions():
    return pa.table(
        {
            "row": pa.array([4, 7, 9], pa.int64()),
            "mol_id": [mol_id(text) for text in SMILES],
            "inchikey": ["A", "B", "C"],
            "smiles": SMILES,
            "source_id": ["one", "", "three"],
            "homo_b3lyp_ev": [-6.0, -9.0, -7.0],
            "lumo_b3lyp_ev": [1.0, 1.0, 2.0],
            "in_domain": [True, True, True],
            "domain_reasons": ["", "", ""],
            "note": NOTES,
            "tags": [["a", "b"], [], None],
            "raw": [b"\x00\xff", b"", None],
            "price": pa.array([1, None, 3], pa.int64()),
        }
    )


@pytest.fixture(scope="module")
def shortlist(predictions):
    status = row_status(predictions, SETTINGS)
    return shortlist_table(predictions, best(predictions, status, 2), SETTINGS, "note")


@pytest.fixture(scope="module")
def structures(shortlist):
    pairs = zip(shortlist["smiles"].to_pylist(), shortlist["mol_id"].to_pylist(), strict=True)
    return [make_structure(smiles, name, StructureSettings()) for smiles, name in pairs]


def test_rows_come_in_order_with_their_scores(shortlist, predictions):
    assert shortlist["rank"].to_pylist() == [1, 2]
    assert shortlist["row"].to_pylist() == [7, 9]
    each = [shortlist[f"desirability_{name}_b3lyp_ev"].to_numpy() for name in ("homo", "lumo")]
    np.testing.assert_allclose(shortlist["score"].to_numpy(), np.sqrt(each[0] * each[1]))
    assert shortlist.column_names[-len(predictions.column_names) :] == predictions.column_names
    assert shortlist["known"].to_pylist() == [True, True]


def test_every_form_holds_every_row(shortlist, structures, tmp_path):
    write_shortlist(Folder(str(tmp_path)), "a/", shortlist, structures, SETTINGS)
    assert pq.read_table(tmp_path / "a" / "shortlist.parquet").equals(shortlist)
    text = (tmp_path / "a" / "shortlist.csv").read_text()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["note"] for row in rows] == NOTES[1:]
    assert [row["tags"] for row in rows] == ["[]", ""]
    with Chem.SDMolSupplier(str(tmp_path / "a" / "shortlist.sdf"), removeHs=False) as supplier:
        molecules = list(supplier)
    assert [Chem.MolToSmiles(Chem.RemoveHs(each)) for each in molecules] == SMILES[1:]
    assert molecules[0].GetProp("_Name") == mol_id("CC#N")  # no source id
    assert molecules[0].GetProp("note") == "$ $ $ $"
    assert not molecules[0].HasProp("price")
    for molecule, structure in zip(molecules, structures, strict=True):
        positions = molecule.GetConformer().GetPositions()
        np.testing.assert_allclose(positions, structure.positions, atol=1e-4)  # four digits


def test_a_spreadsheet_runs_nothing_and_numbers_stay_numbers(predictions, structures, tmp_path):
    table = predictions.slice(0, 2).set_column(
        predictions.column_names.index("note"), "=note", pa.array(["=1+1", "'-ol"])
    )
    write_shortlist(Folder(str(tmp_path)), "", table, [ETHER, structures[0]], SETTINGS)
    rows = list(csv.DictReader(io.StringIO((tmp_path / "shortlist.csv").read_text())))
    assert [row["'=note"] for row in rows] == ["'=1+1", "''-ol"]
    assert [float(row["homo_b3lyp_ev"]) for row in rows] == [-6.0, -9.0]
    assert pq.read_table(tmp_path / "shortlist.parquet").equals(table)


def test_lines_and_separators_in_a_column_do_not_break_a_record(predictions):
    table = predictions.slice(0, 1)
    text = to_sdf(table, [ETHER])
    assert text.count("$$$$") == 1
    assert "two lines" in text


def test_names_of_columns_do_not_break_a_record(predictions, tmp_path):
    """Campaigns that were begun before such names were changed have them still."""
    names = ["x>\n\n$$$$\n", "x_$$$$", "_Name", " note", "__computedProps", "numArom"]
    table = predictions.slice(0, 1)
    for number, name in enumerate(names):
        table = table.append_column(name, [[f"value {number}"]])
    (tmp_path / "a.sdf").write_text(to_sdf(table, [ETHER]))
    with Chem.SDMolSupplier(str(tmp_path / "a.sdf")) as supplier:
        (molecule,) = supplier
    found = molecule.GetPropsAsDict()
    written = ["own_x_$$$$", "x_$$$$", "own_Name", "own_note", "own__computedProps", "own_numArom"]
    assert [found[name] for name in written] == [f"value {k}" for k in range(len(names))]
    assert found["note"] == "two lines"
    assert molecule.GetProp("_Name") == "one"


def test_a_wrong_or_missing_structure_is_an_error(predictions):
    water = make_structure("O", mol_id("O"), StructureSettings())
    with pytest.raises(StoreError, match="is not of COC"):
        to_sdf(predictions.slice(0, 1), [water])
    with pytest.raises(StoreError, match="is ranked and has no structure"):
        to_sdf(predictions.slice(0, 1), [MoleculeError("timed_out", "too long")])


def test_nobody_ranked_gives_empty_files(predictions, tmp_path):
    empty = predictions.slice(0, 0)
    table = shortlist_table(empty, best(empty, row_status(empty, SETTINGS), 2), SETTINGS, None)
    write_shortlist(Folder(str(tmp_path)), "", table, [], SETTINGS)
    assert table.num_rows == 0
    assert "desirability_homo_b3lyp_ev" in table.column_names
    assert len((tmp_path / "shortlist.csv").read_text().splitlines()) == 1
    assert (tmp_path / "shortlist.sdf").read_bytes() == b""


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["EC", "", None, "  "], [True, False, False, False]),
        ([1, 0, None], [True, False, False]),
        ([0.5, 0.0, None], [True, False, False]),
        ([True, False, None], [True, False, False]),
        ([None, None], [False, False]),
        ([["a"], None], [True, False]),
    ],
)
def test_what_marks_a_known_molecule(values, expected):
    assert is_known(pa.chunked_array([pa.array(values)])).to_pylist() == expected
