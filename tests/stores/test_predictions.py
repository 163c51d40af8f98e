"""Predictions come back as they were, and of several attempts at a unit the first one counts."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from screener.errors import SchemaError, StoreError
from screener.records import QuarantineRecord
from screener.stores.files import Folder
from screener.stores.predictions import PredictionStore


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
    store.receipts.verify(receipt)
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
    store.receipts.verify(first)


def test_what_no_receipt_names_is_swept(store):
    receipt = write(store, "u1", predictions([1]))
    store.folder.write_table("predictions/mmff94/u2.deadbeef.parquet", predictions([2]))
    store.folder.write_table("quarantine/mmff94/u2.deadbeef.parquet", predictions([2]))
    assert store.sweep(len(receipt.files)) == 2
    assert store.read(receipt).num_rows == 1
    assert store.sweep(len(receipt.files)) == 0


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
    with pytest.raises(StoreError, match=r"u1\..*parquet"):
        store.read(receipt)


def test_a_batch_comes_back_in_its_order(store):
    assert store.read_batch() is None
    rows = pa.table({"row": [7, 2], "mol_id": ["b", "a"], "score": [2.0, 1.0]})
    store.write_batch(rows)
    assert store.read_batch() == rows
