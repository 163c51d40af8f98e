import csv
import gzip
import io
import re
from pathlib import Path

import pytest
from block_reading import read_in_blocks
from hypothesis import example, given, settings
from hypothesis import strategies as st

from screener.library.line_ends import LOOKED_AT, OneLineEnd
from screener.library.readers import BlankCount, Record, read_records
from screener.library.settings import Layout
from screener.library.sources import find_sources

CASES = Path(__file__).parents[1] / "cases"
SDF = """{name}
  program

  1  0  0  0  0  0  0  0  0  0999 V2000
    0.0000    0.0000    0.0000 {symbol}   0  0
M  END
> <note>
of {name}
second line

$$$$
"""
PACKINGS = {"": bytes, ".gz": gzip.compress}
TEXTS = {
    ".smi": "CCO ethanol\n\nCC#N acn\tmine\nC\nCCC last\n",
    ".csv": 'id,smiles,note\na,CCO,"x, y"\nb,CC#N,z\n\nc,C,\nd,CCC,last\n',
    ".tsv": "id\tsmiles\tnote\na\tCCO\tx\nb\tCC#N\tz\n\nc\tC\t\nd\tCCC\tlast\n",
    ".sdf": "".join(
        SDF.format(name=name, symbol=symbol)
        for name, symbol in (("water", "O"), ("", "N"), ("methane", "C"))
    ),
}


def read(path: Path) -> list[Record]:
    return list(read_records(find_sources([str(path)])[0], None, None, BlankCount()))


def plain(records: list[Record]) -> list[object]:
    return [(r.text, r.source_id, r.own, r.error and r.error.message) for r in records]


def translated(data: bytes) -> bytes:
    return re.sub(rb"\r(?!\r?\n)", b"\n", data)


@given(
    data=st.lists(st.sampled_from([b"\r", b"\n", b"\r\n", b"C", b"$$$$"]), max_size=30),
    chunk=st.integers(1, 5),
)
@example(data=[b"C\r", b"\r\n", b"C"], chunk=2)
@settings(deadline=None)
def test_a_part_of_a_stream_becomes_the_same_as_in_the_whole(data: list[bytes], chunk: int) -> None:
    whole = b"".join(data)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("screener.library.line_ends._CHUNK", chunk)
        assert OneLineEnd(io.BytesIO(whole)).read() == translated(whole)
        for stop in range(len(whole) + 1):
            part = io.BytesIO(whole[stop // 2 : stop + LOOKED_AT])
            n_bytes = stop - stop // 2
            assert (
                OneLineEnd(part, n_bytes=n_bytes).read() == translated(whole)[stop // 2 : stop]
            ), stop


def test_molecules_of_the_case_are_all_there() -> None:
    records = read(CASES / "01_cr_only.smi")
    assert [(r.line, r.text, r.source_id) for r in records] == [
        (1, "CCO", ""),
        (2, "CCC", ""),
        (3, "CC#N", "acn"),
    ]


@pytest.mark.parametrize(
    ("encoding", "packing"),
    [("utf-8", ""), ("utf-8", ".gz"), ("utf-8-sig", ""), ("cp1252", ""), ("utf-16", "")],
)
@pytest.mark.parametrize("newline", ["\r", "\r\n", "mixed"])
@pytest.mark.parametrize("ending", list(TEXTS))
def test_line_ends_change_no_record(
    ending: str, newline: str, encoding: str, packing: str, tmp_path: Path
) -> None:
    text = TEXTS[ending].replace("ethanol", "éthanol").replace("last", "\u20ac")
    (tmp_path / f"plain{ending}").write_text(text, encoding="utf-8")
    expected = read(tmp_path / f"plain{ending}")
    ends = ["\r\n", "\r", "\n"] if newline == "mixed" else [newline]
    data, end = "", "\n"
    for k, line in enumerate(text.splitlines()):
        # a CR and the LF of an empty line would be one line end
        end = ends[k % len(ends)] if line else end
        data += line + end
    path = tmp_path / f"a{ending}{packing}"
    path.write_bytes(PACKINGS[packing](data.encode(encoding)))
    assert plain(read(path)) == plain(expected)
    for span_bytes in (16, 1 << 20):  # edges fall into line ends, and everywhere else
        layout = Layout(span_bytes=span_bytes, segment_bytes=5, first_block_rows=1, block_rows=1)
        blocks, _ = read_in_blocks([path], tmp_path / f"tmp{span_bytes}", layout)
        ids = [text for block in blocks for text in block["source_id"].to_pylist()]
        texts = [text for block in blocks for text in block["text"].to_pylist()]
        assert texts == [r.text for r in expected]
        assert [a for a in ids if ":" not in a] == [r.source_id for r in expected if r.source_id]


@pytest.mark.parametrize("span_bytes", range(1, 9))
@pytest.mark.parametrize("end", [b"\r", b"\r\r\n", b"\r\n", b"\n\r"])
def test_spans_and_blocks_may_begin_within_a_line_end(
    end: bytes, span_bytes: int, tmp_path: Path
) -> None:
    path = tmp_path / "a.smi"
    path.write_bytes(end.join(b"C" * k + b" id%d" % k for k in range(1, 8)))
    layout = Layout(span_bytes=span_bytes, first_block_rows=1, block_rows=1)
    blocks, n_blank = read_in_blocks([path], tmp_path / "tmp", layout)
    rows = [row for block in blocks for row in block.to_pylist()]
    assert [row["text"] for row in rows] == ["C" * k for k in range(1, 8)]
    assert [row["source_id"] for row in rows] == [f"id{k}" for k in range(1, 8)]
    step = 2 if end == b"\n\r" else 1  # these are two line ends
    assert [row["line"] for row in rows] == [1 + step * k for k in range(7)]
    assert n_blank == (step - 1) * 6


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_a_return_within_quotes_stays(newline: str, tmp_path: Path) -> None:
    text = io.StringIO()
    rows = [["smiles", "note"], ["C", "one\rtwo"], ["CC", "three\r\nfour\r"]]
    csv.writer(text, lineterminator=newline, quoting=csv.QUOTE_ALL).writerows(rows)
    (tmp_path / "a.csv").write_bytes(text.getvalue().encode())
    assert [r.own["note"] for r in read(tmp_path / "a.csv")] == ["one\rtwo", "three\nfour\r"]


def test_a_table_with_one_other_line_end_loses_nothing(tmp_path: Path) -> None:
    rows = "".join(f"{'C' * k},id{k}\r" for k in range(1, 40))
    for name, head in (("a", "smiles,id\n"), ("b", "smiles,id\rN,first\n")):
        (tmp_path / f"{name}.csv").write_text(head + rows, newline="")
        records = read(tmp_path / f"{name}.csv")
        assert [r.source_id for r in records if r.text != "N"] == [f"id{k}" for k in range(1, 40)]
        layout = Layout(first_block_rows=2, block_rows=2)
        blocks, _ = read_in_blocks([tmp_path / f"{name}.csv"], tmp_path / name, layout)
        texts = [text for block in blocks for text in block["text"].to_pylist()]
        assert texts == [r.text for r in records]
