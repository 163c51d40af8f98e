from screener.errors import MoleculeError
from screener.records import QuarantineRecord
from screener.stores.files import Folder
from screener.stores.quarantine import QUARANTINE_SCHEMA, quarantine_table


def test_records_survive_the_disk_in_order() -> None:
    records = [
        QuarantineRecord("library", "invalid_smiles", "not SMILES", "a.smi", 3, raw="C(\x00é"),
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
