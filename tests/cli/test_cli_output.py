"""What commands print: tables that fit, sentences, JSON."""

import json
import math
from collections import Counter
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from screener.cli.output import GAP, INDENT, Column, Table, number, plain, rendered, say

WORDS = st.text("abcdefgh Ωé分", min_size=1, max_size=24).map(str.strip).filter(bool)
CELLS = st.text("0123456789.±- ", min_size=1, max_size=14).map(str.strip).filter(bool)


def shortlist() -> Table:
    table = Table(
        number("rank"),
        number("score"),
        "id",
        number("homo b3lyp ev", 1),
        number("gap b3lyp ev", 2),
        number("dipole b3lyp debye", 3),
        number("ip uncorrected gfn2 ev", 4),
        "SMILES",
        title="the best 2 of 2",
    )
    values = ("-7.31 ± 0.21", "8.05 ± 0.30", "4.91 ± 1.02", "10.22")
    table.add_row("1", "0.913", "candidate-0001", *values, "O=C1OCCO1")
    table.add_row("2", "0.871", "candidate-0002", *values, "CC1COC(=O)O1" + "CC(C)(C)OCC" * 8)
    return table


@given(width=st.integers(60, 200))
def test_a_table_fits_and_loses_columns_and_no_number(width):
    table = shortlist()
    head, body = table.head_and_body(width)
    long = INDENT + "CC1COC(=O)O1" + "CC(C)(C)OCC" * 8
    assert all(cell_len(line) <= width for line in [*head, *body] if line != long)
    shown = [table.columns[place].name for place in table.shown(width)]
    assert shown[:3] == ["rank", "score", "id"]
    assert shown[-1] == "SMILES"
    text = "\n".join(body)
    assert text.count("candidate-000") == 2
    assert ("-7.31 ± 0.21" in text) == ("homo b3lyp ev" in shown)
    assert ("10.22" in text) == ("ip uncorrected gfn2 ev" in shown)
    left_out = [each.name for each in table.columns if each.name not in shown]
    assert ("not shown" in text) == bool(left_out)
    assert all(name in text.replace("\n", " ") for name in left_out)


def test_what_matters_less_is_left_out_first():
    names = [
        [shortlist().columns[place].name for place in shortlist().shown(width)]
        for width in (60, 80, 200)
    ]
    assert len(names[0]) < len(names[1]) < len(names[2]) == 8
    assert "homo b3lyp ev" in names[1]
    assert "ip uncorrected gfn2 ev" not in names[1]


@given(
    rows=st.lists(st.tuples(WORDS, CELLS, CELLS), min_size=1, max_size=6),
    width=st.integers(48, 120),
)
def test_sentences_wrap_between_words_and_numbers_stay_whole(rows, width):
    table = Table(Column("state", wraps=True), number("rows"), number("share", 1))
    for row in rows:
        table.add_row(*row)
    head, body = table.head_and_body(width)
    lines = [*head, *body]
    assert all(cell_len(line) <= max(width, 3 * 26) for line in lines)
    text = "\n".join(body)
    for words, cell, _ in rows:
        assert all(word in text for word in words.split())
        assert cell in text


def test_a_row_has_a_cell_of_each_column_and_no_control_characters():
    table = Table("id", number("rows"))
    with pytest.raises(ValueError, match="1 cells for 2 columns"):
        table.add_row("x")
    table.add_row("a\x1b[31m\nb", "1")
    assert table.head_and_body(80)[1] == [f"a [31m b{GAP}   1"]


@pytest.mark.parametrize("colours", [{}, {"NO_COLOR": "1"}])
def test_a_terminal_has_bold_heads_and_colours_unless_told_otherwise(monkeypatch, colours):
    for name, value in colours.items():
        monkeypatch.setenv(name, value)
    terminal = Console(force_terminal=True, width=80, _environ={"TERM": "xterm", **colours})
    with terminal.capture() as said:
        terminal.print(rendered(shortlist(), 80), soft_wrap=True)
    assert "\x1b[3" not in said.get()  # no colour at all
    pipe = Console(force_terminal=False, width=80)
    with pipe.capture() as plainly:
        pipe.print(rendered(shortlist(), 80), soft_wrap=True)
    assert "\x1b" not in plainly.get()
    assert plainly.get().isprintable() is False  # line ends alone
    assert not set("│┃─━┏┓└╭") & set(plainly.get())


def test_sentences_are_broken_between_words_on_terminals_alone():
    text = "a-long-word " * 12 + "end"
    for console, lines in (
        (Console(force_terminal=True, width=40), 5),
        (Console(force_terminal=False, width=40), 1),
    ):
        with console.capture() as said:
            say(text, console)
        written = said.get().splitlines()
        assert len(written) == lines
        assert all(set(line.split()) <= {"a-long-word", "end"} for line in written)


@dataclass(frozen=True)
class Record:
    values: tuple[float, ...]
    names: dict[str, object]


def test_records_and_numbers_that_are_none_become_json():
    names = {"a": np.float64(2.5), "b": np.arange(2), "c": None, "d": Counter("xyx")}
    record = Record((1.5, math.nan), names)
    text = json.dumps(plain([record]), allow_nan=False)
    assert json.loads(text) == [
        {"values": [1.5, None], "names": {"a": 2.5, "b": [0, 1], "c": None, "d": {"x": 2, "y": 1}}}
    ]
    with pytest.raises(TypeError, match="nothing that JSON has"):
        plain(object())
