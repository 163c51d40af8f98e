"""Columns of every type that data frames write, as SMILES, labels and choices of rows."""

from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from screener.errors import ConfigError
from screener.records import Structure
from screener.stores.files import to_parquet
from screener.training.tables.options import TableOptions
from screener.training.tables.rows import read_rows, read_texts

CASES = Path(__file__).parents[2] / "cases"
HOMO = "homo_b3lyp_ev"


def options(path: Path, **more: object) -> TableOptions:
    return TableOptions(path=str(path), labels={HOMO: "homo"}, **({"smiles": "smiles"} | more))


def written(table: pa.Table, folder: Path) -> Path:
    (folder / "a.parquet").write_bytes(to_parquet(table))
    return folder / "a.parquet"


def test_views_of_text_are_smiles() -> None:
    rows = read_rows(options(CASES / "05_evaluate_string_view.parquet"))
    assert rows.smiles[:2] == ("CCO", "C C # N")
    np.testing.assert_array_equal(rows.labels[HOMO][-3:], [1.0, 1.0, np.nan])


SMILES = pa.array(["CCO", None])


@pytest.mark.parametrize(
    "smiles",
    [
        *(SMILES.cast(kind) for kind in (pa.large_string(), pa.string_view(), pa.large_binary())),
        SMILES.dictionary_encode(),
        SMILES.cast(pa.large_string()).dictionary_encode(),
    ],
    ids=lambda column: str(column.type),
)
def test_smiles_of_every_type(smiles: pa.Array, tmp_path: Path) -> None:
    table = pa.table({"smiles": smiles, "homo": [-7.0, -8.0]})
    assert read_rows(options(written(table, tmp_path))).smiles == ("CCO", None)


@pytest.mark.parametrize(
    "labels",
    [
        pa.array([Decimal("1.50"), None]),
        pa.array([Decimal("1.50"), None], pa.decimal32(5, 2)),
        pa.array([1.5, None], pa.float16()),
        pa.array([1.5, float("inf")]),
        pa.array(["1.50", "NA"]),
        pa.array(["+1.5E0", ""]).dictionary_encode(),
        pa.array([b"1.5", None]),
    ],
    ids=lambda column: str(column.type),
)
def test_labels_of_every_type(labels: pa.Array, tmp_path: Path) -> None:
    table = pa.table({"smiles": SMILES, "homo": labels})
    read = read_rows(options(written(table, tmp_path))).labels[HOMO]
    np.testing.assert_array_equal(read, [1.5, np.nan])


def test_integers_that_no_float_holds_are_rounded(tmp_path: Path) -> None:
    table = pa.table({"smiles": SMILES, "homo": pa.array([2**64 - 1, 2**53 + 1], pa.uint64())})
    labels = read_rows(options(written(table, tmp_path))).labels[HOMO]
    np.testing.assert_array_equal(labels, [2.0**64, 2.0**53])


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (pa.array(["1", "ask"]), "column homo does not hold numbers: 'ask' in row 2;"),
        (pa.array([[1.0], None]), r"column homo does not hold numbers: it holds list<"),
        (pa.array([b"\xff", None]), "column homo does not hold numbers: it holds binary"),
        (pa.array([0, 1], pa.timestamp("s")), r"does not hold numbers: it holds timestamp"),
    ],
)
def test_labels_that_are_no_numbers_are_told(
    labels: pa.Array, message: str, tmp_path: Path
) -> None:
    path = written(pa.table({"smiles": SMILES, "homo": labels}), tmp_path)
    with pytest.raises(ConfigError, match=message):
        read_rows(options(path))


def test_rows_are_chosen_by_what_stands_there(tmp_path: Path) -> None:
    lots = ["007", "7", "7.0", "1E05", "true", "TRUE", "NA"]
    frame = pd.DataFrame({"smiles": ["CCO"] * 7, "homo": range(7), "lot": lots})
    frame.to_csv(tmp_path / "a.csv", index=False)
    frame.to_parquet(tmp_path / "b.parquet")
    for name in ("a.csv", "b.parquet"):
        for place, lot in enumerate(lots):
            rows = read_rows(options(tmp_path / name, where={"lot": lot}))
            assert rows.numbers.tolist() == [place]
        assert read_texts(str(tmp_path / name), "lot", np.arange(7)) == lots


def test_rows_are_chosen_by_values_of_every_type(tmp_path: Path) -> None:
    columns = {
        "flag": (pa.array([True, False]), "false"),
        "number": (pa.array([1.0, 2.0]), "2.0"),
        "count": (pa.array([1, 2], pa.uint8()), "2"),
        "kind": (pa.array(["a", "b"]).dictionary_encode(), "b"),
        "price": (pa.array([Decimal("1.10"), Decimal("2.20")]), "2.20"),
    }
    table = pa.table(
        {"smiles": SMILES, "homo": [1.0, 2.0]} | {k: v for k, (v, _) in columns.items()}
    )
    path = written(table, tmp_path)
    for name, (_, value) in columns.items():
        assert read_rows(options(path, where={name: value})).numbers.tolist() == [1]


FLAT = [0.0, 0.0, 0.125, 0.0, 0.75, -0.5, 0.0, -0.75, -0.5]
NESTED = [FLAT[0:3], FLAT[3:6], FLAT[6:9]]


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (pa.list_(pa.float64(), 9), FLAT),
        (pa.large_list(pa.float32()), FLAT),
        (pa.list_(pa.list_(pa.float64(), 3), 3), NESTED),
        (pa.large_list(pa.large_list(pa.float16())), NESTED),
    ],
    ids=str,
)
def test_positions_in_every_sort_of_list(
    kind: pa.DataType, values: list[object], tmp_path: Path
) -> None:
    table = pa.table(
        {
            "at": pa.array([values], kind),
            "numbers": pa.array([[8, 1, 1]], pa.large_list(pa.uint8())),
            "homo": [-7.0],
        }
    )
    where = {"positions": "at", "atomic_numbers": "numbers", "geometry": "gfn2-opt"}
    (geometry,) = read_rows(options(written(table, tmp_path), smiles=None, **where)).geometries
    assert isinstance(geometry, Structure)
    np.testing.assert_array_equal(geometry.positions.ravel(), np.array(FLAT, dtype=np.float32))


def test_a_name_that_repeats_is_refused(tmp_path: Path) -> None:
    twice = pa.table([SMILES, [1.0, 2.0], [3.0, 4.0]], names=["smiles", "homo", "homo"])
    with pytest.raises(ConfigError, match=r"2 columns \(2, 3\) are called 'homo'"):
        read_rows(options(written(twice, tmp_path)))
    (tmp_path / "a.csv").write_text("smiles,homo,homo\nCCO,1,2\n")
    with pytest.raises(ConfigError, match=r"2 columns \(2, 3\) are called 'homo'"):
        read_rows(options(tmp_path / "a.csv"))
