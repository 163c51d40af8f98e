import gzip
import importlib.util
import random
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from built_here import in_line, lazily
from distributed import Client
from hypothesis import given, settings
from hypothesis import strategies as st
from rdkit import Chem

from screener.chemistry.standardise import StandardiseSettings
from screener.cluster.factory import connect
from screener.cluster.settings import LocalSettings
from screener.errors import ConfigError, StoreError
from screener.execution.tasks import Completed, Task
from screener.library.settings import Layout
from screener.library_build import passes as build_passes
from screener.library_build.build import BuildProgress, build_library
from screener.stores.library import LibraryStore

DEFAULT = StandardiseSettings()
# several blocks, buckets, shards and parts from a few dozen molecules
SMALL = Layout(
    first_block_rows=4,
    block_rows=16,
    span_bytes=64,
    span_rows=8,
    segment_bytes=50,
    bucket_rows=8,
    shard_rows=10,
    row_group_rows=4,
    blocks_per_part=2,
)

SOLVENTS = """SMILES,name,price,charge
COC(=O)OC,dimethyl carbonate,1.5,x
O=C1OCCO1,ethylene carbonate,,y
O(C)C(=O)OC,DMC again,2,
CC1COC(=O)O1,propylene carbonate,3,z
C(,broken,,
[Na+].[Cl-],salt,4,
C1COCO1,"1,3-dioxolane",5,w
O=C1OCC(F)O1,FEC,6,
CC#N,acetonitrile,7,
C1CCOC1,THF,8,
O1CCCC1,THF again,9,
"""
OTHERS = "CCO ethanol\nCC#N acetonitrile again\nC[Se]C selenide\nCCCO\n\nCC(=O)C acetone\n"


def backwards(_: Any, tasks: Iterable[Task]) -> Iterator[Completed]:
    """Carries tasks out here, the last first."""
    for task in reversed(list(tasks)):
        yield Completed(task, task.function(*task.arguments))


@pytest.fixture
def no_cluster(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setattr(build_passes, "run_tasks", lazily)
    monkeypatch.setattr(build_passes, "isolated_map", in_line)
    return monkeypatch


def build(
    inputs: Sequence[Path],
    out: Path,
    client: Any = None,
    standard: StandardiseSettings = DEFAULT,
    layout: Layout = SMALL,
    **options: Any,
) -> LibraryStore:
    names = [str(path) for path in inputs]
    return build_library(names, str(out), standard, client, layout=layout, **options)


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def all_rows(library: LibraryStore) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = library.read_range(0, library.n_rows).to_pylist()
    return rows


def rows(tables: Iterable[pa.Table]) -> list[dict[str, Any]]:
    return [row for table in tables for row in table.to_pylist()]


@pytest.fixture
def inputs(tmp_path: Path) -> list[Path]:
    (tmp_path / "solvents.csv").write_text(SOLVENTS)
    (tmp_path / "others.smi.gz").write_bytes(gzip.compress(OTHERS.encode()))
    return [tmp_path / "solvents.csv", tmp_path / "others.smi.gz"]


@pytest.mark.usefixtures("no_cluster")
def test_everything_has_its_place(inputs: list[Path], tmp_path: Path) -> None:
    library = build(inputs, tmp_path / "out")
    kept = all_rows(library)
    assert [row["row"] for row in kept] == list(range(10))
    assert [row["source_id"] for row in kept] == [
        "dimethyl carbonate",
        "ethylene carbonate",
        "propylene carbonate",
        "1,3-dioxolane",
        "FEC",
        "acetonitrile",
        "THF",
        "ethanol",
        "others.smi.gz:4",
        "acetone",
    ]
    assert [row["smiles_input"] for row in kept[:3]] == ["COC(=O)OC", "O=C1OCCO1", "CC1COC(=O)O1"]
    assert [row["n_undefined_stereo"] for row in kept] == [0, 0, 1, 0, 1, 0, 0, 0, 0, 0]
    assert [row["price"] for row in kept] == [1.5, None, 3, 5, 6, 7, 8, None, None, None]
    assert [row["input_charge"] for row in kept[:4]] == ["x", "y", "z", "w"]
    assert [
        tuple(row[name] for name in ("mol_id", "source_id", "source", "line"))
        for row in rows(library.duplicates())
    ] == [
        (kept[0]["mol_id"], "DMC again", "solvents.csv", 4),
        (kept[6]["mol_id"], "THF again", "solvents.csv", 12),
        (kept[5]["mol_id"], "acetonitrile again", "others.smi.gz", 2),
    ]
    assert [
        (row["smiles_input"], row["kept_source"], row["kept_line"])
        for row in rows(library.duplicates())
    ] == [
        ("O(C)C(=O)OC", "solvents.csv", 2),
        ("O1CCCC1", "solvents.csv", 11),
        ("CC#N", "solvents.csv", 10),
    ]
    assert [
        (row["code"], row["source"], row["line"], row["raw"]) for row in rows(library.quarantine())
    ] == [
        ("invalid_smiles", "solvents.csv", 6, "C("),
        ("mixture", "solvents.csv", 7, "[Na+].[Cl-]"),
        ("element_not_allowed", "others.smi.gz", 3, "C[Se]C"),
    ]
    totals = library.manifest.totals
    assert (totals.read, totals.kept, totals.duplicates, totals.quarantined) == (16, 10, 3, 3)
    assert (totals.blank, totals.isomers_added, totals.undefined_stereo) == (1, 0, 2)
    assert totals.quarantined_by_code == {
        "element_not_allowed": 1,
        "invalid_smiles": 1,
        "mixture": 1,
    }
    assert totals.n_heavy == {3: 2, 4: 2, 5: 2, 6: 2, 7: 2}
    assert totals.elements == {"C": 10, "F": 1, "H": 10, "N": 1, "O": 9}
    assert [file.name for file in library.manifest.inputs] == ["solvents.csv", "others.smi.gz"]
    assert not (tmp_path / "out" / "tmp").exists()


def test_bytes_do_not_depend_on_workers_blocks_or_order(
    inputs: list[Path], tmp_path: Path, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(inputs, tmp_path / "three", client)
    with connect(LocalSettings(workers=1)) as one_worker:
        build(inputs, tmp_path / "one", one_worker)
    monkeypatch.setattr(build_passes, "run_tasks", backwards)
    monkeypatch.setattr(build_passes, "isolated_map", in_line)
    build(inputs, tmp_path / "backwards")
    assert contents(tmp_path / "one") == contents(tmp_path / "three")
    assert contents(tmp_path / "one") == contents(tmp_path / "backwards")
    other_blocks = Layout(shard_rows=10, row_group_rows=4)
    build(inputs, tmp_path / "blocks", layout=other_blocks)
    shards = {
        name: data
        for name, data in contents(tmp_path / "one").items()
        if name.startswith("shards/")
    }
    assert shards.items() <= contents(tmp_path / "blocks").items()


@pytest.mark.usefixtures("no_cluster")
def test_ten_atom_orders_give_equal_bytes(tmp_path: Path) -> None:
    glucose = Chem.MolFromSmiles("OCC1OC(O)C(O)C(O)C1O")
    shards = set()
    for seed in range(10):
        order = random.Random(seed).sample(range(12), 12)
        path = tmp_path / f"{seed}" / "sugar.sdf"
        path.parent.mkdir()
        path.write_text(f"{Chem.MolToMolBlock(Chem.RenumberAtoms(glucose, order))}$$$$\n")
        library = build([path], path.parent / "out")
        assert library.read_range(0, 1)["n_undefined_stereo"].to_pylist() == [5]
        shards.add(contents(path.parent / "out")["shards/000/part-00000000.parquet"])
    assert len(shards) == 1


class Killed(Exception):
    """Ends a build where it stands."""


@pytest.mark.parametrize("survived", [1, 4, 6, 9])
def test_a_killed_build_goes_on(
    survived: int, inputs: list[Path], tmp_path: Path, no_cluster: pytest.MonkeyPatch
) -> None:
    build(inputs, tmp_path / "whole")
    ran: list[str] = []

    def run(_: Any, tasks: Iterable[Task]) -> Iterator[Completed]:
        for task in tasks:
            if len(ran) == survived:
                raise Killed
            ran.append(task.name)
            yield Completed(task, task.function(*task.arguments))

    no_cluster.setattr(build_passes, "run_tasks", run)
    with pytest.raises(Killed):
        build(inputs, tmp_path / "out")
    with pytest.raises(StoreError, match="run the same `screener library build` again"):
        LibraryStore.open(str(tmp_path / "out"))
    again: list[str] = []

    def note(_: Any, tasks: Iterable[Task]) -> Iterator[Completed]:
        for task in tasks:
            again.append(task.name)
            yield Completed(task, task.function(*task.arguments))

    no_cluster.setattr(build_passes, "run_tasks", note)
    build(inputs, tmp_path / "out")
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")
    assert not set(ran) & set(again)


def test_a_complete_library_is_left_alone(
    inputs: list[Path], tmp_path: Path, no_cluster: pytest.MonkeyPatch
) -> None:
    first = build(inputs, tmp_path / "out")
    before = contents(tmp_path / "out")

    def refuse(_: Any, tasks: Iterable[Task]) -> Iterator[Completed]:
        raise AssertionError("nothing is to be done")

    no_cluster.setattr(build_passes, "run_tasks", refuse)
    assert build(inputs, tmp_path / "out").digest == first.digest
    assert contents(tmp_path / "out") == before


@pytest.mark.parametrize("finished", [True, False])
def test_another_build_in_the_same_folder_is_refused(
    finished: bool, inputs: list[Path], tmp_path: Path, no_cluster: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    if finished:
        build(inputs, out)
    else:

        def kill(_: Any, tasks: Iterable[Task]) -> Iterator[Completed]:
            raise Killed

        no_cluster.setattr(build_passes, "run_tasks", kill)
        with pytest.raises(Killed):
            build(inputs, out)
        no_cluster.setattr(build_passes, "run_tasks", lazily)
    before = contents(out)
    with pytest.raises(ConfigError, match=r"settings\.molecules\.max_atoms: there 100, now 50"):
        build(inputs, out, standard=StandardiseSettings(max_atoms=50))
    inputs[0].write_text(SOLVENTS + "CCCCO,butanol,1,\n")
    with pytest.raises(ConfigError, match=r"inputs\[0\].bytes"):
        build(inputs, out)
    with pytest.raises(ConfigError, match=r"inputs: there \S+ \([\d,]+ bytes\), \S+ \("):
        build(inputs[1:], out)
    assert {k: v for k, v in contents(out).items() if "leases" not in k} == {
        k: v for k, v in before.items() if "leases" not in k
    }


@pytest.mark.usefixtures("no_cluster")
@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.smi", b"", "a.smi is empty"),
        ("a.smi", b"\n\n", "no molecule in a.smi"),
        ("a.smi", b"C(\nC.C\nC)\n", r"none of 3 .*invalid_smiles: 2, mixture: 1.*a.smi line 1"),
        ("a.csv", b"structure\nC\n", r"--smiles-column"),
        ("a.smi.gz", gzip.compress(b"C\n" * 99, mtime=0)[:-12], "end too early"),
        ("a.mol", b"C", "unknown format"),
    ],
)
def test_bad_input_leaves_nothing(name: str, content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigError, match=message):
        build([tmp_path / name], tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("no_cluster")
def test_folders_that_are_not_free(inputs: list[Path], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(ConfigError, match="is a file"):
        build(inputs, tmp_path / "file")
    with pytest.raises(ConfigError, match="cannot be written"):
        build(inputs, tmp_path / "file" / "below")
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "notes.txt").write_text("x")
    with pytest.raises(ConfigError, match="holds other files"):
        build(inputs, tmp_path / "used")
    assert contents(tmp_path / "used") == {"notes.txt": b"x"}
    (tmp_path / "empty").mkdir()
    assert build(inputs, tmp_path / "empty").n_rows == 10


@pytest.mark.usefixtures("no_cluster")
def test_all_formats_and_a_remote_folder(tmp_path: Path) -> None:
    table = pa.table({"smiles": ["CO", "CCO"], "tags": [["a"], ["b", "c"]], "row": [5, 6]})
    pq.write_table(table, tmp_path / "a.parquet")
    block = Chem.MolToMolBlock(Chem.MolFromSmiles("CCC"))
    (tmp_path / "b.sdf").write_text(f"{block}> <tags>\nx\n\n$$$$\n")
    with pytest.raises(ConfigError, match="column 'tags' has the types"):
        build([tmp_path / "a.parquet", tmp_path / "b.sdf"], tmp_path / "out")
    assert not (tmp_path / "out").exists()
    (tmp_path / "b.sdf").write_text(f"{block}> <row>\n7\n\n$$$$\n")
    library = build_library(
        [str(tmp_path / "a.parquet"), str(tmp_path / "b.sdf")],
        "memory://remote-library",
        DEFAULT,
        None,  # type: ignore[arg-type]  # no cluster
        layout=SMALL,
    )
    assert [(r["smiles"], r["tags"], r["input_row"]) for r in all_rows(library)] == [
        ("CO", ["a"], 5),
        ("CCO", ["b", "c"], 6),
        ("CCC", None, 7),
    ]
    library.folder.clear()


@pytest.mark.usefixtures("no_cluster")
def test_columns_of_a_smiles_file_travel_along(tmp_path: Path) -> None:
    (tmp_path / "a.smi").write_text("CCO\tx\t3.2\tred\nCC\nC\ty\t4\n")
    expected = [("CCO", "x", 3.2, "red"), ("CC", "a.smi:2", None, None), ("C", "y", 4, None)]
    for name, layout in (("one", Layout()), ("many", Layout(first_block_rows=1))):
        kept = all_rows(build([tmp_path / "a.smi"], tmp_path / name, layout=layout))
        names = ("smiles", "source_id", "column_3", "column_4")
        assert [tuple(row[name] for name in names) for row in kept] == expected


@pytest.mark.usefixtures("no_cluster")
def test_an_unclosed_quote_takes_no_molecule_with_it(tmp_path: Path) -> None:
    good = [f"{'C' * (k % 40 + 1)},{k}" for k in range(200)]
    lines = ["smiles,name", *good[:70], 'CCO,"x', *good[70:]]
    (tmp_path / "a.csv").write_text("\n".join(lines) + "\n")
    found = []
    for name, layout in (("one", Layout()), ("many", SMALL)):
        library = build([tmp_path / "a.csv"], tmp_path / name, DEFAULT, layout=layout)
        assert library.manifest.totals.read == 201
        aside = rows(library.quarantine())
        assert [
            (row["source"], row["line"], row["raw"])
            for row in aside
            if row["code"] == "invalid_csv"
        ] == [("a.csv", 72, 'CCO,"x')]
        found.append((all_rows(library), rows(library.duplicates()), aside))
    assert found[0] == found[1]


@pytest.mark.usefixtures("no_cluster")
def test_isomers_are_counted_apart(tmp_path: Path) -> None:
    (tmp_path / "a.smi").write_text("CC(F)O\nC[C@H](F)O\nCCC(F)O\n")
    library = build(
        [tmp_path / "a.smi"], tmp_path / "out", standard=StandardiseSettings(enumerate_stereo=2)
    )
    totals = library.manifest.totals
    assert (totals.read, totals.isomers_added, totals.kept, totals.duplicates) == (3, 2, 4, 1)


@pytest.mark.usefixtures("no_cluster")
def test_progress_counts_up(inputs: list[Path], tmp_path: Path) -> None:
    seen: list[BuildProgress] = []
    build(inputs, tmp_path / "out", progress=seen.append)
    assert [now.phase for now in seen] == sorted(
        (now.phase for now in seen), key=["read", "standardise", "deduplicate", "write"].index
    )
    assert (seen[-1].read, seen[-1].quarantined) == (16, 3)
    assert seen[-1].done == seen[-1].total


GOOD = ["C", "CC", "OCC", "C1CCOC1", "CC1COC(=O)O1", "N#CC"]
BAD = ["C(", "C[Se]C", "C.C", "[CH3]", "CC[O-]", "\x00", "é", "C" * 40]


@given(
    lines=st.lists(st.sampled_from([*GOOD, *BAD, ""]), max_size=40),
    shard_rows=st.integers(1, 5),
    bucket_rows=st.sampled_from([4, 1000]),
)
@settings(max_examples=12)
def test_the_accounts_add_up(
    lines: list[str],
    shard_rows: int,
    bucket_rows: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("accounts")
    (folder / "a.smi").write_text("".join(f"{line}\n" for line in ["CO", *lines]))
    layout = Layout(
        span_bytes=12,
        first_block_rows=3,
        block_rows=5,
        bucket_rows=bucket_rows,
        shard_rows=shard_rows,
        blocks_per_part=2,
    )
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(build_passes, "run_tasks", backwards)
        patched.setattr(build_passes, "isolated_map", in_line)
        library = build([folder / "a.smi"], folder / "out", layout=layout)
    totals = library.manifest.totals
    good = ["CO", *(line for line in lines if line in GOOD)]
    expected = list(dict.fromkeys(good))
    assert [row["smiles_input"] for row in all_rows(library)] == expected
    assert len(rows(library.duplicates())) == totals.duplicates == len(good) - len(expected)
    bad = [line for line in lines if line in BAD]
    assert [row["raw"] for row in rows(library.quarantine())] == bad
    assert totals.quarantined == len(bad)
    assert totals.blank == lines.count("")
    assert totals.read == len(lines) + 1 - totals.blank
    assert totals.read == totals.kept + totals.duplicates + totals.quarantined


def test_qm9_on_a_cluster(tmp_path: Path, client: Client) -> None:
    spec = importlib.util.find_spec("qm9pack")
    if spec is None or spec.submodule_search_locations is None:
        pytest.skip("needs the qm9 extra")
    whole = Path(spec.submodule_search_locations[0]) / "data" / "qm9_part2.csv"
    with open(whole) as file:
        head = "".join(line for line, _ in zip(file, range(301), strict=False))
    (tmp_path / "qm9.csv").write_text(head)
    library = build(
        [tmp_path / "qm9.csv"], tmp_path / "out", client, layout=Layout(), id_column="Index"
    )
    totals = library.manifest.totals
    assert (totals.read, totals.quarantined) == (300, 0)
    assert library.read_range(0, 2, ["source_id", "Dipole_debye"]).num_rows == 2
    assert dict(library.manifest.columns)["Dipole_debye"] == "double"
    ids = library.read_range(0, library.n_rows, ["mol_id"])["mol_id"].to_pylist()
    assert len(set(ids)) == library.n_rows
