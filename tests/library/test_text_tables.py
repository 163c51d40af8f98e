"""What spreadsheets and data frames write, read as a whole and as an input of a library."""

import gzip
import io
import struct
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
import zstandard
from block_reading import read_in_blocks

from screener.errors import ConfigError
from screener.library.settings import Layout
from screener.library.whole_tables import read_whole

NAMES = ["smiles", "name", "price"]
ROWS = [["CCO", "Äthanol, rein", "1.10"], ["CC#N", 'so "called"', ""], ["C", "a;b\tc", "007"]]
FRAME = pd.DataFrame(ROWS, columns=NAMES)


def lines(separator: str = ",", end: str = "\n", after: str = "") -> str:
    text = io.StringIO()
    FRAME.to_csv(text, index=False, sep=separator, lineterminator=after + end)
    return text.getvalue()


def with_frame(**options: object) -> bytes:
    data = io.BytesIO()
    FRAME.to_csv(data, **options)  # type: ignore[call-overload]  # any options
    return data.getvalue()


def of_arrow(**options: object) -> bytes:
    sink = io.BytesIO()
    table = pa.Table.from_pandas(FRAME, preserve_index=False)
    pyarrow.csv.write_csv(table, sink, pyarrow.csv.WriteOptions(**options))  # type: ignore[arg-type]
    return sink.getvalue()


def long_window(data: bytes) -> bytes:
    """A Zstandard frame with a window of 2 GiB, as `zstd --long=31` writes, of one raw block."""
    window = (31 - 10) << 3
    block = struct.pack("<I", 1 | len(data) << 3)[:3]
    return struct.pack("<IBB", 0xFD2FB528, 0, window) + block + data


WRITTEN = {
    "pandas.csv": with_frame(index=False),
    "pandas.tsv": with_frame(index=False, sep="\t"),
    "tabs.csv": with_frame(index=False, sep="\t"),
    "semicolons.csv": with_frame(index=False, sep=";"),
    "semicolons.tsv": with_frame(index=False, sep=";"),
    "text.txt.csv": with_frame(index=False, quoting=1),
    "utf-8-sig.csv": with_frame(index=False, encoding="utf-8-sig"),
    "utf-16.csv": with_frame(index=False, encoding="utf-16"),
    "utf-16-le.csv": with_frame(index=False, encoding="utf-16-le"),
    "utf-16-be.csv": with_frame(index=False, encoding="utf-16-be"),
    "utf-32.csv": with_frame(index=False, encoding="utf-32"),
    "excel-unicode-text.tsv": lines("\t", "\r\n").encode("utf-16"),
    "excel.csv": lines(";", "\r\n").encode("cp1252"),
    "excel-mac.csv": lines(";", "\r").encode("cp1252"),
    "excel-sep.csv": ("sep=;\r\n" + lines(";", "\r\n")).encode("utf-8-sig"),
    "excel-sep-tab.csv": ("sep=\t\r\n" + lines("\t", "\r\n")).encode("utf-16"),
    "excel-sep-saved-again.csv": ('"sep=|",,\n\n' + lines("|")).encode(),
    "excel-empty-columns.csv": lines(";", "\r\n", after=";;").encode(),
    "excel-empty-rows.csv": (lines(";", "\r\n") + ";;\r\n \r\n;;\r\n").encode(),
    "empty-lines-before.csv": ("\n,,\n" + lines()).encode(),
    "cells-beyond.csv": lines().replace("1.10", "1.10,,,").encode(),
    "index.csv": with_frame(),
    "index-quoted.csv": with_frame(quoting=1, sep=";"),
    "arrow.csv": of_arrow(),
    "arrow-all-quoted.csv": of_arrow(quoting_style="all_valid", delimiter=";"),
    "packed.csv.gz": gzip.compress(with_frame(index=False)),
    "packed.csv.zst": zstandard.compress(with_frame(index=False)),
    "long-window.csv.zst": long_window(with_frame(index=False)),
}


@pytest.mark.parametrize("name", list(WRITTEN))
def test_what_programs_write_is_read(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(WRITTEN[name])
    table, is_text = read_whole(str(path))
    assert is_text
    assert table.select(NAMES).to_pylist() == FRAME.to_dict("records")
    assert table.column_names == (["unnamed_1", *NAMES] if name.startswith("index") else NAMES)
    blocks, _ = read_in_blocks(
        [path], tmp_path / "tmp", Layout(first_block_rows=1, block_rows=1, segment_bytes=11)
    )
    rows = [row for block in blocks for row in block.to_pylist()]
    assert [row["message"] for row in rows] == [None] * 3
    assert [row["text"] for row in rows] == FRAME["smiles"].tolist()
    assert [row["source_id"] for row in rows] == FRAME["name"].tolist()
    assert [row["own.price"] or "" for row in rows] == FRAME["price"].tolist()


def test_columns_that_are_asked_for_show_the_separator(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("drawing,old (a;b;c;d),energy\nCCO,x,1\nC,y,2\n")
    table, _ = read_whole(str(path), ["energy"])
    assert table.to_pydict() == {"energy": ["1", "2"]}
    with pytest.raises(ConfigError, match="has no column gap; it has drawing, old"):
        read_whole(str(path), ["energy", "gap"])


def test_a_name_without_an_ending_is_told_by_its_content(tmp_path: Path) -> None:
    pq.write_table(pa.table({"inchikey": ["x"], "price": [1]}), tmp_path / "a")
    (tmp_path / "b.prices").write_text("inchikey;price\nx;1\n")
    assert read_whole(str(tmp_path / "a"), ["price"])[0].to_pydict() == {"price": [1]}
    assert read_whole(str(tmp_path / "b.prices"))[0].column_names == ["inchikey", "price"]


def test_text_for_spreadsheets_comes_back_and_cells_of_several_lines_stay(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"smiles,'=note,,\r\nC,'=1+1\r\nCC,\"two\r\nlines\",,,\r\nCCC,'tis\r\n")
    table, _ = read_whole(str(path))
    assert table.column_names == ["smiles", "=note"]
    assert table["=note"].to_pylist() == ["=1+1", "two\nlines", "'tis"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"smiles,name\nC,x\nCC,\x81\n", "line 3: byte 4 of line 3 is 0x81.*save .*UTF-8"),
        ("a.csv", b"smiles,name\nC,x,y\n", "line 2: 3 fields, but 2 columns.*commas in quotes"),
        ("a.csv", b"sep=|\nsmiles|name\nC|x|y\n", "line 3: 3 fields.*'|' in quotes"),
        ("a.csv", b'smiles,name\nC,"x\n', "line 2: it opens a quote that is not closed"),
        ("a.csv", b"smiles,name,name\nC,x,y\n", r"2 columns \(2, 3\) are called 'name'"),
        ("a.csv", b"sep=;\n\n", "no line that names its columns"),
        ("a.csv", b"", "no line that names its columns"),
        (
            "a.csv",
            gzip.compress(b"smiles\nC\n", mtime=0),
            "packed with gzip; let its name end in .gz",
        ),
        ("a.csv", zstandard.compress(b"smiles"), "packed with Zstandard; .* end in .zst"),
        ("a.csv", b"PK\x03\x04.....", "no text, but a workbook or a zip archive; save .* CSV"),
        ("a.xlsx", b"PK\x03\x04.....", "no text, but a workbook"),
        ("a.csv", b"PAR1\x15\x00....", "no text, but Parquet; let its name end in .parquet"),
        ("a.csv.gz", b"smiles\nC\n", "compressed data are broken"),
        ("a.parquet", b"smiles\nC\n", "cannot be read as Parquet"),
        ("a.parquet.zst", b"", "Parquet compresses itself"),
        ("a.sdf", b"", "is no table with named columns"),
        ("a.smi.gz", b"", "is no table with named columns"),
        ("missing.csv", None, "there is no file .*missing.csv"),
        ("missing", None, "there is no file .*missing"),
    ],
)
def test_what_is_no_table(name: str, content: bytes | None, message: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigError, match=message):
        read_whole(str(tmp_path / name))
