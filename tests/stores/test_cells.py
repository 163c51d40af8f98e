import csv
import io
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rdkit import Chem

from screener.enumeration.output import writing
from screener.library.readers import BlankCount, read_records
from screener.library.sources import find_sources
from screener.stores.cells import from_cell, from_cells, to_cell, to_cells

RUN = "=+-@\t\r\n＝＋－＠"
# as random text hardly ever begins: quotes, and what a spreadsheet runs
TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"])),
    st.builds(
        "".join,
        st.tuples(
            st.text("'", max_size=3), st.text(RUN, max_size=2), st.text("'=-+@1a,;\"", max_size=6)
        ),
    ),
)
# what a line of CSV can hold, and a reader that strips ids and drops empty lines gives back
PLAIN = TEXTS.map(lambda text: "".join(text.split()).replace("\0", "")).filter(
    lambda text: text.isprintable()
)


@given(text=TEXTS)
def test_text_comes_back_and_begins_with_nothing_that_runs(text: str) -> None:
    cell = to_cell(text)
    assert from_cell(cell) == text
    assert not cell.startswith(tuple(RUN))
    assert cell == text or cell == f"'{text}"


@given(text=st.text(st.characters(exclude_categories=["Cs"], exclude_characters=RUN + "'")))
def test_other_text_is_left_alone(text: str) -> None:
    assert to_cell(text) == from_cell(text) == text


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=HYPERLINK(\"http://x\")", "'=HYPERLINK(\"http://x\")"),
        ("-1 to 3", "'-1 to 3"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t=1"),
        ("'=1", "''=1"),
        ("''-", "'''-"),
        ("'tis", "'tis"),
        ("'", "'"),
        ("", ""),
        ("1,3-dioxolane", "1,3-dioxolane"),
    ],
)  # fmt: skip
def test_examples(text: str, cell: str) -> None:
    assert to_cell(text) == cell
    assert from_cell(cell) == text


@given(
    texts=st.lists(st.none() | TEXTS, min_size=1),
    number=st.floats(allow_nan=False),
    name=TEXTS.filter(lambda text: text != "number"),
)
def test_tables_are_marked_cell_by_cell_and_numbers_never(texts, number, name) -> None:
    table = pa.table(
        {
            name: pa.array(texts, pa.string()),
            "number": pa.array([number] * len(texts), pa.float64()),
        }
    )
    cells = to_cells(table)
    assert cells[0].to_pylist() == [None if text is None else to_cell(text) for text in texts]
    assert cells[1].equals(table[1])
    assert cells.column_names == [to_cell(name), "number"]
    assert from_cells(cells).equals(table)


@given(texts=st.lists(PLAIN.filter(bool), min_size=1, max_size=5), name=PLAIN.filter(bool))
def test_what_arrow_writes_comes_back(texts: list[str], name: str) -> None:
    """As the shortlist is written and a table to join is read; negative numbers stay numbers."""
    table = pa.table({"a" + name: texts, "ered": [-1.5] * len(texts)})
    sink = io.BytesIO()
    pyarrow.csv.write_csv(to_cells(table), sink)
    for row in csv.reader(io.StringIO(sink.getvalue().decode(), newline="")):
        assert not row[0].startswith(tuple(RUN))
    sink.seek(0)
    kinds = pyarrow.csv.ConvertOptions(column_types={to_cell("a" + name): pa.string()})
    back = from_cells(pyarrow.csv.read_csv(sink, convert_options=kinds))
    assert back.to_pydict() == table.to_pydict()
    assert pa.types.is_floating(back["ered"].type)


@given(rows=st.lists(st.tuples(PLAIN, PLAIN), min_size=1, max_size=5))
def test_candidates_come_back_into_a_library(rows, tmp_path_factory) -> None:
    path = tmp_path_factory.mktemp("cells") / "out.csv"
    schema = pa.schema([("smiles", pa.string()), ("id", pa.string()), ("note", pa.string())])
    table = pa.table(
        [["C"] * len(rows), [name for name, _ in rows], [note for _, note in rows]], schema=schema
    )
    with writing(str(path), schema) as file:
        file.write(table)
    with path.open(newline="", encoding="utf-8") as lines:
        for row in csv.reader(lines):
            assert not any(cell.startswith(tuple(RUN)) for cell in row)
    (source,) = find_sources([str(path)])
    found = list(read_records(source, None, None, BlankCount()))
    assert [(record.source_id, record.own["note"]) for record in found] == rows


def test_a_column_is_named_so_that_it_does_not_run(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    path.write_text("smiles,'=cmd,''=cmd,'mine\nC,'-a,''-a,'a\n")
    (source,) = find_sources([str(path)])
    (record,) = read_records(source, None, None, BlankCount())
    assert record.own == {"=cmd": "-a", "'=cmd": "'-a", "'mine": "'a"}


@pytest.mark.parametrize("bond", ["=", "-", "+", "@"])
def test_no_smiles_has_to_be_marked(bond: str) -> None:
    """A SMILES begins with an atom, so its cells are the SMILES themselves."""
    assert Chem.MolFromSmiles(f"{bond}CC") is None
