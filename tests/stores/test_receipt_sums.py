"""Sums of receipts: the same as the receipts themselves, whatever was told before."""

import uuid
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from screener.records import Receipt
from screener.stores.files import Folder
from screener.stores.receipt_sums import ReceiptSums, sums_of, write_sums
from screener.stores.receipts import Receipts


def receipt(number: int) -> Receipt:
    n_bad = number % 3
    return Receipt(
        f"u{number:04d}",
        "mmff94",
        {"in": 8, "candidates": 8 - n_bad, "quarantined": n_bad},
        {},
        1.0,
        {"quarantine": {"embedding_failed": n_bad} if n_bad else {}, "finished": 100.0 + number},
    )


def segments(receipts: Receipts, n: int, size: int) -> None:
    for start in range(0, n, size):
        receipts.compact(f"{start:08d}", [receipt(k) for k in range(start, start + size)])
        write_sums(receipts, f"{start:08d}")


def together(told: list[ReceiptSums]) -> tuple[Counter, Counter, list[str], list[float]]:
    counts, quarantine = Counter(), Counter()
    for each in told:
        counts.update(each.counts)
        quarantine.update(each.quarantine)
    units = sorted(unit for each in told for unit in each.units)
    return counts, quarantine, units, sorted(time for each in told for time in each.finished)


def in_full(n: int) -> tuple[Counter, Counter, list[str], list[float]]:
    return together([ReceiptSums.of([receipt(k) for k in range(n)])])


@settings(max_examples=30)
@given(
    n_small=st.integers(0, 6),
    without=st.sets(st.integers(0, 3)),
    looks=st.lists(st.integers(0, 3), max_size=3),
)
def test_sums_are_those_of_all_receipts_whenever_somebody_looked(n_small, without, looks):
    """Segments of four units are compacted one after the other, some with sums and some without,
    and somebody looks in between; units beyond them are not compacted."""
    receipts = Receipts(Folder(f"memory://{uuid.uuid4().hex}"))
    for number in range(16 + n_small):
        receipts.publish(receipt(number))
    seen: set[str] = set()
    told: list[ReceiptSums] = []
    for segment in range(4):
        told += list(sums_of(receipts, seen)) if segment in looks else []
        name = f"{segment:08d}"
        receipts.compact(name, [receipt(k) for k in range(4 * segment, 4 * segment + 4)])
        if segment not in without:
            write_sums(receipts, name)
    told += list(sums_of(receipts, seen))
    assert together(told) == in_full(16 + n_small)
    assert list(sums_of(receipts, seen)) == []


def test_who_has_sums_reads_no_receipt(monkeypatch):
    receipts = Receipts(Folder(f"memory://{uuid.uuid4().hex}"))
    segments(receipts, 32, 8)
    monkeypatch.setattr(Receipts, "read_compacted", None)
    assert together(list(sums_of(receipts, set()))) == in_full(32)


@pytest.mark.parametrize("broken", [b"", b"[]", b'{"units": ["u0000"]}', b"not json"])
def test_broken_sums_are_passed_over(broken):
    receipts = Receipts(Folder(f"memory://{uuid.uuid4().hex}"))
    segments(receipts, 8, 4)
    receipts.folder.write_bytes(receipts.beside("00000000"), broken)
    assert together(list(sums_of(receipts, set()))) == in_full(8)


def test_units_that_are_done_again_lose_their_sums():
    receipts = Receipts(Folder(f"memory://{uuid.uuid4().hex}"))
    segments(receipts, 8, 4)
    receipts.invalidate_compacted("00000004")
    assert receipts.compacted() == ["00000000"]
    assert not receipts.folder.exists(receipts.beside("00000004"))
    assert together(list(sums_of(receipts, set()))) == in_full(4)


def test_receipts_of_other_kinds_have_none():
    receipts = Receipts(Folder(f"memory://{uuid.uuid4().hex}"))
    receipts.compact("00000000", [Receipt("u1", "structures", {"in": 1}, {}, 1.0)])
    write_sums(receipts, "00000000")
    assert not receipts.folder.exists(receipts.beside("00000000"))
