from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from screener.errors import ConfigError
from screener.library.parquet_input import parquet_types
from screener.library.record_blocks import RecordRange, check_sources, join_ranges
from screener.library.settings import BuildSettings, Layout
from screener.library.sources import find_sources


def check(paths: list[Path], **settings: str) -> None:
    check_sources(find_sources([str(path) for path in paths]), BuildSettings(**settings))


@pytest.fixture
def inputs(tmp_path: Path) -> list[Path]:
    (tmp_path / "a.smi").write_text("CCO ethanol\n")
    (tmp_path / "b.csv").write_text("smiles,charge\nCC,1\nCCC,2\n")
    table = pa.table({"SMILES": ["CO"], "id": pa.array([7]), "mass": pa.array([1.5])})
    pq.write_table(table, tmp_path / "c.parquet")
    return [tmp_path / name for name in ("a.smi", "b.csv", "c.parquet")]


def test_types_of_parquet_columns(inputs: list[Path]) -> None:
    sources = find_sources([str(path) for path in inputs])
    assert parquet_types(sources, BuildSettings()) == {"mass": [pa.float64()]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (pa.table({"name": ["a"]}), "no column named smiles"),
        (pa.table({"smiles": [1]}), "'smiles' is int64, not text"),
        (pa.table({"smiles": []}), "a.parquet is empty: it has no rows"),
        (pa.table({"smiles": [["C"]]}), r"'smiles' is list<.*>, not text"),
        (pa.table({"smiles": ["C"], "id": [{"a": 1}]}), "'id' is struct<.*an id is a single"),
        (pa.table([["C"], [1], [2]], ["smiles", "a", "a"]), "2 columns .* are called 'a'"),
    ],
)
def test_parquet_that_is_no_input(content: pa.Table, message: str, tmp_path: Path) -> None:
    pq.write_table(content, tmp_path / "a.parquet")
    with pytest.raises(ConfigError, match=message):
        check([tmp_path / "a.parquet"])


@pytest.mark.parametrize("option", ["smiles_column", "id_column"])
def test_a_column_is_not_named_in_vain(option: str, inputs: list[Path]) -> None:
    smi, csv = inputs[:2]
    with pytest.raises(ConfigError, match=r"-column charge: no input has named .*a\.smi.*\.csv"):
        check([smi], **{option: "charge"})
    check([smi, csv], **{option: "charge"})  # the table has it


@pytest.mark.parametrize(
    ("name", "content"), [("a.smi", " \n\n"), ("a.csv", "smiles,id\n\n"), ("a.sdf", "\n")]
)
def test_inputs_without_a_record(name: str, content: str, inputs: list[Path]) -> None:
    path = inputs[0].parent / "empty" / name
    path.parent.mkdir()
    path.write_text(content)
    with pytest.raises(ConfigError, match=f"there is no molecule in {name}"):
        check([path])
    check([path, inputs[1]])


def test_a_file_that_is_not_parquet(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_text("smiles\nC\n")
    with pytest.raises(ConfigError, match=r"a.parquet cannot be read as Parquet"):
        check([tmp_path / "a.parquet"])


def test_neighbours_are_joined_up_to_the_size_of_a_block() -> None:
    pieces = [RecordRange(0, "", 10 * k, 10 * k + 10, 2 * k, 2) for k in range(5)]
    other = RecordRange(1, "", 0, 10, 0, 1)
    layout = Layout(first_block_rows=4, block_rows=4)
    assert list(join_ranges([*pieces, other], layout)) == [
        [RecordRange(0, "", 0, 20, 0, 4)],
        [RecordRange(0, "", 20, 40, 4, 4)],
        [RecordRange(0, "", 40, 50, 8, 2), other],
    ]
    narrow = Layout(first_block_rows=4, block_rows=4, block_bytes=15)
    assert [len(block) for block in join_ranges(pieces, narrow)] == [1] * 5
