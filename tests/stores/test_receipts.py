import pickle
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from screener.errors import DamagedError, SchemaError, StoreError
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
    files=st.dictionaries(st.from_regex(r"[a-z0-9]+(/[\w.-]+[a-z])?", fullmatch=True), st.text()),
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
    assert receipts.content(good, "unit.zip") == b"positions"
    for damaged in (b"Positions", b"posit", b""):
        folder.write_bytes("unit.zip", damaged)
        with pytest.raises(DamagedError, match=r"unit\.zip was cut off or changed") as caught:
            receipts.content(good, "unit.zip")
        assert caught.value.units == ("ab12",)
        again = pickle.loads(pickle.dumps(caught.value))  # as it comes from a worker
        assert (str(again), again.units) == (str(caught.value), ("ab12",))
    folder.remove("unit.zip")
    with pytest.raises(DamagedError, match=r"unit\.zip is lost"):
        receipts.content(good, "unit.zip")


UNITS = ("aa", "bb", "cc", "dd")


@given(order=st.permutations(UNITS), n_joined=st.integers(0, 4), n_late=st.integers(0, 4))
def test_joined_receipts_are_the_same_receipts(order, n_joined: int, n_late: int) -> None:
    receipts = Receipts(Folder(f"memory://{uuid.uuid4().hex}"))
    for i, unit in enumerate(order):
        receipts.publish(receipt(unit, seconds=float(i)))
    written = {each.unit: each for each in receipts.all()}
    if n_joined:
        receipts.compact("00000000", [written[unit] for unit in order[:n_joined]])
    assert [receipts.has(unit) for unit in order] == [i >= n_joined for i in range(4)]
    for unit in order[: min(n_late, n_joined)]:  # by attempts that nobody waits for any more
        receipts.publish(receipt(unit, seconds=99.0))
    assert receipts.done() == set(UNITS)
    assert {each.unit: each for each in receipts.all()} == written
    assert len(list(receipts.all())) == 4
    assert receipts.sweep() == min(n_late, n_joined)
    assert {each.unit: each for each in receipts.all()} == written


def test_who_asks_again_is_told_what_is_new(tmp_path: Path) -> None:
    receipts = Receipts(Folder(str(tmp_path)))
    seen: set[str] = set()

    def told() -> list[str]:
        return [each.unit for each in receipts.all(seen=seen)]

    for unit in ("aa", "bb"):
        receipts.publish(receipt(unit))
    assert (told(), told()) == (["aa", "bb"], [])
    receipts.publish(receipt("cc"))
    receipts.compact("00000000", [receipts.read(unit) for unit in ("aa", "bb", "cc")])
    receipts.publish(receipt("dd"))
    assert (told(), told()) == (["cc", "dd"], [])


def test_the_first_joined_file_counts(tmp_path: Path) -> None:
    receipts = Receipts(Folder(str(tmp_path)))
    receipts.compact("00000007", [receipt("aa", seconds=1.0)])
    receipts.compact("00000007", [receipt("aa", seconds=2.0)])
    assert receipts.compacted() == ["00000007"]
    assert [each.seconds for each in receipts.read_compacted("00000007")] == [1.0]


def test_a_reader_meets_every_receipt_while_they_are_joined(tmp_path: Path) -> None:
    receipts = Receipts(Folder(str(tmp_path)))
    names = [f"{i:04d}" for i in range(120)]
    for name in names:
        receipts.publish(receipt(name))
    finished = threading.Event()

    def join() -> None:
        for start in range(0, 120, 8):
            units = names[start : start + 8]
            receipts.compact(f"{start:08d}", [receipts.read(unit) for unit in units])
        finished.set()

    with ThreadPoolExecutor(1) as executor:
        joining = executor.submit(join)
        while True:
            last = finished.is_set()
            assert sorted(each.unit for each in receipts.all()) == names
            if last:
                break
        joining.result()


def test_receipts_told_before_they_were_joined_are_not_told_again(tmp_path: Path) -> None:
    receipts = Receipts(Folder(str(tmp_path)))
    for name in ("aa", "bb", "cc"):
        receipts.publish(receipt(name))
    reader = receipts.all()
    told = [next(reader).unit, next(reader).unit]
    receipts.compact("00000000", [receipts.read(unit) for unit in ("aa", "bb", "cc")])
    assert told + [each.unit for each in reader] == ["aa", "bb", "cc"]


def test_broken_receipts_stop_a_reader_and_are_forgotten_by_the_owner(tmp_path: Path) -> None:
    folder = Folder(str(tmp_path))
    receipts = Receipts(folder)
    receipts.compact("00000000", [receipt("aa"), receipt("bb")])
    receipts.compact("00000001", [receipt("cc")])
    receipts.publish(receipt("dd"))
    folder.write_bytes("receipts/ee.json", b'{"unit": "e')
    whole = folder.read_bytes("receipts/joined/00000000.jsonl.gz")
    for at in range(12, len(whole), 29):  # a flip in the header changes nothing
        damaged = bytearray(whole)
        damaged[at] ^= 0x10
        folder.write_bytes("receipts/joined/00000000.jsonl.gz", bytes(damaged))
        with pytest.raises(SchemaError):
            list(receipts.all())
    found = [each.unit for each in receipts.all(invalidate_broken=True)]
    assert found == ["cc", "dd"]
    assert receipts.done() == {"cc", "dd"}
