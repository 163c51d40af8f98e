import gzip
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from screener.errors import ConfigError
from screener.library.settings import BuildSettings, Layout
from screener.library.sources import find_sources
from screener.library.spool import Block, BlockReader, check_sources, parquet_types

SMALL = Layout(first_block_rows=2, block_rows=8)


def blocks(paths: list[Path], layout: Layout = SMALL, **settings: str) -> list[Block]:
    sources = find_sources([str(path) for path in paths])
    build = BuildSettings(**settings)
    check_sources(sources, build)
    return list(BlockReader(sources, build, layout))


def table(found: list[Block]) -> pa.Table:
    return pa.concat_tables([block.records for block in found], promote_options="default")


@pytest.fixture
def inputs(tmp_path: Path) -> list[Path]:
    (tmp_path / "a.smi").write_text("CCO ethanol\n\nC(\n" + "C\n" * 17)
    (tmp_path / "b.csv").write_text("smiles,charge\nCC,1\nCCC,2\n")
    typed = pa.table(
        {
            "SMILES": pa.array(["CO", None, "CCO"]).dictionary_encode(),
            "id": pa.array([7, None, 9]),
            "mass": pa.array([1.5, 2.5, None]),
        }
    )
    pq.write_table(typed, tmp_path / "c.parquet")
    (tmp_path / "d.smi.gz").write_bytes(gzip.compress(b"N last\n"))
    return [tmp_path / name for name in ("a.smi", "b.csv", "c.parquet", "d.smi.gz")]


def test_all_records_of_all_inputs_in_order(inputs: list[Path]) -> None:
    found = blocks(inputs)
    assert [block.number for block in found] == list(range(len(found)))
    records = table(found)
    assert records["input_index"].to_pylist() == list(range(25))
    assert [block.start for block in found] == [
        block.records["input_index"][0].as_py() for block in found
    ]
    assert records["source"].to_pylist() == [0] * 19 + [1] * 2 + [2] * 3 + [3]
    assert records["line"].to_pylist()[-6:] == [2, 3, 1, 2, 3, 1]
    assert records["text"].to_pylist()[-6:] == ["CC", "CCC", "CO", "", "CCO", "N"]
    ids = records["source_id"].to_pylist()
    assert ids[:2] == ["ethanol", "a.smi:3"]
    assert ids[-4:] == ["7", "c.parquet:2", "9", "last"]
    assert records["own.input_charge"].to_pylist()[-7:] == [None, "1", "2", *[None] * 4]
    assert records["own.mass"].to_pylist()[-4:] == [1.5, 2.5, None, None]


def test_blocks_grow_and_are_bounded(tmp_path: Path) -> None:
    path = tmp_path / "a.smi"
    path.write_text("C\n" * 100)
    sizes = [block.records.num_rows for block in blocks([path])]
    assert sizes == [2] * 8 + [4] * 8 + [8] * 6 + [4]
    path.write_text("C" * 50 + "\n" + "C\n" * 3)
    bounded = blocks([path], Layout(block_characters=51))
    assert [block.records.num_rows for block in bounded] == [2, 2]


def test_records_do_not_depend_on_the_size_of_blocks(inputs: list[Path]) -> None:
    one, many = (table(blocks(inputs, layout)) for layout in (Layout(), SMALL))
    assert one.select(sorted(one.column_names)).equals(many.select(sorted(many.column_names)))


def test_types_of_parquet_columns(inputs: list[Path]) -> None:
    sources = find_sources([str(path) for path in inputs])
    assert parquet_types(sources, BuildSettings()) == {"mass": [pa.float64()]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (pa.table({"name": ["a"]}), "no column named smiles"),
        (pa.table({"smiles": [1]}), "'smiles' is int64, not text"),
        (pa.table({"smiles": []}), "a.parquet is empty: it has no rows"),
        (pa.table({"smiles": ["C"], "row": [1], "input_row": [1]}), "rename"),
    ],
)
def test_parquet_that_is_no_input(content: pa.Table, message: str, tmp_path: Path) -> None:
    pq.write_table(content, tmp_path / "a.parquet")
    with pytest.raises(ConfigError, match=message):
        blocks([tmp_path / "a.parquet"])


@pytest.mark.parametrize("option", ["smiles_column", "id_column"])
def test_a_column_is_not_named_in_vain(option: str, inputs: list[Path]) -> None:
    smi, csv = inputs[:2]
    with pytest.raises(ConfigError, match=r"-column charge: no input has named .*a\.smi.*\.csv"):
        blocks([smi, inputs[3]], **{option: "charge"})
    assert len(table(blocks([smi, csv], **{option: "charge"}))) == 21  # the table has it


def test_columns_of_a_smiles_file_do_not_depend_on_the_size_of_blocks(tmp_path: Path) -> None:
    path = tmp_path / "a.smi"
    path.write_text("".join(f"C\tname{k}" + "\tx" * (k // 3) + "\n" for k in range(9)))
    one, many = (table(blocks([path], layout)) for layout in (Layout(), SMALL))
    assert one.column_names[-2:] == ["own.column_3", "own.column_4"]
    assert one.equals(many)


@pytest.mark.parametrize(
    ("name", "content"), [("a.smi", " \n\n"), ("a.csv", "smiles,id\n\n"), ("a.sdf", "\n")]
)
def test_inputs_without_a_record(name: str, content: str, inputs: list[Path]) -> None:
    path = inputs[0].parent / "empty" / name
    path.parent.mkdir()
    path.write_text(content)
    with pytest.raises(ConfigError, match=f"there is no molecule in {name}"):
        blocks([path])
    assert len(table(blocks([path, inputs[1]]))) == 2


def test_a_file_that_is_not_parquet(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_text("smiles\nC\n")
    with pytest.raises(ConfigError, match=r"a.parquet cannot be read as Parquet"):
        blocks([tmp_path / "a.parquet"])
