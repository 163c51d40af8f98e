"""A table that is joined comes out as it went in, or it is told why it cannot be joined."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from built_here import library_of

from screener.campaign.settings.user_table import JoinConfig, Joined, joined_schema, read_join
from screener.errors import ConfigError
from screener.stores.files import Folder, from_parquet, to_parquet
from screener.stores.joined import JoinedTable, write_joined
from screener.stores.library import LibraryStore
from screener.stores.plain_columns import readable

CASES = Path(__file__).parents[2] / "cases"
SMILES = ["CCO", "CC#N", "CCOC(C)=O"]


@pytest.fixture(scope="module")
def library() -> LibraryStore:
    return library_of([CASES / "03_library.smi"], "memory://library-to-join")


def joined(source: Path, library: LibraryStore) -> tuple[Joined, pa.Table]:
    """The description, and what is appended to the rows of the library."""
    description, table = read_join(JoinConfig(table=str(source)), library)
    folder = Folder(f"memory://campaign-{description.digest}")
    write_joined(folder, description.digest, table)
    rows = library.read_range(0, library.n_rows, ["mol_id", "inchikey"])
    both = JoinedTable(folder, description.digest, description.key).append(rows)
    return description, both.select(list(description.columns))


def test_the_index_of_a_data_frame_is_joined_under_a_name_of_its_own(
    library: LibraryStore, tmp_path: Path
) -> None:
    _, table = joined(CASES / "03_join_pandas_index.csv", library)
    assert table.to_pydict() == {"unnamed_1": [0, 1, 2], "price": [1, 2, 3]}
    (tmp_path / "a.csv").write_text(",smiles\n0,CCO\n")
    other = library_of([tmp_path / "a.csv"], tmp_path / "library")
    description, _ = joined(CASES / "03_join_pandas_index.csv", other)
    assert description.columns == ("price",)  # the library has an index of its own


def test_views_of_text_are_joined(library: LibraryStore) -> None:
    description, table = joined(CASES / "05_join_string_view.parquet", library)
    assert table.to_pydict() == {"note": ["a", "b", None], "price": [1, 2, None]}
    assert description.numeric == ("price",)
    assert description.no_numbers == {"note": "'a' in row 1"}


def test_leading_zeros_and_long_ids_are_joined(library: LibraryStore, tmp_path: Path) -> None:
    _, table = joined(CASES / "06_join_leading_zeros.csv", library)
    # one molecule of the file is not in the library, and one of the library is not in the file
    vendors = {"007", "011", "1234567890123456789012", None}
    assert set(table["vendor_id"].to_pylist()) <= vendors
    assert table.schema.field("vendor_id").type == pa.string()
    assert table.schema.field("price").type == pa.int64()


def test_a_name_that_repeats_is_refused(library: LibraryStore) -> None:
    with pytest.raises(ConfigError, match=r"2 columns \(2, 3\) are called 'price'"):
        joined(CASES / "07_join_repeated_column.csv", library)


TEXTS = ["1", "007", "+491", "1E05", "1.10", "-0", " 1", "1_000", "0x10", "TRUE", "NA", "None"]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("name", ["a.csv", "a.parquet"])
def test_text_stays_what_it_is(name: str, text: str, library: LibraryStore, tmp_path: Path) -> None:
    frame = pd.DataFrame({"smiles": SMILES, "code": [text, "x", None]})
    if name == "a.csv":
        frame.to_csv(tmp_path / name, index=False)
    else:
        frame.to_parquet(tmp_path / name)
    description, table = joined(tmp_path / name, library)
    assert table["code"].to_pylist() == [text, "x", None]
    assert description.numeric == ()
    where = "row 1" if text in ("1_000", "0x10") else "row 2"
    shown = text if where == "row 1" else "x"
    assert description.no_numbers == {"code": f"'{shown}' in {where}"}


def test_text_that_reads_as_numbers_can_be_ranked_by(library: LibraryStore, tmp_path: Path) -> None:
    lines = ["smiles,price,stock,lot", "CCO,1.10,5,NA", "CC#N,NA,,7", "CCOC(C)=O,20,6,on request"]
    (tmp_path / "a.csv").write_text("\n".join([*lines, "no molecule,ask,x,y"]) + "\n")
    description, table = joined(tmp_path / "a.csv", library)
    assert table["price"].to_pylist() == ["1.10", "NA", "20"]
    assert table["stock"].to_pylist() == [5, None, 6]
    assert description.numeric == ("price", "stock")
    assert description.no_numbers == {"lot": "'on request' in row 3"}
    schema = joined_schema(pa.schema([]), description)
    assert schema.field("price").type == pa.float64()
    assert schema.field("lot").type == pa.string()


OF_FRAMES = {
    "category": (pl.Series(["a", None, "b"], dtype=pl.Categorical), ["a", None, "b"]),
    "decimal": (pl.Series([Decimal("1.10"), None, Decimal(2)]), ["1.10", None, "2.00"]),
    "date": (pl.Series([date(2024, 5, 1), None, None]), ["2024-05-01", None, None]),
    "list": (pl.Series([[1, 2], [], None]), ["[1, 2]", "[]", None]),
    "struct": (pl.Series([{"a": "x"}] * 3), ['{"a": "x"}'] * 3),
    "bytes": (pl.Series([b"a", None, b"b"]), ["a", None, "b"]),
    "uint64": (
        pl.Series([2**64 - 1, None, 0], dtype=pl.UInt64),
        ["18446744073709551615", None, "0"],
    ),
    "boolean": (pl.Series([True, None, False]), ["true", None, "false"]),
    "no value": (pl.Series([None, None, None]), [None] * 3),
}


@pytest.mark.parametrize("name", OF_FRAMES)
def test_types_of_frames_are_joined(name: str, library: LibraryStore, tmp_path: Path) -> None:
    column, texts = OF_FRAMES[name]
    pl.DataFrame({"smiles": SMILES, "mine": column}).write_parquet(tmp_path / "a.parquet")
    _, table = joined(tmp_path / "a.parquet", library)
    assert readable(table["mine"]).to_pylist() == texts


@pytest.mark.parametrize("kind", [pa.large_string(), pa.string_view(), pa.binary(), "dictionary"])
def test_keys_of_every_type_are_read(
    kind: pa.DataType | str, library: LibraryStore, tmp_path: Path
) -> None:
    keys = pa.array(library.read_range(0, 3)["inchikey"].to_pylist())
    column = keys.dictionary_encode() if kind == "dictionary" else keys.cast(kind)
    table = pa.table({"InChIKey": column, "price": [1, 2, 3]})
    (tmp_path / "a.parquet").write_bytes(to_parquet(table))
    assert joined(tmp_path / "a.parquet", library)[1].to_pydict() == {"price": [1, 2, 3]}


def test_of_keys_that_differ_by_case_the_one_in_small_letters_is_taken(
    library: LibraryStore, tmp_path: Path
) -> None:
    (tmp_path / "a.csv").write_text("SMILES,smiles,Smiles\nx,CCO,y\n")
    _, table = joined(tmp_path / "a.csv", library)
    assert table.to_pydict() == {"SMILES": ["x", None, None], "Smiles": ["y", None, None]}


def test_a_table_is_kept_as_it_was_joined(library: LibraryStore, tmp_path: Path) -> None:
    nested = pa.table(
        {"smiles": SMILES, "tags": pa.array([["a"], None, []], pa.list_(pa.string_view()))}
    )
    (tmp_path / "a.parquet").write_bytes(to_parquet(nested))
    _, table = joined(tmp_path / "a.parquet", library)
    assert from_parquet(to_parquet(table))["tags"].to_pylist() == [["a"], None, []]
