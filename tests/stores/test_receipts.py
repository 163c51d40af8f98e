import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from screener.errors import SchemaError, StoreError
from screener.records import Receipt
from screener.stores.files import Folder
from screener.stores.receipts import Receipts


def receipt(unit: str, **changes: object) -> Receipt:
    values: dict[str, object] = {
        "stage": "structures",
        "counts": {"in": 32, "passed": 31, "quarantined": 1},
        "files": {},
        "seconds": 4.2,
        "details": {"rows": [3, 5, 8]},
    }
    return Receipt(unit, **{**values, **changes})  # type: ignore[arg-type]


@given(
    counts=st.dictionaries(st.text(), st.integers()),
    files=st.dictionaries(st.text(), st.text()),
    seconds=st.floats(min_value=0, allow_infinity=False),
)
def test_receipts_round_trip(counts: dict, files: dict, seconds: float) -> None:
    receipts = Receipts(Folder(f"memory://{uuid.uuid4().hex}"))
    written = receipt("ab12", counts=counts, files=files, seconds=seconds)
    assert receipts.publish(written) == written
    assert receipts.read("ab12") == written


def test_the_first_receipt_counts(tmp_path: Path) -> None:
    receipts = Receipts(Folder(str(tmp_path)))
    first, late = receipt("ab12", seconds=1.0), receipt("ab12", seconds=2.0)
    assert receipts.publish(first) == first
    assert receipts.publish(late) == first
    assert receipts.read("ab12") == first


def test_of_many_attempts_all_learn_which_counts(tmp_path: Path) -> None:
    receipts = Receipts(Folder(str(tmp_path)))
    together = threading.Barrier(6)

    def publish(i: int) -> Receipt:
        together.wait()
        return receipts.publish(receipt("ab12", seconds=float(i)))

    with ThreadPoolExecutor(6) as executor:
        assert len({outcome.seconds for outcome in executor.map(publish, range(6))}) == 1


def test_what_is_done_is_listed_in_order(tmp_path: Path) -> None:
    receipts = Receipts(Folder(str(tmp_path)), "receipts/mmff94")
    assert receipts.done() == set()
    for unit in ["cc", "aa", "bb"]:
        receipts.publish(receipt(unit))
    assert receipts.done() == {"aa", "bb", "cc"}
    assert [found.unit for found in receipts.all()] == ["aa", "bb", "cc"]


def test_missing_and_broken_receipts_are_errors(tmp_path: Path) -> None:
    folder = Folder(str(tmp_path))
    receipts = Receipts(folder)
    with pytest.raises(StoreError, match="ab12"):
        receipts.read("ab12")
    for broken in [b"{", b"[]", b'{"unit": "ab12"}']:
        folder.write_bytes("receipts/ab12.json", broken)
        with pytest.raises(SchemaError, match=r"ab12\.json is not a receipt.*delete it"):
            receipts.read("ab12")


def test_files_are_checked_against_their_receipt(tmp_path: Path) -> None:
    folder = Folder(str(tmp_path))
    receipts = Receipts(folder)
    good = receipt("ab12", files={"unit.zip": folder.write_bytes("unit.zip", b"positions")})
    receipts.verify(good)
    folder.write_bytes("unit.zip", b"Positions")
    with pytest.raises(StoreError, match=r"unit\.zip differs .* receipts/ab12\.json"):
        receipts.verify(good)
    folder.remove("unit.zip")
    with pytest.raises(StoreError, match=r"cannot read .*unit\.zip"):
        receipts.verify(good)
