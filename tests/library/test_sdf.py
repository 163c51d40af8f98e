import io
from pathlib import Path

import pytest
from block_reading import read_in_blocks
from hypothesis import given, settings
from hypothesis import strategies as st

from screener.library.lines import Lines
from screener.library.sdf import MAX_RECORD_CHARACTERS, SdfBlock, sdf_blocks
from screener.library.settings import Layout


def molblock(name: str, symbol: str = "C") -> str:
    return f"""{name}
  program

  1  0  0  0  0  0  0  0  0  0999 V2000
    0.0000    0.0000    0.0000 {symbol:<3} 0  0
M  END
"""


def blocks(text: str) -> list[SdfBlock]:
    stream = io.BufferedReader(io.BytesIO(text.encode()))  # type: ignore[arg-type]  # raw enough
    return list(sdf_blocks(Lines(stream)))


def records(text: str) -> list[tuple[str, dict[str, str], str | None]]:
    """Title, data and error of each record; what blank lines leave at the end is none."""
    return [
        ((block.lines or [""])[0].strip(), block.data(), block.error and block.error.code)
        for block in blocks(text)
        if block.is_ended or any(line.strip() for line in block.lines)
    ]


def one(data: str) -> dict[str, str]:
    ((title, values, error),) = records(f"{molblock('x')}{data}$$$$\n")
    assert (title, error) == ("x", None)
    return values


@pytest.mark.parametrize(
    ("data", "values"),
    [
        ("> <a>\n1\n\n> <b>\n2\n\n", {"a": "1", "b": "2"}),
        ("> <a>\n1\n> <b>\n2\n", {"a": "1", "b": "2"}),
        ("> <a>\n> <b>\n2\n\n", {"a": "", "b": "2"}),
        ("><a>\n1\n>\t<b>\t(7)\n2\n\n", {"a": "1", "b": "2"}),
        ("> 25 <a> (MD-01) FROM ARCHIVES\n1\n> DT12 (3) <b>\n2\n\n", {"a": "1", "b": "2"}),
        ("> <a>\n1\n\n2\n\n\n3\n\n> <b>\n4\n\n", {"a": "1\n\n2\n\n\n3", "b": "4"}),
        ("> <a>\n\n1\n\n> <b>\n\n\n2\n", {"a": "1", "b": "2"}),
        ("> <a>\n1\n   \n> <b>\n2\n\t\n\n\n", {"a": "1", "b": "2"}),
        (
            "> <a>\n>5 <10\n> 5 mg\n\n> 7 mg\n\n> <b>\n2\n",
            {"a": ">5 <10\n> 5 mg\n\n> 7 mg", "b": "2"},
        ),
        ("> <a>\n1\n>= 3 <x>\n\n> <b>\n2\n", {"a": "1\n>= 3 <x>", "b": "2"}),
        ("> <a>\n1\n\n> <a>\n2\n\n", {"a": "1", "a_2": "2"}),
        ("> <>\n1\n\n> DT12\n2\n\n> <c>\n3\n\n", {"unnamed": "1", "DT12": "2", "c": "3"}),
        ("> price\n1\n\n> 7 mg\n\n", {"price": "1\n\n> 7 mg"}),
        ("> <p(x>5)>\n1\n\n> <b>\n2\n\n", {"p(x>5)": "1", "b": "2"}),
        ("\n\n> <a>\n  indented \n\n", {"a": "  indented "}),
        (f"> <mol>\n{molblock('inner')}\n> <b>\n2\n\n", {"mol": molblock("inner")[:-1], "b": "2"}),
        (
            f"> <mol>\n{molblock('')}{molblock('other')}> <b>\n2\n\n",
            {"mol": (molblock("") + molblock("other"))[1:-1], "b": "2"},
        ),
    ],
)
def test_every_value_belongs_to_its_item(data: str, values: dict[str, str]) -> None:
    assert one(data) == values


A, B, C = molblock("a"), molblock("b", "N"), molblock("c", "O")
NONE: dict[str, str] = {}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (A + "$$$$\n" + B, [("a", NONE, None), ("b", NONE, None)]),
        (A + "$$$$  \n" + B + "$$$$ \t\n\n  \n", [("a", NONE, None), ("b", NONE, None)]),
        (A + B + C, [("a", NONE, None), ("b", NONE, None), ("c", NONE, None)]),
        (
            A + "> <k>\n1\n\n" + B + "> <k>\n2\n\n$$$$\n" + C,
            [("a", {"k": "1"}, None), ("b", {"k": "2"}, None), ("c", NONE, None)],
        ),
        (A + "\n" + molblock(""), [("a", NONE, None), ("", NONE, None)]),
        (A + "$$$$\n\n\n" + B, [("a", NONE, None), ("b", NONE, None)]),
        (A + "$$$$\n\n" + molblock(""), [("a", NONE, None), ("", NONE, None)]),
        (
            A + "> <k>\n1\n" + B + "$$$$\n" + C,
            [("a", {"k": "1\n" + B[:-1]}, "two_molecules"), ("c", NONE, None)],
        ),
        (A + B.split("\n", 1)[1] + "$$$$\n" + C, [("a", NONE, "two_molecules"), ("c", NONE, None)]),
        (
            A + "> <k>\n1\n\n$$$$\n$$$$\n" + C,
            [("a", {"k": "1"}, None), ("", NONE, None), ("c", NONE, None)],
        ),
    ],
    ids=[
        "no end of the last",
        "blanks after the end",
        "mol files one after another",
        "no end after items",
        "no end, no name",
        "blank lines before a record",
        "a blank line before a record without a name",
        "no end and no blank line",
        "no end and a short header",
        "an empty record",
    ],
)
def test_every_molecule_is_a_record(
    text: str, expected: list[tuple[str, dict[str, str], str | None]]
) -> None:
    assert records(text) == expected


def test_records_are_found_at_their_lines_and_read_as_molecules(tmp_path: Path) -> None:
    path = tmp_path / "a.sdf"
    path.write_text("\n" + A + B + "> <k>\n1\n> <l>\n2\n$$$$\n" + C)
    tables, n_blank = read_in_blocks(
        [path], tmp_path / "tmp", Layout(first_block_rows=1, block_rows=1)
    )
    rows = [row for table in tables for row in table.to_pylist()]
    assert [(row["line"], row["source_id"]) for row in rows] == [(2, "a"), (8, "b"), (19, "c")]
    assert [row.get("own.l") for row in rows] == [None, "2", None]
    assert n_blank == 0


def test_mol_files_one_after_another_may_be_any_number() -> None:
    n = 2 * MAX_RECORD_CHARACTERS // len(A)
    found = blocks(A * n)
    assert [block.start for block in found] == [1 + 6 * k for k in range(n)]
    assert all(block.error is None for block in found)


def test_a_line_in_no_encoding_is_told() -> None:
    data = (
        (A + "> <k>\n\N{SNOWMAN}\n\n$$$$\n" + B).encode().replace("\N{SNOWMAN}".encode(), b"\x81")
    )
    stream = io.BufferedReader(io.BytesIO(data))  # type: ignore[arg-type]  # raw enough
    first, second = sdf_blocks(Lines(stream))
    assert first.error is not None
    assert first.error.code == "unknown_encoding"
    assert "byte 1 of line 8 is 0x81" in first.error.message
    assert second.error is None


VALUES = st.lists(st.sampled_from(["1", "", "  x", "> 5", ">5 <10", "M  END"]), max_size=5)


@given(
    items=st.lists(st.tuples(st.sampled_from("abc"), VALUES), max_size=4, unique_by=lambda x: x[0]),
    n_blank=st.integers(0, 2),
)
@settings(deadline=None)
def test_items_are_read_back_however_they_are_divided(
    items: list[tuple[str, list[str]]], n_blank: int
) -> None:
    data = "".join(
        f"> <{name}>\n" + "".join(f"{line}\n" for line in lines) + "\n" * n_blank
        for name, lines in items
    )
    text = {name: "\n".join(lines).strip("\n") for name, lines in items}
    assert one(data) == text
