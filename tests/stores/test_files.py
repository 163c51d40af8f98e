import json
import os
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from screener import waiting
from screener.errors import StoreError
from screener.stores import files
from screener.stores.files import Folder, digest, from_parquet, to_json, to_parquet


@pytest.fixture(params=["local", "memory"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Folder:
    if request.param == "local":
        return Folder(str(tmp_path / "library"))
    return Folder(f"memory://{uuid.uuid4().hex}/library")


def test_bytes_come_back_and_are_replaced_whole(folder: Folder) -> None:
    first = folder.write_bytes("shards/part-00000000.parquet", b"first, and longer")
    second = folder.write_bytes("shards/part-00000000.parquet", b"second")
    assert folder.read_bytes("shards/part-00000000.parquet") == b"second"
    assert first != second
    assert len(second) == 64
    assert folder.exists("shards/part-00000000.parquet")
    assert not folder.exists("shards/part-00000001.parquet")


def test_a_missing_file_is_an_error_that_names_it(folder: Folder) -> None:
    with pytest.raises(StoreError, match=r"manifest\.json"):
        folder.read_bytes("manifest.json")
    with pytest.raises(StoreError, match=r"manifest\.json"):
        folder.read_json("manifest.json")
    with pytest.raises(StoreError, match=r"manifest\.parquet"):
        folder.read_table("manifest.parquet")


def test_broken_files_are_errors_that_name_them(folder: Folder) -> None:
    folder.write_bytes("manifest.json", b'{"rows": 12')
    folder.write_bytes("manifest.parquet", b"PAR1 and no more")
    with pytest.raises(StoreError, match=r"manifest\.json is not valid JSON"):
        folder.read_json("manifest.json")
    with pytest.raises(StoreError, match=r"manifest\.parquet is not valid Parquet"):
        folder.read_table("manifest.parquet")


def test_what_exists_is_not_created_again(folder: Folder) -> None:
    assert folder.create_bytes("receipts/unit.json", b"first")
    assert not folder.create_bytes("receipts/unit.json", b"late")
    assert folder.read_bytes("receipts/unit.json") == b"first"


def test_of_many_threads_one_creates(tmp_path: Path) -> None:
    folder = Folder(str(tmp_path))
    together = threading.Barrier(8)

    def create(i: int) -> bool:
        together.wait()
        return folder.create_bytes("receipts/unit.json", b"%d" % i)

    with ThreadPoolExecutor(8) as executor:
        created = list(executor.map(create, range(8)))
    assert sum(created) == 1
    assert folder.read_bytes("receipts/unit.json") == b"%d" % created.index(True)
    assert folder.names("receipts") == ["unit.json"]


CREATE = """
import json, sys
from screener.stores.files import Folder
folder, me = Folder(sys.argv[1]), sys.argv[2].encode()
print(json.dumps([folder.create_bytes(f"{unit}.json", me) for unit in range(50)]))
"""


def test_of_many_processes_one_creates(tmp_path: Path) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", CREATE, str(tmp_path), str(i)], stdout=subprocess.PIPE
        )
        for i in range(3)
    ]
    created = [json.loads(process.communicate(timeout=60)[0]) for process in processes]
    for unit in range(50):
        winners = [i for i in range(3) if created[i][unit]]
        assert len(winners) == 1
        assert (tmp_path / f"{unit}.json").read_bytes() == b"%d" % winners[0]


def test_a_crash_while_writing_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Folder(str(tmp_path))
    folder.write_bytes("manifest.json", b"old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(StoreError, match=r"cannot write .*manifest\.json: .*No space left"):
        folder.write_bytes("manifest.json", b"new")
    with pytest.raises(StoreError, match="No space left"):
        folder.create_bytes("unit.json", b"new")
    assert folder.read_bytes("manifest.json") == b"old"
    assert os.listdir(tmp_path) == ["manifest.json"]


def test_half_written_files_are_not_listed(tmp_path: Path) -> None:
    folder = Folder(str(tmp_path))
    folder.write_bytes("shards/a.parquet", b"1")
    (tmp_path / "shards" / "b.parquet.0123.partial").write_bytes(b"half")
    assert folder.names("shards") == ["a.parquet"]


def test_names_are_sorted_direct_files_with_the_suffix(folder: Folder) -> None:
    assert folder.names("receipts") == []
    for path in ["receipts/b.json", "receipts/a.json", "receipts/c.txt", "receipts/d/e.json"]:
        folder.write_bytes(path, b"")
    assert folder.names("receipts", ".json") == ["a.json", "b.json"]
    assert folder.names("receipts") == ["a.json", "b.json", "c.txt"]


def test_children_and_removal(folder: Folder) -> None:
    child = folder.child("structures/abc")
    child.write_bytes("receipts/a.json", b"1")
    assert folder.read_bytes("structures/abc/receipts/a.json") == b"1"
    child.remove("receipts/a.json")
    child.remove("receipts/a.json")
    assert not child.exists("receipts/a.json")
    child.write_bytes("receipts/a.json", b"2")
    folder.remove("structures")
    assert not child.exists("receipts/a.json")


OUTSIDE = ["../victim", "a/../../victim", "/etc/passwd", "..", "..\\victim", "file:///victim", "a/"]


@pytest.mark.parametrize("path", OUTSIDE)
def test_no_method_takes_a_path_that_leads_out(folder: Folder, path: str) -> None:
    calls: list[Callable[[], object]] = [
        lambda: folder.read_bytes(path),
        lambda: folder.size(path),
        lambda: folder.exists(path),
        lambda: folder.names(path),
        lambda: folder.write_bytes(path, b""),
        lambda: folder.create_bytes(path, b""),
        lambda: folder.remove(path),
        lambda: folder.child(path),
        lambda: folder.read_json(path),
        lambda: folder.write_table(path, pa.table({})),
    ]
    if folder.is_local:
        calls.append(lambda: folder.local_path(path))
    else:  # of a local folder it is known without looking
        calls.append(lambda: folder.creates_only_new(path, b""))
    for call in calls:
        with pytest.raises(StoreError, match="is no path below"):
            call()


def test_removing_takes_a_name_and_clearing_takes_all(folder: Folder) -> None:
    folder.write_bytes("a/b.json", b"1")
    with pytest.raises(StoreError, match="has no name"):
        folder.remove("")
    assert folder.exists("a/b.json")
    folder.clear()
    assert not folder.exists()
    folder.clear()


def test_links_that_lead_out_are_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious.json").write_text("{}")
    folder = Folder(str(tmp_path / "root"))
    folder.write_bytes("inside/a.json", b"1")
    (tmp_path / "root" / "out").symlink_to(outside)
    (tmp_path / "root" / "one.json").symlink_to(outside / "precious.json")
    for call in (
        lambda: folder.read_bytes("out/precious.json"),
        lambda: folder.read_bytes("one.json"),
        lambda: folder.write_bytes("out/new.json", b""),
        lambda: folder.write_bytes("one.json", b""),
        lambda: folder.create_bytes("out/new.json", b""),
        lambda: folder.names("out"),
        lambda: folder.remove("out"),
        lambda: folder.remove("out/precious.json"),
        lambda: folder.child("out/deeper"),
        lambda: folder.local_path("out"),
    ):
        with pytest.raises(StoreError, match=r"(out|one\.json) is a link that leads out of .*root"):
            call()
    assert [path.name for path in outside.iterdir()] == ["precious.json"]
    assert (outside / "precious.json").read_text() == "{}"


def test_removing_a_folder_removes_links_in_it_and_not_what_they_lead_to(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "precious.json").write_text("{}")
    folder = Folder(str(tmp_path / "root"))
    folder.write_bytes("old/a.json", b"1")
    (tmp_path / "root" / "old" / "out").symlink_to(tmp_path / "outside")
    folder.write_bytes("kept/b.json", b"2")
    (tmp_path / "root" / "alias").symlink_to("kept")
    folder.remove("old")
    folder.remove("alias")
    assert sorted(path.name for path in (tmp_path / "root").iterdir()) == ["kept"]
    assert folder.read_bytes("kept/b.json") == b"2"
    assert (tmp_path / "outside" / "precious.json").read_text() == "{}"


def test_the_root_may_be_a_link_and_links_inside_may_lead_inside(tmp_path: Path) -> None:
    (tmp_path / "scratch").mkdir()
    (tmp_path / "library").symlink_to(tmp_path / "scratch")
    folder = Folder(str(tmp_path / "library"))
    folder.write_bytes("shards/a.parquet", b"1")
    (tmp_path / "scratch" / "alias").symlink_to("shards")
    assert folder.read_bytes("alias/a.parquet") == b"1"
    assert folder.child("shards").read_bytes("a.parquet") == b"1"
    folder.write_bytes("alias/b.parquet", b"2")
    assert folder.names("shards") == ["a.parquet", "b.parquet"]


def test_only_local_folders_have_local_paths(tmp_path: Path) -> None:
    assert Folder(str(tmp_path)).local_path("a/b") == tmp_path / "a/b"
    with pytest.raises(StoreError, match="not a local folder"):
        Folder("memory://library").local_path()


def test_an_unwritable_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot write"):
        Folder(str(tmp_path / "file" / "library")).write_bytes("manifest.json", b"")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(value=json_values)
def test_json_round_trips(value: object) -> None:
    folder = Folder(f"memory://{uuid.uuid4().hex}")
    folder.write_json("value.json", value)
    assert folder.read_json("value.json") == value


@given(keys=st.lists(st.text(), min_size=2, unique=True), data=st.data())
def test_digests_see_values_and_not_the_order_of_keys(keys: list[str], data: st.DataObject) -> None:
    value = {key: index for index, key in enumerate(keys)}
    shuffled = {key: value[key] for key in data.draw(st.permutations(keys))}
    assert to_json(value) == to_json(shuffled)
    assert digest(value) == digest(shuffled)
    assert digest(value) != digest({**value, keys[0]: -1})


@given(
    rows=st.lists(st.integers(min_value=0, max_value=2**62), max_size=50),
    values=st.lists(st.none() | st.floats(), max_size=50),
)
def test_tables_round_trip_and_equal_tables_give_equal_bytes(
    rows: list[int], values: list[float | None]
) -> None:
    n = min(len(rows), len(values))
    columns = {
        "row": pa.array(rows[:n], pa.int64()),
        "gap_b3lyp_ev": pa.array(values[:n], pa.float64()),
    }
    table = pa.table(columns)
    folder = Folder(f"memory://{uuid.uuid4().hex}")
    folder.write_table("part.parquet", table)
    back = folder.read_table("part.parquet")
    assert back.schema == table.schema
    assert to_parquet(back) == to_parquet(table) == to_parquet(pa.table(columns))
    assert folder.read_table("part.parquet", ["row"]).column_names == ["row"]


def test_tables_are_read_without_threads_that_outlive_the_interpreter():
    script = (
        "import os\n"
        "import pyarrow as pa\n"
        "from screener.stores.files import from_parquet, to_parquet\n"
        "data = to_parquet(pa.table({'a': range(1000), 'b': ['x'] * 1000}), 100)\n"
        "before = os.listdir('/proc/self/task')\n"
        "assert from_parquet(data, ['b', 'a']).column_names == ['b', 'a']\n"
        "assert os.listdir('/proc/self/task') == before\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_a_column_that_is_not_there_is_missed():
    data = to_parquet(pa.table({"a": [1, 2], "b": ["x", "y"]}))
    assert from_parquet(data, ["b"]).to_pydict() == {"b": ["x", "y"]}
    with pytest.raises(KeyError, match="c"):
        from_parquet(data, ["a", "c"])


def test_a_store_that_is_slow_is_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(waiting, "FIRST_SECONDS", 0.05)
    monkeypatch.setattr(waiting, "LOOK_SECONDS", 0.01)
    folder = Folder("memory://slow")
    folder.write_bytes("a", b"1")
    read = type(folder._filesystem).cat_file

    def slowly(*arguments: Any, **options: Any) -> Any:
        time.sleep(0.2)
        return read(*arguments, **options)

    monkeypatch.setattr(type(folder._filesystem), "cat_file", slowly)
    assert folder.read_bytes("a") == b"1"
    folder.clear()
    assert "waiting for the store to read memory://slow/a since " in caplog.text
    assert "goes on by itself" in caplog.text
