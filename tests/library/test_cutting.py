import io
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from screener.library import cutting
from screener.library.csv_rows import CsvRows
from screener.library.cutting import Cutter, Mark
from screener.library.lines import Lines, numbered
from screener.library.readers import BlankCount, TableColumns, TableHead, records_of
from screener.library.settings import Layout

TABLE = TableHead(",", ("smiles", "id"), TableColumns("smiles", "id"))
# pieces of two records, and no small ones first
SMALL = Layout(first_block_rows=2, block_rows=2)


def buffered(data: bytes) -> io.BufferedReader:
    return io.BufferedReader(io.BytesIO(data))  # type: ignore[arg-type]  # raw enough


def cut(data: bytes, way: str, layout: Layout = SMALL) -> tuple[Cutter, list[Mark]]:
    cutter = Cutter(way == "sdf", TABLE if way == "csv" else None, layout, 0, grows=False)
    return cutter, list(cutter.marks(buffered(data)))


def records(data: bytes, way: Any, offset: int = 0, line: int = 0) -> tuple[list[Any], int]:
    blank = BlankCount()
    lines = Lines(buffered(data), offset, line)
    found = records_of(way, TABLE if way == "csv" else None, lines, None, blank)
    plain = [
        (r.line, r.text, r.source_id, r.own, r.error and (r.error.code, r.error.message))
        for r in found
    ]
    return plain, blank.n


def pieces(data: bytes, marks: list[Mark]) -> Iterator[tuple[bytes, int, int]]:
    """The bytes of each piece, where they begin, and the lines before."""
    starts = [(0, 0), *((mark.offset, mark.line) for mark in marks)]
    for (start, line), stop in zip(starts, [*(mark.offset for mark in marks), None], strict=True):
        yield data[start:stop], start, line


text = st.lists(
    st.sampled_from(
        [
            b"C",
            b"CC,a",
            b'"',
            b'""',
            b',"',
            b'",',
            b"\n",
            b"\n",
            b"\r\n",
            b"\r",
            b'CC,z\rC,"\r"\r',
            b"$$$$",
            b"\n$$$$\n",
            b"\n$$$",
            b"$",
            b" ",
            b"\xff",
            b'C,"a\nb"\n',
            b'CCO,"x\n',
            b"CC,y\n",
        ]
    ),
    max_size=40,
).map(b"".join)


@given(data=text, way=st.sampled_from(["smiles", "csv", "sdf"]), chunk=st.integers(1, 9))
@example(data=b'a,b\n"a\n\n\nb",c\nd', way="csv", chunk=4)
@example(data=b"x\n$$$$ y\nz\n$$$$", way="sdf", chunk=5)
@settings(deadline=None, max_examples=400)
def test_pieces_read_apart_give_the_records_of_the_whole(data: bytes, way: str, chunk: int) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(cutting, "_CHUNK", chunk)
        cutter, marks = cut(data, way)
    whole = records(data, way)
    apart: list[Any] = []
    n_blank = 0
    for piece, offset, line in pieces(data, marks):
        of_piece, blank = records(piece, way, offset, line)
        apart += of_piece
        n_blank += blank
    assert (apart, n_blank) == whole
    assert cutter.end == len(data)
    assert sum(mark.rows for mark in marks) + cutter.n_rows <= len(apart) + n_blank + 1
    assert [mark.line for mark in marks] == [data[: mark.offset].count(b"\n") for mark in marks]


@given(data=text, at=st.integers(0, 60), way=st.sampled_from(["smiles", "sdf"]))
@settings(deadline=None, max_examples=200)
def test_what_is_found_from_the_middle_is_a_cut_of_the_whole(
    data: bytes, at: int, way: str
) -> None:
    at = min(at, len(data))
    one_each = Layout(first_block_rows=1, block_rows=1)
    everywhere = {mark.offset for mark in cut(data, way, one_each)[1]}
    cutter = Cutter(way == "sdf", None, one_each, at, grows=False)
    marks = list(cutter.marks(buffered(data[at:])))
    assert {mark.offset for mark in marks} <= everywhere
    assert cutter.n_lines == data[at:].count(b"\n")


def test_pieces_are_of_the_size_that_is_wanted() -> None:
    growing = Cutter(False, None, Layout(first_block_rows=2, block_rows=4), 0, grows=True)
    assert [mark.rows for mark in growing.marks(buffered(b"C\n" * 40))] == [2] * 8 + [4] * 6
    assert growing.n_rows == 0
    _, marks = cut(b"C\n" * 9, "smiles")
    assert [mark.rows for mark in marks] == [2] * 4
    wide = Layout(first_block_rows=9, block_rows=9, block_bytes=51)
    _, marks = cut(b"C" * 50 + b"\n" + b"C\n" * 30, "smiles", wide)
    assert [(mark.offset, mark.rows) for mark in marks] == [(51, 1), (69, 9), (87, 9), (105, 9)]


@pytest.mark.parametrize(
    ("row", "is_plain"),
    [
        (b"C,a", True),
        (b'"C","a, ""b"""', True),
        (b'C,""\r', True),
        (b'C,"a\nb"', False),
        (b'C,"a', False),
        (b'C,5" pipe', False),
        (b'"C"x,a', False),
    ],
)
def test_rows_of_one_line_are_not_read_one_by_one(
    row: bytes, is_plain: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> CsvRows:
        raise AssertionError("rows are read")

    data = b"C,a\n" * 9 + row + b"\n"
    monkeypatch.setattr(cutting, "CsvRows", refuse)
    if is_plain:
        assert [mark.offset for mark in cut(data, "csv")[1]] == [8, 16, 24, 32, len(data)]
    else:
        with pytest.raises(AssertionError, match="rows are read"):
            cut(data, "csv")


def test_a_line_that_is_too_long_hides_its_quotes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cutting, "MAX_LINE_BYTES", 8)
    monkeypatch.setattr(cutting, "_CHUNK", 4)
    monkeypatch.setattr("screener.library.lines.MAX_LINE_BYTES", 8)
    data = b"C,a\n" + b"C" * 30 + b',"open\nCC,b\n' + b"CCC,c\n" * 3
    cutter, marks = cut(data, "csv")
    apart: list[Any] = []
    for piece, offset, line in pieces(data, marks):
        apart += records(piece, "csv", offset, line)[0]
    assert apart == records(data, "csv")[0]
    assert [each[0] for each in apart] == [1, 2, 3, 4, 5, 6]
    assert cutter.n_lines == 6


def test_rows_of_several_lines_are_counted_once() -> None:
    data = b'C,"a\nb"\nCC,c\n' * 3
    assert [tuple(mark) for mark in cut(data, "csv")[1]] == [(13, 3, 2), (26, 6, 2)]
    rows = list(CsvRows(numbered(Lines(buffered(data))), ","))
    assert len(rows) == 6
