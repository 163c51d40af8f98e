"""Labels of a library's molecules, at geometries made from their drawings."""

import re

import numpy as np
import pandas as pd
import pytest

from screener.chemistry.structures import StructureSettings, make_structure
from screener.stores.files import Folder
from screener.stores.library import LibraryStore
from screener.structures.site import Site
from screener.training.library_labels import FILES, library_labels

GIVEN = "smiles,id\nCCO,ethanol\nO=C1OCCO1,ec\nCS(C)(C)(C)=O,odd\nCC#N,acn\n"
SETTINGS = StructureSettings.at("mmff94", values=("gfn2",))


@pytest.fixture
def library(screener, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.csv").write_text(GIVEN)
    assert screener("library", "build", "mine.csv", "--out", "mine", "--workers", 1)[0] == 0
    return tmp_path / "mine"


def test_what_fails_is_told_and_the_others_have_labels(library, tmp_path):
    made = library_labels(
        LibraryStore.open(str(library)), SETTINGS, Site(None), Folder(str(tmp_path / "kept"))
    )
    frame = made.table.to_pandas()
    assert frame["source_id"].tolist() == ["ethanol", "ec", "acn"]
    ((failed,)) = made.quarantine
    assert (failed.source_id, failed.code) == ("odd", "force_field_missing")
    for row in frame.itertuples():
        structure = make_structure(row.smiles, row.mol_id, SETTINGS)
        assert row.homo_gfn2_ev == structure.values["homo_gfn2_ev"]
        assert np.array_equal(np.reshape(row.positions, (-1, 3)), structure.positions)
        assert np.array_equal(row.atomic_numbers, structure.atomic_numbers)


def test_the_command_goes_on_where_it_was(screener, library, tmp_path, monkeypatch):
    monkeypatch.setenv("SCREENER_HOME", str(tmp_path / "home"))
    asked = ("--level", "gfn2", "--geometry", "mmff94", "--conformers", 1, "--workers", 1)
    code, out, _ = screener("labels", library, *asked, "--out", "labels", "--json")
    assert code == 0
    assert '"n_labels": 3' in out
    assert sorted(p.name for p in (tmp_path / "labels").iterdir()) == sorted(FILES)
    first = (tmp_path / "labels" / FILES[0]).read_bytes()
    monkeypatch.setattr(
        "screener.structures.site.make_batch", lambda *_: pytest.fail("made once more")
    )
    code, out, _ = screener("labels", library, *asked, "--out", "again", "--json")
    assert code == 0
    assert (tmp_path / "again" / FILES[0]).read_bytes() == first
    kept = pd.read_parquet(tmp_path / "labels" / FILES[1])
    assert kept["code"].tolist() == ["force_field_missing"]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (("--level", "gfn2"), "--out are for a library|need --level and --out"),
        (("mine", "--level", "gfn2"), "need --level and --out"),
        (("mine", "--level", "gfn3", "--out", "x"), "gfn3.*gfn2"),
        (("mine", "--level", "g4mp2", "--out", "x"), "given, and never computed|starts from"),
        (("nowhere", "--level", "gfn2", "--out", "x"), "nowhere"),
    ],
)
def test_mistakes_are_told(screener, library, asked, message):
    code, _, err = screener("labels", *asked)
    assert code == 2
    assert re.search(message, " ".join(err.split()))


@pytest.mark.slow
def test_b3lyp_labels_are_those_of_qm9(screener, tmp_path, monkeypatch):
    """Acetonitrile in QM9 (gdb 10): HOMO -0.3264, LUMO 0.0376 hartree, dipole 3.8266 D."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SCREENER_HOME", str(tmp_path / "home"))
    (tmp_path / "mine.csv").write_text("smiles,id\nCC#N,acn\n")
    assert screener("library", "build", "mine.csv", "--out", "mine", "--workers", 1)[0] == 0
    code, _, _ = screener("labels", "mine", "--level", "b3lyp", "--out", "labels", "--workers", 1)
    assert code == 0
    (row,) = pd.read_parquet(tmp_path / "labels" / FILES[0]).itertuples()
    # at the minimum of AIMNet2, not of B3LYP
    assert row.homo_b3lyp_ev == pytest.approx(-0.3264 * 27.2114, abs=0.05)
    assert row.lumo_b3lyp_ev == pytest.approx(0.0376 * 27.2114, abs=0.15)
    assert row.dipole_b3lyp_debye == pytest.approx(3.8266, abs=0.1)
