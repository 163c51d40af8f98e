import csv
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pyarrow.parquet as pq
import pytest
from built_here import in_line, lazily
from former_structures import write_former_unit
from structure_examples import ATOM, unit_files
from typer.testing import CliRunner, Result

from screener.chemistry.structures import StructureSettings
from screener.cli.main import app, main
from screener.cluster import factory
from screener.cluster.settings import LocalSettings
from screener.errors import ConfigError, ScreenerError
from screener.library_build import passes as build_passes
from screener.models.shipped import shipped_bundles
from screener.stores.files import Folder
from screener.stores.library import LibraryStore
from screener.stores.mol_ids import mol_ids_of, unit_of
from screener.structures import index_tasks
from screener.structures.convert import former_digest
from screener.structures.recipe import Recipe
from screener.structures.recipe_store import store_of, write_about

MOLECULES = """smiles,name,price
COC(=O)OC,DMC,1.5
O(C)C(=O)OC,DMC again,2
CC1COC(=O)O1,PC,3
OC(C)=N,iminol,4
CC(N)=O,acetamide,5
[Na+].[Cl-],salt,6
CC[O-],ethoxide,7
C(,\x1b[31mbroken,8
"""


@pytest.fixture
def no_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    """Carry tasks out in this process."""

    @contextmanager
    def connect(settings: LocalSettings, _: object = None) -> Iterator[SimpleNamespace]:
        yield SimpleNamespace(dashboard_link=f"{settings.kind} {settings.workers}")

    monkeypatch.setattr(build_passes, "run_tasks", lazily)
    monkeypatch.setattr(index_tasks, "run_tasks", lazily)
    monkeypatch.setattr(build_passes, "isolated_map", in_line)
    monkeypatch.setattr(factory, "connect", connect)


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    (tmp_path / "a.csv").write_text(MOLECULES)
    return tmp_path / "a.csv"


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["library", *map(str, arguments)])


@pytest.mark.usefixtures("no_cluster")
def test_build_and_info(inputs: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    built = invoke("build", inputs, "--out", out, "--workers", 2)
    assert built.exit_code == 0, built.output
    assert "8 read = 4 kept + 1 duplicates + 3 quarantined" in built.stdout
    assert str(out) in built.stdout
    assert "Dask dashboard: local 2" in built.stderr
    again = invoke("build", inputs, "--out", out)
    assert again.stdout == built.stdout
    assert "dashboard" not in again.stderr  # nothing was started

    info = invoke("info", out)
    assert info.exit_code == 0
    text = info.stdout
    assert re.match(r"aimnet2opt-to-\S+.* can speak about \d of 4 molecules, as far as", text)
    assert "8 read = 4 kept" in text
    assert "isomer chosen by the build: 2" in text
    assert re.search(
        r"tautomer groups .*: 1 with 2 molecules, such as DLFVBJFMPXGRIB-U\S+ \(2\)", text
    )
    assert re.search(r"\n +4 +2 #+\n", text)  # acetamide and its iminol have four heavy atoms
    assert re.search(r"\n +N +2 #+\n", text)
    assert "your columns: price (double)" in text
    assert re.search(r"mixture +1 #+", text)
    assert "a.csv:7: 'salt': mixture: 2 molecules; see --mixtures '[Na+].[Cl-]'" in text
    assert f"screener library quarantine {out}" in text
    assert "\x1b" not in text


@pytest.mark.usefixtures("no_cluster")
def test_what_was_set_aside_is_listed_found_and_exported(inputs: Path, tmp_path: Path) -> None:
    """Alike by both commands; the ids are those of the input, and a formula is marked in CSV."""
    long = "C" * 300
    inputs.write_text(MOLECULES.replace("salt", "=salt()") + f"{long}X,long,9\n")
    out = tmp_path / "out"
    assert invoke("build", inputs, "--out", out).exit_code == 0

    shown = invoke("quarantine", out)
    assert shown.exit_code == 0, shown.output
    assert shown.stdout.splitlines()[0] == "4 molecules are set aside"
    assert re.search(r"\n +2  library: invalid_smiles\n +1  library: charged\n", shown.stdout)
    assert "'ethoxide' (a.csv:8) library: charged: its charge is -1" in shown.stdout
    assert "\x1b" not in shown.stdout

    for name in ("ethoxide", "CC[O-]"):
        found = invoke("quarantine", out, "--id", name)
        assert [line[:10] for line in found.stdout.splitlines()] == ["'ethoxide'"]
    missing = invoke("quarantine", out, "--id", "DMC")
    assert isinstance(missing.exception, ConfigError)
    assert "nothing that was set aside is called 'DMC'" in str(missing.exception)
    partly = invoke("quarantine", out, "--id", "ethoxide", "--id", "DMC")
    assert [line[:10] for line in partly.stdout.splitlines()] == ["'ethoxide'"]
    assert "nothing that was set aside is called 'DMC';" in str(partly.exception)

    printed = json.loads(CliRunner().invoke(app, ["quarantine", str(out), "--json"]).stdout)
    assert printed["set_aside"] == 4
    assert printed["counts"][0] == {"stage": "library", "code": "invalid_smiles", "molecules": 2}
    ids = [row["source_id"] for row in printed["molecules"]]
    assert ids == ["=salt()", "ethoxide", "\x1b[31mbroken", "long"]
    assert printed["molecules"][0] | {"message": ""} == {
        "stage": "library",
        "code": "mixture",
        "message": "",
        "source_id": "=salt()",
        "source": "a.csv",
        "line": 7,
        "smiles_input": "[Na+].[Cl-]",
        "row": None,
        "mol_id": None,
    }
    assert printed["molecules"][3]["smiles_input"].endswith("C…")  # it was cut, and says so

    for file in (tmp_path / "aside.csv", tmp_path / "aside.parquet"):
        exported = invoke("quarantine", out, "--out", file)
        assert exported.exit_code == 0, exported.output
        assert exported.stdout.splitlines()[-1] == str(file)
        refused = invoke("quarantine", out, "--out", file)
        assert "is there already" in str(refused.exception)
    assert pq.read_table(tmp_path / "aside.parquet").to_pylist() == printed["molecules"]
    with open(tmp_path / "aside.csv", newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert [row["source_id"] for row in rows] == ["'=salt()", *ids[1:]]
    assert [row["line"] for row in rows] == ["7", "8", "9", "10"]
    assert "--out writes all of them" in str(
        invoke("quarantine", out, "--out", "x.csv", "--json").exception
    )
    assert "has to end in .csv" in str(invoke("quarantine", out, "--out", "x.smi").exception)


@pytest.mark.usefixtures("no_cluster")
def test_a_library_without_anything_set_aside(inputs: Path, tmp_path: Path) -> None:
    inputs.write_text("smiles\nCCO\n")
    out = tmp_path / "out"
    invoke("build", inputs, "--out", out)
    assert invoke("quarantine", out).stdout == "0 molecules are set aside\n"
    empty = {"set_aside": 0, "counts": [], "molecules": []}
    assert json.loads(invoke("quarantine", out, "--json").stdout) == empty
    assert invoke("quarantine", out, "--out", tmp_path / "none.csv").exit_code == 0
    assert (tmp_path / "none.csv").read_text().startswith("stage,code,message,source_id,")


@pytest.mark.usefixtures("no_cluster")
def test_a_library_of_an_earlier_version_tells_places_for_ids(inputs: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    invoke("build", inputs, "--out", out)
    folder = Folder(str(out))
    for path in LibraryStore.open(str(out)).manifest.quarantine:
        folder.write_table(path, folder.read_table(path).drop_columns(["source_id"]))
    listed = json.loads(invoke("quarantine", out, "--json").stdout)["molecules"]
    assert [row["source_id"] for row in listed] == ["a.csv:7", "a.csv:8", "a.csv:9"]
    assert "a.csv:7: mixture" in invoke("info", out).stdout
    store = LibraryStore.open(str(out))
    wanted = {"source_id": ["salt"], "raw": ["CC[O-]"]}
    (found,) = [row for table in store.quarantine_with(wanted) for row in table.to_pylist()]
    assert (found["line"], found["source_id"]) == (8, None)


@pytest.mark.usefixtures("no_cluster")
def test_programs_are_told_the_same_as_json(inputs: Path, tmp_path: Path) -> None:
    built = invoke("build", inputs, "--out", tmp_path / "out", "--json")
    assert built.exit_code == 0, built.output
    told = json.loads(built.stdout)
    assert told["library"] == str(tmp_path / "out")
    assert (told["totals"]["read"], told["totals"]["kept"]) == (8, 4)
    known = json.loads(invoke("info", tmp_path / "out", "--json").stdout)
    assert known["totals"] == told["totals"]
    assert known["tautomers"]["n_groups"] == 1
    assert len(known["first_quarantined"]) == 3
    bundles = [name for each in known["coverage"] for name in each["bundles"]]
    assert sorted(bundles) == shipped_bundles()
    assert all(each["n_molecules"] == 4 for each in known["coverage"])


@pytest.mark.usefixtures("no_cluster")
def test_every_option_arrives(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text(
        "structure\tcas\tsmiles\nCC[O-]\t1\tx\n[Na+].[O-]C\t2\tx\nC[C@@H]([O])F\t3\tx\n"
    )
    built = invoke(
        *("build", path, "--out", tmp_path / "out", "--smiles-column", "structure"),
        *("--id-column", "cas", "--neutralise", "--mixtures", "largest", "--allow-charged"),
        *("--allow-radicals", "--max-atoms", 20, "--elements", "H,C,O F", "--enumerate-stereo", 3),
    )
    assert built.exit_code == 0, built.output
    library = LibraryStore.open(str(tmp_path / "out"))
    rows = library.read_range(0, 3).to_pylist()
    assert [row["smiles"] for row in rows] == ["CCO", "CO", "C[C@@H]([O])F"]
    assert [row["source_id"] for row in rows] == ["1", "2", "3"]
    assert library.manifest.settings == {
        "id_column": "cas",
        "smiles_column": "structure",
        "molecules": {
            "allow_charged": True,
            "allow_radicals": True,
            "elements": ["H", "C", "O", "F"],
            "enumerate_stereo": 3,
            "max_atoms": 20,
            "mixtures": "largest",
            "neutralise": True,
        },
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["build", "missing.smi", "--out", "out"], "there is no file missing.smi"),
        (["build", "a.csv", "--out", "out", "--elements", "C,Xx"], "--elements: .*Xx"),
        (["build", "a.csv", "--out", "out", "--smiles-column", "SMI"], "no column 'SMI'"),
        (
            ["build", "a.smi", "--out", "out", "--smiles-column", "SMI"],
            "no input has named columns",
        ),
        (
            ["build", "a.csv", "--out", "out", "--scheduler", "tcp://127.0.0.1:9"],
            "no Dask scheduler answers at tcp://127.0.0.1:9",
        ),
        (["info", "out"], "out holds no finished library"),
    ],
)
def test_mistakes_end_with_one_message_and_exit_code_2(
    arguments: list[str],
    message: str,
    inputs: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (inputs.parent / "a.smi").write_text("C\n")
    monkeypatch.chdir(inputs.parent)
    monkeypatch.setattr(factory, "CONNECT_SECONDS", 0.5)
    monkeypatch.setattr("sys.argv", ["screener", "library", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert re.search(message, capsys.readouterr().err)
    assert not Path("out").exists()


@pytest.mark.parametrize(("name", "content"), [("a.smi", "\n \n"), ("a.csv", "smiles,id\n")])
def test_no_cluster_is_started_for_nothing(
    name: str, content: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def connect(*_: object) -> None:
        raise AssertionError("a cluster is started")

    monkeypatch.setattr(factory, "connect", connect)
    (tmp_path / name).write_text(content)
    result = invoke("build", tmp_path / name, "--out", tmp_path / "out")
    assert isinstance(result.exception, ScreenerError)
    assert f"no molecule in {name}" in str(result.exception)


def test_mistakes_are_told_without_a_traceback(tmp_path: Path) -> None:
    result = invoke("build", tmp_path / "a.smi", "--out", tmp_path / "out")
    assert isinstance(result.exception, ScreenerError)


@pytest.mark.usefixtures("no_cluster")
def test_structures_are_compacted(inputs: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    invoke("build", inputs, "--out", out)
    empty = invoke("compact", out)
    assert isinstance(empty.exception, ConfigError)
    assert "holds no structures" in str(empty.exception)
    recipe = Recipe.from_drawing(StructureSettings())
    store = store_of(recipe, Folder(str(out / "structures")))
    write_about(recipe, store)
    texts = LibraryStore.open(str(out)).read_range(0, 4, ["mol_id"])["mol_id"].to_pylist()
    ids = mol_ids_of(texts)
    store.write(unit_of(ids), ids, [ATOM] * 4)
    done = invoke("compact", out)
    assert done.exit_code == 0, done.output
    assert f"{recipe.digest}: 4 molecules of 1 files in 1 groups" in done.stdout
    assert f"zarr: {store.folder.url}/compacted.zarr" in done.stdout
    assert unit_files(store) == []
    assert len(store.read(unit_of(ids)).outcomes) == 4
    again = invoke("compact", out / "structures")
    assert "0 molecules of 0 files" in again.stdout


@pytest.mark.usefixtures("no_cluster")
def test_structures_of_earlier_versions_are_converted(inputs: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    invoke("build", inputs, "--out", out)
    assert "no structures of earlier versions" in invoke("convert", out).stdout
    library = LibraryStore.open(str(out))
    usual = Recipe.from_drawing(StructureSettings.at("mmff94", 2))
    odd = Recipe.from_drawing(
        StructureSettings.at("gfn2-opt", settings={"gfn2-opt": {"max_steps": 9}})
    )
    for recipe in (usual, odd):
        folder = library.folder.child(f"structures/{former_digest(library.digest, recipe)}")
        write_former_unit(folder, "ab" * 16, [0, 1, 2, 3], [ATOM] * 4)
    shared = tmp_path / "shared"
    done = invoke("convert", out, "--structures", shared)
    assert f"1 files are {usual.digest} now" in done.stdout
    assert isinstance(done.exception, ConfigError)
    assert "name the campaigns that made them with --campaign" in str(done.exception)
    assert unit_files(store_of(usual, Folder(str(shared)))) == ["ab" * 16]
    assert not unit_files(store_of(odd, Folder(str(shared))))
