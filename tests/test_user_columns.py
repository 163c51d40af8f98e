"""A user's columns come out as they went in: through a library, and a shortlist's three files.

The tables are those that pandas, polars and DuckDB write. Between the library and the shortlist a
campaign takes the columns along without looking at them, so here rows of the library themselves
are written as a shortlist.
"""

import csv
import io
import itertools
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from built_here import library_of
from hypothesis import given, settings
from hypothesis import strategies as st
from rdkit import Chem

from screener.campaign.results.shortlist import write_shortlist
from screener.chemistry.identity import mol_id
from screener.chemistry.structures import StructureSettings, make_structure
from screener.errors import ConfigError
from screener.library.settings import Layout
from screener.ranking.objectives import RankingSettings, parse_objective
from screener.records import Structure
from screener.stores.cells import from_cell, from_cells
from screener.stores.files import Folder, from_parquet, to_parquet
from screener.stores.library import LibraryStore
from screener.stores.plain_columns import plain_table, readable

CASES = Path(__file__).parent / "cases"
SMILES = ["COC", "CC#N", "C1CCOC1", "CO", "CCO"]
# a row in each block, so that types could depend on where inputs are cut
CUT = Layout(first_block_rows=1, block_rows=1, span_rows=1)

RANKING = RankingSettings(objectives=(parse_objective("minimise:homo_b3lyp_ev"),))

_numbers = itertools.count()


@pytest.fixture(scope="module")
def structures() -> dict[str, Structure]:
    return {each: make_structure(each, mol_id(each), StructureSettings()) for each in SMILES}


def own(library: LibraryStore) -> pa.Table:
    """The user's columns of a library."""
    table = library.read_range(0, library.n_rows)
    return table.drop_columns(library.standard_columns)


def shortlisted(library: LibraryStore, structures: dict[str, Structure]) -> Folder:
    """All rows of a library as a shortlist."""
    folder = Folder(f"memory://shortlist-{next(_numbers)}")
    table = library.read_range(0, library.n_rows)
    of_rows = [structures[each] for each in table["smiles"].to_pylist()]
    write_shortlist(folder, "", table, of_rows, RANKING)
    return folder


def cells_of(folder: Folder) -> dict[str, list[str]]:
    """The texts in the CSV of a shortlist, by column."""
    text = folder.read_bytes("shortlist.csv").decode()
    rows = list(csv.reader(io.StringIO(text, newline="")))
    cells = pa.table(
        [pa.array(column, pa.string()) for column in zip(*rows[1:], strict=True)], names=rows[0]
    )
    return from_cells(cells).to_pydict()


def data_of(folder: Folder) -> list[dict[str, str]]:
    """The data items of the SD file, as RDKit reads them."""
    supplier = Chem.SDMolSupplier()
    supplier.SetData(folder.read_bytes("shortlist.sdf").decode())
    return [molecule.GetPropsAsDict(autoConvertStrings=False) for molecule in supplier]


def library_from(content: bytes, name: str, layout: Layout | None = None) -> LibraryStore:
    """A library in memory, of a file with this content."""
    number = next(_numbers)
    source = Folder(f"memory://input-{number}")
    source.write_bytes(name, content)
    return library_of([f"{source.url}/{name}"], f"memory://library-{number}", layout)


# text


AWKWARD = (
    *("007", "+491", "1E05", "1e5", "11898508762506083287", "1.10", " 1", "1 ", "1_000"),
    *("0x10", "TRUE", "true", "NA", "NaN", "nan", "None", "null", "#N/A", "inf", "1.0", ".5"),
    *("1,5", "64-17-5", "=1+1", "-1 to 3", "'tis", "@a", '"quoted"', "a;b", "  two  blanks"),
    *("2024-01-01", "1/2", "12:30", "９", "é", "a|b", "$$$$", "> <x>", "\\n", "#"),
)


@pytest.mark.parametrize("text", AWKWARD)
def test_a_text_comes_through_every_file(text: str, structures: dict[str, Structure]) -> None:
    rows = io.StringIO(newline="")
    csv.writer(rows).writerows([["smiles", "note"], ["COC", "1"], ["CO", text], ["CCO", ""]])
    library = library_from(rows.getvalue().encode(), "a.csv")
    assert own(library).schema.field("note").type == pa.string()
    assert own(library)["note"].to_pylist() == ["1", text, None]
    folder = shortlisted(library, structures)
    assert from_parquet(folder.read_bytes("shortlist.parquet"))["note"].to_pylist() == (
        ["1", text, None]
    )
    assert cells_of(folder)["note"] == ["1", text, ""]
    shown = "$ $ $ $" if text == "$$$$" else text  # which would end the record
    assert [each.get("note") for each in data_of(folder)] == ["1", shown, None]


def test_ids_and_wells_are_what_they_were(structures: dict[str, Structure]) -> None:
    library = library_of([CASES / "06_long_ids_and_wells.csv"], "memory://wells", CUT)
    given = {
        "gscholar": ["11898508762506083287", "3266119658877827603", "9104209908849226329"],
        "lot": ["1.10", "2.20", "10.0"],
        "well": ["1E05", "2E05", "3E10"],
        "phone": ["+491", "+492", "+493"],
    }
    assert own(library).to_pydict() == given
    assert library.manifest.no_numbers == {}


def test_a_column_has_one_type_wherever_it_is_cut() -> None:
    lines = ["smiles,i,f,late,mixed,empty", "COC,1,1,1,1,", "CO,-2,2.5,2,,", "CCO,,0.1,03,x,"]
    content = "\n".join(lines).encode()
    tables = [own(library_from(content, "a.csv", layout)) for layout in (Layout(), CUT)]
    assert tables[0].equals(tables[1])
    assert tables[0].schema.types == [pa.int64(), pa.float64(), *[pa.string()] * 3]
    assert tables[0]["late"].to_pylist() == ["1", "2", "03"]
    assert tables[0]["mixed"].to_pylist() == ["1", None, "x"]


def test_what_is_no_number_is_told_with_its_place() -> None:
    lines = ["smiles,price,lot", "COC,1.10,1.10", "CO,NA,2", "CCO,on request,", "CC#N,ask,3"]
    for layout in (Layout(), CUT):
        library = library_from("\n".join(lines).encode(), "a.csv", layout)
        assert library.manifest.no_numbers == {"price": "'on request' in a.csv:4"}


# types


def frame(column: pa.Array | pa.ChunkedArray) -> pa.Table:
    return pa.table({"smiles": SMILES[: len(column)], "mine": column})


NOON = datetime(2024, 5, 1, 12, 0, 0, 1, tzinfo=UTC)
OF_ARROW: dict[str, tuple[pa.Array, list[str | None]]] = {
    "string_view": (pa.array(["a", "", None], pa.string_view()), ["a", "", None]),
    "large_string": (pa.array(["007", None], pa.large_string()), ["007", None]),
    "categories": (pa.array(["x", "y", "x"]).dictionary_encode(), ["x", "y", "x"]),
    "large categories": (
        pa.array(["x", None], pa.large_string()).dictionary_encode(),
        ["x", None],
    ),
    "text as bytes": (pa.array([b"a", "é".encode()]), ["a", "é"]),
    "binary_view": (pa.array([b"a", None], pa.binary_view()), ["a", None]),
    "bytes": (pa.array([b"\xff\x00", b"a"], pa.large_binary()), ["ff00", "61"]),
    "uuid": (
        pa.ExtensionArray.from_storage(pa.uuid(), pa.array([bytes(range(16))], pa.binary(16))),
        ["00010203-0405-0607-0809-0a0b0c0d0e0f"],
    ),
    "json": (
        pa.ExtensionArray.from_storage(pa.json_(), pa.array(['{"a": 1}', None])),
        ['{"a": 1}', None],
    ),
    "bool8": (
        pa.ExtensionArray.from_storage(pa.bool8(), pa.array([1, 0, None], pa.int8())),
        ["true", "false", None],
    ),
    "decimal": (pa.array([Decimal("1.10"), None]), ["1.10", None]),
    "decimal32": (pa.array([Decimal("1.10")], pa.decimal32(5, 2)), ["1.10"]),
    "decimal256": (pa.array([Decimal("1" * 50)], pa.decimal256(60, 0)), ["1" * 50]),
    "uint64": (pa.array([2**64 - 1, 0], pa.uint64()), ["18446744073709551615", "0"]),
    "float16": (pa.array([1.5, None], pa.float16()), ["1.5", None]),
    "float32": (pa.array([0.1, None], pa.float32()), ["0.1", None]),
    "time with a zone": (
        pa.array([NOON], pa.timestamp("us", "Asia/Tokyo")),
        ["2024-05-01 21:00:00.000001+0900"],
    ),
    "time in a zone of one's own": (
        pa.array([NOON], pa.timestamp("us", "Mars/Olympus")),
        ["2024-05-01 12:00:00.000001Z"],
    ),
    "nanoseconds": (
        pa.array([1], pa.timestamp("ns")),
        ["1970-01-01 00:00:00.000000001"],
    ),
    "date": (pa.array([date(2024, 5, 1), None]), ["2024-05-01", None]),
    "time of day": (pa.array([3_600_000_000], pa.time64("us")), ["01:00:00.000000"]),
    "duration": (
        pa.array([timedelta(days=1, microseconds=5), timedelta(seconds=-2), None]),
        ["PT86400.000005S", "-PT2S", None],
    ),
    "list": (pa.array([[1, None], [], None]), ["[1, null]", "[]", None]),
    "list_view": (pa.array([["a"]], pa.list_view(pa.string_view())), ['["a"]']),
    "array": (pa.array([[1, 2], None], pa.list_(pa.int8(), 2)), ["[1, 2]", None]),
    "struct": (
        pa.array([{"a": 1, "b": [NOON.date()]}, None]),
        ['{"a": 1, "b": ["2024-05-01"]}', None],
    ),
    "map": (
        pa.array([[("é", Decimal("1.10"))]], pa.map_(pa.string(), pa.decimal128(5, 2))),
        ['{"é": "1.10"}'],
    ),
    "map by numbers": (
        pa.array([[(1, b"\xff")]], pa.map_(pa.int8(), pa.binary())),
        ['[[1, "ff"]]'],
    ),
    "no value": (pa.nulls(2), [None, None]),
}


@pytest.mark.parametrize("name", OF_ARROW)
def test_every_type_of_arrow_is_carried(name: str, structures: dict[str, Structure]) -> None:
    column, texts = OF_ARROW[name]
    given = frame(column)
    for layout in (Layout(), CUT):
        library = library_from(to_parquet(given), "a.parquet", layout)
        (mine,) = own(library).columns
        back = plain_table(from_parquet(to_parquet(given)))["mine"]
        assert mine.cast(back.type).to_pylist() == back.to_pylist()
        assert readable(mine).to_pylist() == texts
    folder = shortlisted(library, structures)
    assert from_parquet(folder.read_bytes("shortlist.parquet"))["mine"].to_pylist() == (
        mine.to_pylist()
    )
    assert cells_of(folder)["mine"] == [text or "" for text in texts]
    items = [each.get("mine") for each in data_of(folder)]
    assert items == [text or None for text in texts]


@pytest.mark.parametrize(
    "name", ["string_view", "large_string", "categories", "text as bytes", "uuid", "no value"]
)
def test_ids_of_every_type_are_read(name: str) -> None:
    column, texts = OF_ARROW[name]
    table = frame(column).rename_columns(["smiles", "id"])
    library = library_from(to_parquet(table), "a.parquet")
    expected = [text or f"a.parquet:{row}" for row, text in enumerate(texts, 1)]
    assert library.read_range(0, library.n_rows)["source_id"].to_pylist() == expected


@pytest.mark.parametrize(
    "kind", [pa.large_string(), pa.string_view(), pa.binary(), pa.large_binary(), "dictionary"]
)
def test_smiles_of_every_type_are_read(kind: pa.DataType | str) -> None:
    smiles = pa.array(["COC", "CO"])
    column = smiles.dictionary_encode() if kind == "dictionary" else smiles.cast(kind)
    library = library_from(to_parquet(pa.table({"smiles": column})), "a.parquet")
    assert library.read_range(0, 2)["smiles"].to_pylist() == ["COC", "CO"]


def test_smiles_that_are_no_text_are_set_aside_alone() -> None:
    table = pa.table({"smiles": pa.array([b"COC", b"C\xff", None])})
    library = library_from(to_parquet(table), "a.parquet")
    assert library.read_range(0, 1)["smiles"].to_pylist() == ["COC"]
    (set_aside,) = library.quarantine()
    assert set_aside["line"].to_pylist() == [2, 3]


def test_a_type_that_is_not_known_is_named_before_anything_is_done() -> None:
    pandas = pd.DataFrame({"smiles": SMILES[:2], "when": pd.period_range("2024-01", periods=2)})
    with pytest.raises(ConfigError, match=r"column 'when' holds values of the type pandas.period"):
        library_from(pandas.to_parquet(), "a.parquet")


def test_views_of_text_are_carried() -> None:
    library = library_of([CASES / "05_string_view_own_column.parquet"], "memory://views")
    assert own(library).to_pydict() == {
        "note": ["a", "b", None, ""],
        "vid": ["w", "x", "y", "z"],
    }


def test_parquet_and_text_give_a_column_that_holds_both(tmp_path: Path) -> None:
    kinds = {"a": pa.uint64(), "b": pa.int32(), "c": pa.int64(), "d": pa.date32(), "e": pa.null()}
    values = [[2**64 - 1], [1], [2**53 + 1], [date(2024, 5, 1)], [None]]
    columns = [pa.array(each, kind) for each, kind in zip(values, kinds.values(), strict=True)]
    table = pa.table([["COC"], *columns], names=["smiles", *kinds])
    (tmp_path / "a.parquet").write_bytes(to_parquet(table))
    (tmp_path / "b.csv").write_text("smiles,a,b,c,d,e\nCO,-1,2.5,0.5,x,7\n")
    library = library_of([tmp_path / "a.parquet", tmp_path / "b.csv"], tmp_path / "library")
    assert [readable(each).to_pylist() for each in own(library).columns] == [
        ["18446744073709551615", "-1"],
        ["1", "2.5"],
        ["9007199254740993", "0.5"],
        ["2024-05-01", "x"],
        [None, "7"],
    ]
    assert library.manifest.no_numbers == {"d": "'x' in b.csv:2"}


# names


def test_data_without_a_name_has_one_in_the_library(structures: dict[str, Structure]) -> None:
    library = library_of([CASES / "03_empty_data_name.sdf"], "memory://nameless")
    assert own(library).to_pydict() == {"price": [3], "unnamed": ["zzz"]}
    assert data_of(shortlisted(library, structures))[0]["unnamed"] == "zzz"


NAMES = {
    "the index of a data frame": ([""], ["unnamed_2"]),
    "case alone": (["Price", "price", "PRICE"], ["Price", "price", "PRICE"]),
    "ours": (
        ["row", "smiles_input", "charge"],
        ["input_row", "input_smiles_input", "input_charge"],
    ),
    "ours with the prefix": (["row", "input_row"], ["input_row", "input_input_row"]),
    "line breaks": (["a\nb", "a\n\nb"], ["a\nb", "a\n\nb"]),
    "of RDKit": (["_Name", "__computedProps", "numArom"], ["_Name", "__computedProps", "numArom"]),
    "of an SD file": (["> <x>", "$$$$", "M  END"], ["> <x>", "$$$$", "M  END"]),
    "formulas": (["=1+1", "@x", "-"], ["=1+1", "@x", "-"]),
    "dots": (["a", "a.b", "a.b.c"], ["a", "a.b", "a.b.c"]),
    "letters of others": (["Preis €", "名前", "é"], ["Preis €", "名前", "é"]),
    "long": (["x" * 300], ["x" * 300]),
}


@pytest.mark.parametrize("kind", NAMES)
def test_names_are_kept_or_handled(kind: str, structures: dict[str, Structure]) -> None:
    names, stored = NAMES[kind]
    values = [f"v{number}" for number in range(len(names))]
    table = pa.table([["COC"], *([each] for each in values)], names=["smiles", *names])
    rows = io.StringIO(newline="")
    csv.writer(rows).writerows([["smiles", *names], ["COC", *values]])
    for content, name in ((to_parquet(table), "a.parquet"), (rows.getvalue().encode(), "a.csv")):
        library = library_from(content, name)
        assert own(library).to_pydict() == {
            each: [value] for each, value in zip(stored, values, strict=True)
        }
        folder = shortlisted(library, structures)
        assert set(values) <= set(data_of(folder)[0].values())


@pytest.mark.parametrize("names", [["a", "a"], ["a", "b", "a"], ["unnamed_3", ""], ["id", "id"]])
@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.parquet"])
def test_names_that_repeat_are_refused(names: list[str], name: str) -> None:
    separator = "\t" if name.endswith("tsv") else ","
    lines = [separator.join(["smiles", *names]), separator.join(["COC", *"123"[: len(names)]])]
    content = "\n".join(lines).encode()
    if name.endswith("parquet"):
        content = to_parquet(pa.table([["COC"], *([1] for _ in names)], names=["smiles", *names]))
    with pytest.raises(ConfigError, match=rf"{name}: 2 columns \(.*\) are called"):
        library_from(content, name)


def test_columns_with_neither_name_nor_value_are_none() -> None:
    library = library_from(b"smiles,price,,\nCOC,1,,\nCO,2,,\n", "a.csv", CUT)
    assert own(library).to_pydict() == {"price": [1, 2]}


# whole frames

TEXTS = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1, max_size=6
) | st.sampled_from(AWKWARD)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "text": TEXTS,
    "int": st.integers(-(2**63), 2**63 - 1),
    "float": st.floats(allow_nan=False, allow_infinity=False),
    "bool": st.booleans(),
    "date": st.dates(date(1900, 1, 1), date(2100, 1, 1)),
    "list": st.lists(st.integers(0, 9), max_size=3),
}
OF_POLARS = {
    "text": pl.String(),
    "int": pl.Int64(),
    "float": pl.Float64(),
    "bool": pl.Boolean(),
    "date": pl.Date(),
    "list": pl.List(pl.Int64()),
}


@st.composite
def frames(draw: st.DrawFn) -> tuple[pl.DataFrame, dict[str, str]]:
    """A frame of polars, and the kind of each of its columns."""
    n = draw(st.integers(1, len(SMILES)))
    kinds = draw(st.lists(st.sampled_from(list(VALUES)), min_size=1, max_size=4))
    columns: dict[str, pl.Series] = {"smiles": pl.Series(SMILES[:n])}
    named = {}
    for number, kind in enumerate(kinds):
        name = f"{draw(st.sampled_from(['x', 'Preis €', 'a.b', '_x', 'charge ']))}{number}"
        values = draw(st.lists(st.none() | VALUES[kind], min_size=n, max_size=n))
        columns[name] = pl.Series(values, dtype=OF_POLARS[kind])
        named[name] = kind
    return pl.DataFrame(columns), named


def by_polars(frame: pl.DataFrame, path: Path) -> None:
    if path.suffix == ".csv":
        frame.write_csv(path)
    else:
        frame.write_parquet(path)


def by_pandas(frame: pl.DataFrame, path: Path) -> None:
    kinds = {
        pl.String(): "string",
        pl.Int64(): "Int64",
        pl.Float64(): "float",
        pl.Boolean(): "boolean",
    }
    columns = {
        series.name: pd.Series(series.to_list(), dtype=kinds.get(series.dtype, "object"))
        for series in frame.get_columns()
    }
    table = pd.DataFrame(columns)
    if path.suffix == ".csv":
        table.to_csv(path, index=False)
    else:
        table.to_parquet(path)


def by_duckdb(frame: pl.DataFrame, path: Path) -> None:
    with duckdb.connect() as connection:
        connection.register("frame", frame.to_arrow())
        kind = "csv" if path.suffix == ".csv" else "parquet"
        connection.execute(f"copy frame to '{path}' (format {kind})")


WRITERS = {"pandas": by_pandas, "polars": by_polars, "duckdb": by_duckdb}


@pytest.mark.parametrize("writer", WRITERS)
@settings(max_examples=5)
@given(given_frame=frames(), one_block=st.booleans())
def test_frames_in_parquet_come_back(
    writer: str,
    given_frame: tuple[pl.DataFrame, dict[str, str]],
    one_block: bool,
    structures: dict[str, Structure],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    table, kinds = given_frame
    path = tmp_path_factory.mktemp("frames") / "a.parquet"
    WRITERS[writer](table, path)
    library = library_of(
        [path], f"memory://frames-{next(_numbers)}", Layout() if one_block else CUT
    )
    expected = {name: table[name].to_list() for name in kinds}
    assert own(library).to_pydict() == expected
    folder = shortlisted(library, structures)
    assert {
        name: values
        for name, values in from_parquet(folder.read_bytes("shortlist.parquet")).to_pydict().items()
        if name in kinds
    } == expected
    cells = cells_of(folder)
    for name, kind in kinds.items():
        if kind == "float":
            numbers = [None if cell == "" else float(cell) for cell in cells[name]]
            assert numbers == expected[name]
        else:
            texts = readable(own(library)[name]).to_pylist()
            assert cells[name] == [text or "" for text in texts]


@pytest.mark.parametrize("writer", WRITERS)
@settings(max_examples=5)
@given(given_frame=frames(), one_block=st.booleans())
def test_frames_in_csv_come_back(
    writer: str,
    given_frame: tuple[pl.DataFrame, dict[str, str]],
    one_block: bool,
    structures: dict[str, Structure],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    table, kinds = given_frame
    table = table.drop([name for name, kind in kinds.items() if kind == "list"])
    path = tmp_path_factory.mktemp("frames") / "a.csv"
    WRITERS[writer](table, path)
    with path.open(newline="", encoding="utf-8") as lines:
        written = list(csv.reader(lines))
    columns = zip(*written[1:], strict=True)
    expected = {name.strip(): list(each) for name, each in zip(written[0], columns, strict=True)}
    library = library_of(
        [path], f"memory://frames-{next(_numbers)}", Layout() if one_block else CUT
    )
    cells = cells_of(shortlisted(library, structures))
    for name in own(library).column_names:
        assert cells[name] == [from_cell(cell) for cell in expected[name]]
