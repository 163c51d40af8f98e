"""Predictions come back as they were, and of several attempts at a unit the first one counts."""

import os

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from screener.errors import DamagedError, SchemaError
from screener.records import QuarantineRecord
from screener.stores.files import Folder
from screener.stores.joined import JoinedTable, write_joined
from screener.stores.predictions import PredictionStore
from screener.stores.row_groups import RowGroups

UNITS = ("u1", "u2", "u3")


def predictions(rows, value=1.5):
    return pa.table(
        {
            "row": pa.array(rows, pa.int64()),
            "mol_id": [f"{row:032x}" for row in rows],
            "inchikey": ["KMTRUDSVKNLOMY-UHFFFAOYSA-N"] * len(rows),
            "smiles": ["O=C1OCCO1"] * len(rows),
            "source_id": [f"m{row}" for row in rows],
            "homo_b3lyp_ev": pa.array([value] * len(rows), pa.float64()),
        }
    )


def quarantined(rows, code="embedding_failed"):
    return [
        QuarantineRecord("structures", code, "no", row=row, mol_id=f"{row:032x}") for row in rows
    ]


def write(store, unit, table, quarantine=()):
    counts = {"in": table.num_rows + len(quarantine), "quarantined": len(quarantine)}
    return store.write_unit(unit, table, quarantine, counts=counts, seconds=0.1, details={})


@pytest.fixture
def store(tmp_path):
    return PredictionStore(Folder(str(tmp_path)), "mmff94")


@pytest.mark.parametrize("compacted", [False, True])
def test_some_columns_of_a_segment_are_read_without_the_others(store, monkeypatch, compacted):
    tables = [predictions([1, 2], 1.0), predictions([], 2.0), predictions([7], 3.0)]
    asides = [quarantined([3]), quarantined([4]), []]
    for unit, table, aside in zip(UNITS, tables, asides, strict=True):
        write(store, unit, table, aside)
    if compacted:
        assert store.compact("s", UNITS) == ()
    read = []
    inner = RowGroups.read

    def noted(file, groups, columns):
        read.append(list(columns))
        return inner(file, groups, columns)

    monkeypatch.setattr(RowGroups, "read", noted)
    parts = list(store.columns("s", UNITS))
    assert [part.units for part in parts] == ([UNITS] if compacted else [(u,) for u in UNITS])
    assert all(part.names == predictions([]).column_names for part in parts)
    table = pa.concat_tables(part.read(["homo_b3lyp_ev", "row"]) for part in parts)
    assert table.to_pydict() == {"homo_b3lyp_ev": [1.0, 1.0, 3.0], "row": [1, 2, 7]}
    assert {tuple(columns) for columns in read} == {("homo_b3lyp_ev", "row")}


def test_columns_of_a_users_table_are_joined_and_old_names_are_those_of_now(store):
    old = predictions([1, 2]).append_column("eox_gfn2_v_li", pa.array([4.0, 5.0]))
    write(store, "u1", old)
    key = "inchikey"
    prices = pa.table({key: ["KMTRUDSVKNLOMY-UHFFFAOYSA-N"], "price": [2.5]})
    write_joined(store.folder, "d", prices)
    with_prices = PredictionStore(store.folder, "mmff94", JoinedTable(store.folder, "d", key))
    (part,) = with_prices.columns("s", ["u1"])
    assert part.names[-2:] == ["eox_uncorrected_gfn2_v_li", "price"]
    table = part.read(["price", "eox_uncorrected_gfn2_v_li"])
    assert table.to_pydict() == {"price": [2.5, 2.5], "eox_uncorrected_gfn2_v_li": [4.0, 5.0]}


def test_a_file_that_is_lost_or_broken_is_named_with_its_units(store):
    receipt = write(store, "u1", predictions([1, 2]))
    (path,) = receipt.files
    (part,) = store.columns("s", ["u1"])
    data = bytearray(store.folder.read_bytes(path))
    data[4:40] = bytes(36)
    store.folder.write_bytes(path, bytes(data))
    with pytest.raises(DamagedError, match="is lost or broken") as caught:
        part.read(["row"])
    assert caught.value.units == ("u1",)
    store.folder.remove(path)
    with pytest.raises(DamagedError, match="is lost or broken"):
        list(store.columns("s", ["u1"]))


@given(
    rows=st.sets(st.integers(0, 2**62), max_size=20),
    n_quarantined=st.integers(0, 20),
    value=st.floats(),
)
def test_a_unit_comes_back_exactly(tmp_path_factory, rows, n_quarantined, value):
    store = PredictionStore(Folder(str(tmp_path_factory.mktemp("campaign"))), "mmff94")
    kept, aside = sorted(rows)[n_quarantined:], sorted(rows)[:n_quarantined]
    receipt = write(store, "u1", predictions(kept, value), quarantined(aside))
    assert store.receipts.read("u1") == receipt
    # NaN equals itself here: bytes are compared
    assert (
        store.read(receipt).combine_chunks().to_pydict().keys()
        == predictions([]).to_pydict().keys()
    )
    assert store.read(receipt)["row"].to_pylist() == kept
    assert store.read(receipt, ["homo_b3lyp_ev"]).num_columns == 1
    assert str(store.read(receipt)["homo_b3lyp_ev"].to_pylist()) == str([value] * len(kept))
    assert [row for table in store.quarantine() for row in table["row"].to_pylist()] == aside


def test_the_first_receipt_wins_and_later_files_go(store):
    first = write(store, "u1", predictions([1, 2], 1.0), quarantined([3]))
    late = write(store, "u1", predictions([1, 2, 3], 1.0))
    same = write(store, "u1", predictions([1, 2], 1.0), quarantined([3]))
    assert late == first
    assert same == first
    assert store.read(first).num_rows == 2
    assert len(store.folder.names("predictions/mmff94")) == 1


def test_what_no_receipt_names_is_swept(store):
    receipt = write(store, "u1", predictions([1]))
    store.folder.write_table("predictions/mmff94/u2.deadbeef.parquet", predictions([2]))
    store.folder.write_table("quarantine/mmff94/u2.deadbeef.parquet", predictions([2]))
    assert store.sweep() == 2
    assert store.read(receipt).num_rows == 1
    assert store.sweep() == 0


def test_lost_rows_and_missing_columns_are_refused(store):
    with pytest.raises(SchemaError, match="a row is lost or doubled"):
        store.write_unit("u", predictions([1]), [], counts={"in": 2}, seconds=0.0, details={})
    with pytest.raises(SchemaError, match="lack the columns mol_id"):
        write(store, "u", predictions([1]).drop_columns("mol_id"))
    assert store.receipts.done() == set()


def test_a_missing_file_is_named(store):
    receipt = write(store, "u1", predictions([1]))
    (path,) = receipt.files
    store.folder.remove(path)
    with pytest.raises(DamagedError, match=r"u1\..*parquet is lost"):
        store.read(receipt)


def three_units(store):
    return [
        write(store, "u1", predictions([1, 2], 1.0), quarantined([3])),
        write(store, "u2", predictions([4], 2.0)),
        write(store, "u3", predictions([]), quarantined([5, 6], "timed_out")),
    ]


def rows_aside(store):
    return [row for table in store.quarantine() for row in table.to_pylist()]


def as_text(stored):
    quarantine = None if stored.quarantine is None else stored.quarantine.to_pylist()
    return stored.receipt.unit, stored.receipt.counts, stored.predictions.to_pylist(), quarantine


def n_files(store):
    return sum(len(files) for _, _, files in os.walk(store.folder.local_path()))


def test_joined_units_are_the_same_units(store):
    three_units(store)
    alone = [as_text(unit) for unit in store.stored(("00000000", name) for name in UNITS)]
    aside = rows_aside(store)
    assert n_files(store) == 8
    assert store.compact("00000000", UNITS) == ()
    assert n_files(store) == 3
    write(store, "u4", predictions([7]))
    places = [("00000000", "u3"), ("00000001", "u4"), ("00000000", "u1"), ("00000000", "u2")]
    found = {unit.receipt.unit: as_text(unit) for unit in store.stored(places)}
    assert [found[name] for name in UNITS] == alone
    assert found["u4"][2] == predictions([7]).to_pylist()
    assert rows_aside(store) == aside
    for receipt in store.receipts.all():
        _, _, kept, quarantine = found[receipt.unit]
        assert store.read(receipt)["row"].to_pylist() == [row["row"] for row in kept]
        assert (store.read_quarantine(receipt) is None) == (quarantine is None)
    assert store.sweep() == 0
    assert n_files(store) == 5


def test_joining_again_finishes_what_an_attempt_left(store):
    """Whatever it had come to when it died, and with the units of a late attempt about."""
    three_units(store)
    before = {path: path.read_bytes() for path in files(store)}
    store.compact("00000000", UNITS)
    joined = {path: path.read_bytes() for path in files(store)}
    for n_left in range(len(before) + 1):
        for path in sorted(before)[:n_left]:
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(before[path])
        assert store.compact("00000000", UNITS) == ()
        store.sweep()
        assert {path: path.read_bytes() for path in files(store)} == joined


def files(store):
    return [path for path in store.folder.local_path().rglob("*") if path.is_file()]


def test_a_damaged_unit_is_named_before_it_is_joined(store):
    first, second, third = three_units(store)
    flip(store, next(iter(second.files)))
    flip(store, next(path for path in third.files if path.startswith("quarantine")))
    store.folder.write_bytes("receipts/mmff94/u1.json", b"{")
    assert store.compact("00000000", UNITS) == UNITS
    assert store.receipts.done() == set()
    assert three_units(store) == [first, second, third]
    assert store.compact("00000000", UNITS) == ()
    assert [as_text(unit)[0] for unit in store.stored(("00000000", u) for u in UNITS)] == [*UNITS]


def test_damage_to_a_joined_file_has_its_units_done_again(store):
    three_units(store)
    write(store, "u4", predictions([7]))
    store.compact("00000000", UNITS)
    (name,) = (n for n in store.folder.names("predictions/mmff94") if n.startswith("0000"))
    flip(store, f"predictions/mmff94/{name}")
    with pytest.raises(DamagedError, match=name) as caught:
        list(store.stored([("00000001", "u4"), ("00000000", "u2")]))
    store.invalidate(caught.value)
    assert store.receipts.done() == {"u4"}


def flip(store, path):
    data = bytearray(store.folder.read_bytes(path))
    data[len(data) // 2] ^= 1
    store.folder.write_bytes(path, bytes(data))


def test_a_batch_comes_back_in_its_order(store):
    assert store.read_batch() is None
    rows = pa.table({"row": [7, 2], "mol_id": ["b", "a"], "score": [2.0, 1.0]})
    store.write_batch(rows)
    assert store.read_batch() == rows


def test_columns_of_former_names_come_back_by_those_of_now(store):
    table = predictions([1, 2]).append_column("eox_gfn2_v_li", pa.array([11.0, 12.0]))
    receipt = write(store, "u1", table)
    assert store.read(receipt, ["eox_uncorrected_gfn2_v_li"]).to_pydict() == {
        "eox_uncorrected_gfn2_v_li": [11.0, 12.0]
    }
    kept = next(iter(store.stored([("", "u1")])))
    assert "eox_uncorrected_gfn2_v_li" in kept.predictions.column_names
