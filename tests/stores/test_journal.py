"""Lines come back once and in order, wherever the journal lies and however its writer ended."""

import json
from uuid import uuid4

import pytest

from screener.errors import StoreError
from screener.stores import journal
from screener.stores.files import Folder
from screener.stores.journal import Journal, JournalReader


def test_local_lines_are_there_at_once_and_read_once(tmp_path):
    folder = Folder(str(tmp_path))
    reader = JournalReader(folder)
    assert list(reader.new()) == []
    for session in (1, 2):
        writer = Journal(folder)
        for n in (1, 2):
            writer.append({"session": session, "n": n, "text": "5 Å"})
            assert list(reader.new()) == [{"session": session, "n": n, "text": "5 Å"}]
        writer.close()
    assert len((tmp_path / "log.jsonl").read_text().splitlines()) == 4
    assert len(list(JournalReader(folder).new())) == 4


def test_a_line_that_a_dead_writer_left_half_is_cut_off(tmp_path):
    folder = Folder(str(tmp_path))
    Journal(folder).append({"n": 1})
    reader = JournalReader(folder)
    with open(tmp_path / "log.jsonl", "a") as file:
        file.write('{"n": 2, "te')
    assert list(reader.new()) == [{"n": 1}]
    Journal(folder).append({"n": 3})
    assert list(reader.new()) == [{"n": 3}]
    lines = (tmp_path / "log.jsonl").read_text().splitlines()
    assert [json.loads(line)["n"] for line in lines] == [1, 3]


def test_a_file_that_holds_no_whole_line_starts_anew(tmp_path):
    (tmp_path / "log.jsonl").write_text('{"n"')
    Journal(Folder(str(tmp_path))).append({"n": 1})
    assert (tmp_path / "log.jsonl").read_text() == '{"n": 1}\n'


def test_what_is_no_json_is_passed_over(tmp_path):
    (tmp_path / "log.jsonl").write_text('{"n": 1}\nnonsense\n[2]\n{"n": 3}\n')
    assert list(JournalReader(Folder(str(tmp_path))).new()) == [{"n": 1}, {"n": 3}]


def test_an_object_store_gets_parts(monkeypatch):
    """Full parts are never written again, and each line is written a bounded number of times."""
    monkeypatch.setattr(journal, "PART_BYTES", 200)
    folder = Folder(f"memory://{uuid4().hex}")
    reader = JournalReader(folder)
    expected = []
    for session in range(2):
        writer = Journal(folder)
        for n in range(50):
            writer.append({"session": session, "n": n})
            expected.append({"session": session, "n": n})
            if n == 0:
                assert list(reader.new()) == expected[-1:]  # put at once
        found = list(reader.new())
        writer.close()
        found += list(reader.new())
        assert found == expected[-49:]
    names = folder.names("log", ".jsonl")
    sizes = [folder.size(f"log/{name}") for name in names]
    assert len(names) > 10
    assert max(sizes) < 200 + 30
    assert list(JournalReader(folder).new()) == expected
    folder.clear()


def test_lines_in_a_part_under_way_are_put_when_due(monkeypatch):
    folder = Folder(f"memory://{uuid4().hex}")
    writer, reader = Journal(folder), JournalReader(folder)
    writer.append({"n": 1})
    writer.append({"n": 2})
    assert list(reader.new()) == [{"n": 1}]  # half a minute is not over
    monkeypatch.setattr(journal, "PUT_SECONDS", 0.0)
    writer.put_what_is_due()
    assert list(reader.new()) == [{"n": 2}]
    folder.clear()


def test_a_journal_that_cannot_be_written_is_named(tmp_path):
    writer = Journal(Folder(str(tmp_path / "gone")))
    with pytest.raises(StoreError, match=r"cannot write .*log\.jsonl"):
        writer.append({"n": 1})


def test_what_a_store_does_not_take_is_kept(monkeypatch):
    folder = Folder(f"memory://{uuid4().hex}")
    writer, reader = Journal(folder), JournalReader(folder)
    monkeypatch.setattr(journal, "PUT_SECONDS", 0.0)

    def refuse(*_):
        raise StoreError("the store is down")

    with monkeypatch.context() as down:
        down.setattr(Folder, "write_bytes", refuse)
        writer.append({"n": 1})
        with pytest.raises(StoreError, match="down"):
            writer.close()
    writer.append({"n": 2})
    assert list(reader.new()) == [{"n": 1}, {"n": 2}]
    folder.clear()
