"""What happened is told, wherever the campaign lies."""

import json
from uuid import uuid4

import pytest

from screener.campaign.provenance import EventLog, versions
from screener.errors import StoreError
from screener.stores.files import Folder


def test_local_events_are_appended_at_once(tmp_path):
    for value in (1, 2):
        events = EventLog(Folder(str(tmp_path)))
        events.write("unit", n=value)
        assert len((tmp_path / "log.jsonl").read_text().splitlines()) == value
        events.close()
    assert [
        json.loads(line)["n"] for line in (tmp_path / "log.jsonl").read_text().splitlines()
    ] == [
        1,
        2,
    ]


def test_an_object_store_gets_one_file_per_session():
    folder = Folder(f"memory://{uuid4().hex}")
    events = EventLog(folder)
    events.write("started")
    events.write("unit", n=1)
    events.close()
    (name,) = folder.names("log", ".jsonl")
    lines = folder.read_bytes(f"log/{name}").decode().splitlines()
    assert [json.loads(line)["event"] for line in lines] == ["started", "unit"]
    folder.remove("")


def test_a_log_that_cannot_be_written_is_named(tmp_path):
    events = EventLog(Folder(str(tmp_path / "gone")))
    with pytest.raises(StoreError, match=r"cannot write .*log\.jsonl"):
        events.write("started")


def test_versions_are_of_what_is_installed():
    found = versions()
    assert found["rdkit"][0].isdigit()
    assert set(found) >= {"python", "screener", "torch", "tblite", "dask", "zarr"}
