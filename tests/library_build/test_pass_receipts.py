import json
from pathlib import Path

import pytest

from screener.errors import SchemaError
from screener.library_build import receipts as module
from screener.library_build import storage_keys
from screener.library_build.receipts import PassReceipts, earlier_receipt, receipts_of
from screener.library_build.storage_keys import library_key, storage_key, task_name
from screener.records import Receipt
from screener.stores.files import Folder


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    for each in (storage_keys, module):
        monkeypatch.setattr(each, "PER_FOLDER", 3)
    return Folder(str(tmp_path))


def publish(temporary: Folder, number: int) -> Receipt:
    receipt = Receipt(task_name("block", number), "block", {"in": number}, {}, 0.5)
    return receipts_of(temporary, "block", number).publish(receipt)


def test_files_are_spread_over_folders() -> None:
    assert storage_key("keys", 999) == "keys/000/00000999"
    assert storage_key("tables", 7, 12345, suffix=".parquet") == (
        "tables/000/00000007/012/00012345.parquet"
    )
    assert library_key("shards", 1000) == "shards/001/part-00001000.parquet"


def test_receipts_are_joined_once_all_of_a_folder_are_there(temporary: Folder) -> None:
    first = PassReceipts(temporary, "block", 8)
    assert [first.done(number) for number in range(8)] == [None] * 8
    for number in (4, 0, 7, 2, 6, 1):
        first.add(number, publish(temporary, number))
    assert temporary.names("receipts/block", ".json") == ["000.json", "002.json"]
    for number in (0, 1, 2, 6, 7):  # those that are joined are not looked at any more
        temporary.remove(f"receipts/block/{number // 3:03d}/block-{number:08d}.json")
    again = PassReceipts(temporary, "block", 8)
    done = [again.done(number) for number in range(8)]
    assert [each and each.counts["in"] for each in done] == [0, 1, 2, None, 4, None, 6, 7]
    for number in (3, 5):
        again.add(number, publish(temporary, number))
    assert temporary.names("receipts/block", ".json") == ["000.json", "001.json", "002.json"]


def test_an_attempt_that_was_thought_lost_is_found(temporary: Folder) -> None:
    assert earlier_receipt(temporary, "block", 5) is None
    receipt = publish(temporary, 5)
    assert earlier_receipt(temporary, "block", 5) == receipt


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ([], "some are missing"),
        ([{"unit": "x"}], "missing 4 required"),
        ("no list", "must be a mapping"),
    ],
)
def test_joined_receipts_that_are_broken_are_told(
    values: object, problem: str, temporary: Folder
) -> None:
    temporary.write_bytes("receipts/block/000.json", json.dumps(values).encode())
    with pytest.raises(SchemaError, match=rf"000\.json holds no receipts .*{problem}"):
        PassReceipts(temporary, "block", 2).done(0)
