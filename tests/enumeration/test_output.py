import gzip

import pyarrow as pa
import pytest

from screener.enumeration.output import ENDINGS, require_new, writing
from screener.enumeration.stream import SCHEMA
from screener.errors import ConfigError
from screener.library.readers import BlankCount, read_records
from screener.library.sources import find_sources
from screener.stores.files import from_parquet

ROWS = [
    {"smiles": "COC(=O)OC", "id": "c01", "family": "linear carbonate",
     "scaffold": "O=C(O[*:1])O[*:2]", "parts": "[*]C [*]C"},
    {"smiles": r"F/C=C\F", "id": "c02", "family": "a, b", "scaffold": "s", "parts": ""},
]  # fmt: skip


def write(path):
    with writing(str(path), SCHEMA) as file:
        for row in ROWS:
            file.write(pa.Table.from_pylist([row], SCHEMA))
    return path.read_bytes()


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_library_reads_what_is_written(tmp_path, ending):
    path = tmp_path / f"out{ending}"
    data = write(path)
    assert write(tmp_path / f"again{ending}") == data
    if ending == ".parquet":
        assert from_parquet(data).to_pylist() == ROWS
        return
    (source,) = find_sources([str(path)])
    records = list(read_records(source, None, None, BlankCount()))
    assert [(r.text, r.source_id) for r in records] == [(r["smiles"], r["id"]) for r in ROWS]
    assert [next(iter(r.own.values())) for r in records] == [r["family"] for r in ROWS]
    assert all(record.error is None for record in records)


def test_nothing_is_left_of_a_run_that_failed(tmp_path):
    def fails():
        with writing(str(tmp_path / "a.smi.gz"), SCHEMA) as file:
            file.write(pa.Table.from_pylist(ROWS, SCHEMA))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    assert list(tmp_path.iterdir()) == []


def test_a_url_is_written_whole():
    with writing("memory://enumerated/a.smi.gz", SCHEMA) as file:
        file.write(pa.Table.from_pylist(ROWS, SCHEMA))
    with pytest.raises(ConfigError, match="is there already"):
        require_new("memory://enumerated/a.smi.gz")
    (source,) = find_sources(["memory://enumerated/a.smi.gz"])
    assert len(list(read_records(source, None, None, BlankCount()))) == 2


def test_what_cannot_be_written_is_told_before(tmp_path):
    (tmp_path / "there.smi").write_bytes(gzip.compress(b""))
    for name, message in (
        ("a.sdf", "has to end in"),
        ("there.smi", "is there already"),
        ("no/a.smi", "no such folder"),
    ):
        with pytest.raises(ConfigError, match=message):
            require_new(str(tmp_path / name))
