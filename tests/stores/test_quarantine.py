from screener.errors import MoleculeError
from screener.records import QuarantineRecord
from screener.stores.files import Folder
from screener.stores.quarantine import (
    QUARANTINE_SCHEMA,
    RAW_CHARACTERS,
    complete,
    quarantine_table,
    shortened,
)


def test_records_survive_the_disk_in_order() -> None:
    records = [
        QuarantineRecord(
            "library", "invalid_smiles", "not SMILES", "a.smi", 3, raw="C(\x00é", source_id="007"
        ),
        QuarantineRecord.from_error(
            MoleculeError("timed_out", "60 s"), "structures", row=2**40, mol_id="ab"
        ),
    ]
    folder = Folder("memory://quarantine")
    folder.write_table("q.parquet", quarantine_table(records))
    rows = folder.read_table("q.parquet").to_pylist()
    folder.remove("q.parquet")
    assert [QuarantineRecord(**row) for row in rows] == records


def test_no_records_keep_their_columns() -> None:
    table = quarantine_table([])
    assert table.num_rows == 0
    assert table.schema == QUARANTINE_SCHEMA


def test_a_table_of_an_earlier_version_has_no_ids() -> None:
    records = [QuarantineRecord("library", "mixture", "two", "a.smi", 3, source_id="A1")]
    table = complete(quarantine_table(records).drop_columns(["source_id"]))
    assert table.schema == QUARANTINE_SCHEMA
    assert table["source_id"].to_pylist() == [None]
    assert complete(quarantine_table(records))["source_id"].to_pylist() == ["A1"]


def test_a_text_that_is_cut_shows_it() -> None:
    assert shortened("C" * RAW_CHARACTERS) == "C" * RAW_CHARACTERS
    cut = shortened("C" * (RAW_CHARACTERS + 1))
    assert len(cut) == RAW_CHARACTERS
    assert cut.endswith("C…")
