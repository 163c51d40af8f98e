import gzip
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from block_reading import blocks_of, read_in_blocks
from hypothesis import given, settings
from hypothesis import strategies as st

from screener.errors import ConfigError
from screener.library.readers import BlankCount, read_records
from screener.library.settings import BuildSettings, Layout
from screener.library.sources import find_sources
from screener.library_build.cut_inputs import plan_spans

SMALL = Layout(
    span_bytes=16, span_rows=5, segment_bytes=11, first_block_rows=2, block_rows=8, block_bytes=4096
)
PACKINGS = {
    "": bytes,
    ".gz": gzip.compress,
    ".zst": zstandard.ZstdCompressor().compress,
}


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
    pq.write_table(typed, tmp_path / "c.parquet", row_group_size=2)
    (tmp_path / "d.smi.gz").write_bytes(gzip.compress(b"N last\n"))
    return [tmp_path / name for name in ("a.smi", "b.csv", "c.parquet", "d.smi.gz")]


def joined(blocks: list[pa.Table]) -> pa.Table:
    table = pa.concat_tables(blocks, promote_options="default")
    order = table["input_order"].to_pylist()
    assert order == sorted(set(order))
    return table.drop_columns("input_order")


def test_all_records_of_all_inputs_in_order(inputs: list[Path], tmp_path: Path) -> None:
    blocks, n_blank = read_in_blocks(inputs, tmp_path / "tmp", SMALL)
    assert [block["input_order"][0].as_py() >> 32 for block in blocks] == list(range(len(blocks)))
    records = joined(blocks)
    assert (records.num_rows, n_blank) == (25, 1)
    assert records["source"].to_pylist() == [0] * 19 + [1] * 2 + [2] * 3 + [3]
    assert records["line"].to_pylist()[:2] == [1, 3]
    assert records["line"].to_pylist()[-7:] == [20, 2, 3, 1, 2, 3, 1]
    assert records["text"].to_pylist()[-6:] == ["CC", "CCC", "CO", "", "CCO", "N"]
    ids = records["source_id"].to_pylist()
    assert ids[:2] == ["ethanol", "a.smi:3"]
    assert ids[-4:] == ["7", "c.parquet:2", "9", "last"]
    assert records["own.input_charge"].to_pylist()[-7:] == [None, "1", "2", *[None] * 4]
    assert records["own.mass"].to_pylist()[-4:] == [1.5, 2.5, None, None]


def test_records_do_not_depend_on_the_layout(inputs: list[Path], tmp_path: Path) -> None:
    one, many = (
        joined(read_in_blocks(inputs, tmp_path / name, layout)[0])
        for name, layout in (("one", Layout()), ("many", SMALL))
    )
    assert one.select(sorted(one.column_names)).equals(many.select(sorted(many.column_names)))


LINES = [
    "C,a",
    'CC,"b"',
    'CCC,"two\nlines"',
    'CCCC,"open',
    "",
    "CO,x,y,z",
    "C" * 30,
    "$$$$",
    "é",
    "C,a\rCC,b",
]


@given(
    lines=st.lists(st.sampled_from(LINES), max_size=30),
    ending=st.sampled_from([".smi", ".csv", ".sdf"]),
    packing=st.sampled_from(list(PACKINGS)),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "latin-1", "utf-16"]),
    newline=st.sampled_from(["\n", "\r\n", "\r"]),
)
@settings(deadline=None, max_examples=120)
def test_a_text_input_cut_into_blocks_has_the_records_of_the_whole(
    lines: list[str],
    ending: str,
    packing: str,
    encoding: str,
    newline: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("cut")
    path = folder / f"a{ending}{packing}"
    text = newline.join(["smiles,name", "C,first", *lines, "C,last"])
    path.write_bytes(PACKINGS[packing](text.encode(encoding)))
    blank = BlankCount()
    whole = list(read_records(find_sources([str(path)])[0], None, None, blank))
    blocks, n_blank = read_in_blocks([path], folder / "tmp", SMALL)
    records = joined(blocks)
    assert n_blank == blank.n
    assert records["line"].to_pylist() == [r.line for r in whole]
    assert records["text"].to_pylist() == [r.text for r in whole]
    expected: list[Any] = [r.error.message if r.error else None for r in whole]
    assert records["message"].to_pylist() == expected


def test_blocks_grow_and_are_bounded(tmp_path: Path) -> None:
    path = tmp_path / "a.smi"
    path.write_text("C\n" * 100)
    large_spans = Layout(first_block_rows=2, block_rows=8)
    blocks, _ = read_in_blocks([path], tmp_path / "one", large_spans)
    assert [block.num_rows for block in blocks] == [2] * 8 + [4] * 8 + [8] * 6 + [4]
    path.write_text("C" * 50 + "\n" + "C\n" * 3)
    blocks, _ = read_in_blocks([path], tmp_path / "two", Layout(block_bytes=51))
    assert [block.num_rows for block in blocks] == [1, 3]


def test_small_inputs_share_a_block_and_parquet_shares_none(
    inputs: list[Path], tmp_path: Path
) -> None:
    _, blocks = blocks_of(inputs, tmp_path / "tmp", Layout(), BuildSettings())
    assert [[each.source for each in block] for block in blocks] == [[0, 1], [2], [3]]


def test_only_what_cannot_be_read_by_ranges_is_copied(inputs: list[Path], tmp_path: Path) -> None:
    sources = find_sources([str(path) for path in inputs])
    (tmp_path / "wide.smi").write_bytes("C\n".encode("utf-16"))
    sources += find_sources([str(tmp_path / "wide.smi")])
    sizes: list[Any] = [type("File", (), {"bytes": 40}) for _ in sources]
    spans = [
        (span.position, span.way, span.start, span.stop)
        for span in plan_spans(sources, sizes, SMALL)
    ]
    assert spans == [
        *[(0, "ranges", start, min(start + 16, 40)) for start in (0, 16, 32)],
        (1, "ranges", 0, 40),
        (2, "parquet", 0, 2),
        (3, "copy", 0, 0),
        (4, "copy", 0, 0),
    ]
    read_in_blocks(inputs, tmp_path / "tmp", SMALL)
    copies = [path for path in (tmp_path / "tmp").rglob("*") if path.is_file()]
    kinds = {path.relative_to(tmp_path / "tmp").parts[0] for path in copies}
    assert kinds == {"receipts", "segments", "tables"}
    assert len([path for path in copies if "segments" in path.parts]) == 1
    assert len([path for path in copies if "tables" in path.parts]) == 2


def test_row_groups_are_cut_into_blocks(tmp_path: Path) -> None:
    smiles = ["C" * (1 + k % 7) for k in range(40)]
    pq.write_table(pa.table({"smiles": smiles}), tmp_path / "a.parquet", row_group_size=3)
    blocks, _ = read_in_blocks([tmp_path / "a.parquet"], tmp_path / "tmp", SMALL)
    records = joined(blocks)
    assert records["text"].to_pylist() == smiles
    assert records["line"].to_pylist() == list(range(1, 41))
    assert max(block.num_rows for block in blocks) <= 8


def test_columns_of_a_smiles_file_do_not_depend_on_the_size_of_blocks(tmp_path: Path) -> None:
    path = tmp_path / "a.smi"
    path.write_text("".join(f"C\tname{k}" + "\tx" * (k // 3) + "\n" for k in range(9)))
    one, many = (
        joined(read_in_blocks([path], tmp_path / name, layout)[0])
        for name, layout in (("one", Layout()), ("many", SMALL))
    )
    assert one.column_names[-2:] == ["own.column_3", "own.column_4"]
    assert one.equals(many)


def test_an_input_without_its_end_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.smi.gz"
    path.write_bytes(gzip.compress(b"C\n" * 9999)[:-9])
    with pytest.raises(ConfigError, match="end too early"):
        blocks_of([path], tmp_path / "tmp", Layout(), BuildSettings())
