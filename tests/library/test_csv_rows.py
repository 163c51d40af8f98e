import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from screener.library.csv_rows import MAX_ROW_LINES, CsvRows, Row
from screener.library.lines import Lines, numbered


def read(text: str) -> list[Row]:
    stream = io.BufferedReader(io.BytesIO(text.encode()))  # type: ignore[arg-type]  # BytesIO is raw enough
    return list(CsvRows(numbered(Lines(stream)), ","))


def accounts(text: str) -> list[tuple[int, list[str]]]:
    """Line and fields of each row; none where it is an error."""
    return [(row.first.number, row.fields) for row in read(text)]


def test_quoted_fields_may_hold_lines() -> None:
    text = 'a,b\nC,"x\ny, ""z""\n\nend"\nCC,"p\nq"\n'
    assert accounts(text) == [
        (1, ["a", "b"]),
        (2, ["C", 'x\ny, "z"\n\nend']),
        (6, ["CC", "p\nq"]),
    ]


@pytest.mark.parametrize(
    ("lines", "n_broken"),
    [
        (['C,"x', "CC,y", "CCC,z"], 1),  # the file ends
        (['C,"x', "CC,y", 'CCC,"z"'], 1),  # another field is in quotes
        (['C,"x', "CC,y", 'CCC,"z'], 2),
        (['C,"x', "CC,y", 'CCC,z",1'], 1),  # closed, but the row is too wide
        (['C,"x', 'CC,"y', 'CCC,"z'], 3),
        (['C,"x', "CC," + "y" * 140_000], 2),  # no field is so long
    ],
)
def test_only_the_line_that_opens_the_quote_is_lost(lines: list[str], n_broken: int) -> None:
    rows = read("\n".join(["a,b", *lines, ""]))
    assert [row.first.text for row in rows] == ["a,b", *lines]
    assert sum(row.error is not None for row in rows) == n_broken
    assert rows[1].error is not None


def test_a_row_of_too_many_lines_is_an_unclosed_quote() -> None:
    def text(n_lines: int) -> str:
        return 'a,b\nC,"' + "x\n" * (n_lines - 1) + '"\nCC,y\n'

    assert len(read(text(MAX_ROW_LINES))) == 3
    assert len(read(text(MAX_ROW_LINES + 1))) == 3 + MAX_ROW_LINES


def test_one_line_is_read_with_patience() -> None:
    assert accounts('a,b\nC,"(R)"-x\n"CC" ,y"\n') == [
        (1, ["a", "b"]),
        (2, ["C", "(R)-x"]),
        (3, ["CC ", 'y"']),
    ]
    (row,) = read('a"\rb,c\n')
    assert row.error is not None
    assert "carriage return" in row.error.message


def test_a_return_outside_quotes_ends_a_row() -> None:
    text = 'a,b\rC,"x\ry"\rCC,é\rC\u20ac,"p\nq"\r\rCCC,z\n'
    for encoding in ("utf-8", "cp1252"):
        data = text.encode(encoding)
        stream = io.BufferedReader(io.BytesIO(data))  # type: ignore[arg-type]  # raw enough
        rows = list(CsvRows(numbered(Lines(stream, 100)), ","))
        assert [row.fields for row in rows] == [
            ["a", "b"],
            ["C", "x\ry"],
            ["CC", "é"],
            ["C\u20ac", "p\nq"],
            [],
            ["CCC", "z"],
        ]
        assert [row.first.number for row in rows] == [1, 1, 1, 1, 2, 2]
        assert [row.first.start - 100 for row in rows] == [
            data.find(part.encode(encoding))
            for part in ("a,b", "C,", "CC,", "C\u20ac", "\rCCC", "CCC,")
        ]


FIELDS = st.text(alphabet='xC,"\n ', max_size=8)


@given(rows=st.lists(st.lists(FIELDS, min_size=2, max_size=2), min_size=1, max_size=8))
@settings(deadline=None)
def test_what_is_csv_is_read_as_csv(rows: list[list[str]]) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    assert [row.fields for row in read(text.getvalue())] == rows


@given(text=st.text(alphabet='xC,"\n', max_size=80))
@settings(deadline=None)
def test_every_line_is_in_a_row(text: str) -> None:
    expected = 1
    for row in read(text):
        assert row.first.number == expected
        expected += 1 + "".join(row.fields).count("\n")
    assert expected == len(text.splitlines()) + 1
