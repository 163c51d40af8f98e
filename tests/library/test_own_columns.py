from collections.abc import Sequence

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rdkit import Chem

from screener.errors import ConfigError
from screener.library.columns import (
    ColumnFacts,
    as_type,
    column_facts,
    column_type,
    distinct_names,
    is_unnamed,
    library_name,
    result_name,
    why_no_numbers,
)

NEUTRAL = column_facts(pa.chunked_array([], pa.string()), from_text=True)[0]


def texts(values: Sequence[str | None]) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(values, pa.string())])


def facts_of(values: Sequence[str | None]) -> ColumnFacts:
    return column_facts(texts(values), from_text=True)[0]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["1", "20", None, "-3"], pa.int64()),
        (["1", "2.5", "0.001", "-7"], pa.float64()),
        (["9223372036854775807", "-9223372036854775808"], pa.int64()),
        ([None, None], pa.string()),
        ([], pa.string()),
        *(
            (["1", text], pa.string())
            for text in (
                *("007", "+491", "1E05", "1e5", "1.10", "1.0", "1.", ".5", " 1", "1 ", "1_000"),
                *("0x10", "TRUE", "true", "NA", "NaN", "nan", "None", "inf", "-", "=1", "\t1"),
                *("11898508762506083287", "9223372036854775808", "64-17-5", "1,5", "1,000"),
                *("٣", "１"),
            )
        ),
        (["9007199254740993", "2.5"], pa.string()),  # no float64 holds the first
        (["-0"], pa.float64()),  # which has a zero with a sign
    ],
)
def test_text_becomes_numbers_only_where_it_comes_back(
    values: list[str | None], kind: pa.DataType
) -> None:
    assert column_type("own", facts_of(values), []) == kind
    back = as_type(texts(values), kind).cast(pa.string())
    assert back.to_pylist() == values


CELLS = st.none() | st.sampled_from(
    [*("1", "2.5", "x", "-7", "1e5", "1E05", "007", "-0", " 1", "NA", "1.10", "9007199254740993")]
)


@given(st.lists(CELLS, max_size=12), st.data())
def test_the_type_does_not_depend_on_blocks(values: list[str | None], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(values)))
    parts = facts_of(values[:cut]).and_(facts_of(values[cut:]))
    assert column_type("own", parts, []) == column_type("own", facts_of(values), [])
    assert parts.and_(NEUTRAL) == parts


@given(st.lists(st.integers().map(str) | st.floats().map(repr) | st.floats().map("{:.3g}".format)))
def test_whatever_numbers_are_written_they_come_back(values: list[str]) -> None:
    kind = column_type("own", facts_of(values), [])
    assert as_type(texts(values), kind).cast(pa.string()).to_pylist() == values


def typed(values: Sequence[object], kind: pa.DataType) -> ColumnFacts:
    return column_facts(pa.chunked_array([pa.array(values, kind)]), from_text=False)[0]


def test_types_of_several_inputs() -> None:
    one = facts_of(["1"])
    assert column_type("a", NEUTRAL, [pa.int32(), pa.int32()]) == pa.int32()
    assert column_type("a", NEUTRAL, [pa.int32(), pa.int64()]) == pa.int64()
    assert column_type("a", facts_of(["2.5"]), [pa.int32()]) == pa.float64()
    assert column_type("a", facts_of([None]), [pa.bool_()]) == pa.bool_()
    assert column_type("a", facts_of(["x"]), [pa.int32()]) == pa.string()
    assert column_type("a", NEUTRAL, [pa.null(), pa.int8()]) == pa.int8()
    assert column_type("a", NEUTRAL, [pa.null()]) == pa.null()
    assert column_type("a", one, [pa.bool_()]) == pa.string()
    assert column_type("a", one, [pa.string()]) == pa.string()
    assert column_type("a", NEUTRAL, [pa.list_(pa.int32())]) == pa.list_(pa.int32())
    with pytest.raises(ConfigError, match="column 'a' has the types"):
        column_type("a", one, [pa.list_(pa.int32())])


def test_integers_that_no_common_type_holds_become_digits() -> None:
    large = typed([2**64 - 1], pa.uint64())
    kind = column_type("a", large.and_(typed([-1], pa.int64())), [pa.uint64(), pa.int64()])
    assert as_type(pa.chunked_array([pa.array([2**64 - 1], pa.uint64())]), kind).cast(
        pa.string()
    ).to_pylist() == ["18446744073709551615"]
    exact, beyond = typed([2**53, None], pa.int64()), typed([-(2**53) - 1], pa.int64())
    kinds = [pa.int64(), pa.float64()]
    assert column_type("a", exact, kinds) == pa.float64()
    assert column_type("a", exact.and_(beyond), kinds) == pa.string()


def test_bytes_are_text_where_all_of_them_are() -> None:
    text, no_text = typed([b"a", "\u00e9".encode()], pa.binary()), typed([b"\xff"], pa.binary())
    assert column_type("a", text, [pa.binary()]) == pa.string()
    assert column_type("a", text.and_(no_text), [pa.binary()]) == pa.binary()
    assert column_type("a", text, [pa.binary(), pa.string()]) == pa.string()
    with pytest.raises(ConfigError, match="binary, string in different inputs"):
        column_type("a", no_text, [pa.binary(), pa.string()])


def test_the_first_value_that_is_no_number_is_told() -> None:
    column = texts([None, "1.10", "NA", " 7 ", "n/a", "+1E05", "true", "ask", "12 EUR"])
    assert column_facts(column, from_text=True)[1] == (7, "ask")
    assert why_no_numbers(pa.string(), "'ask' in a.csv:8", []) == "'ask' in a.csv:8"
    assert why_no_numbers(pa.string(), None, [pa.int64(), pa.bool_()]) is None
    assert why_no_numbers(pa.string(), None, [pa.date32()]) == "values of the type date32[day]"
    assert why_no_numbers(pa.int64(), None, []) is None


def test_names_that_the_library_uses_get_a_prefix() -> None:
    names = ["price", "charge", "input_charge", "input_input_charge", "input_price"]
    stored = [library_name(name) for name in names]
    assert stored == [
        "price",
        "input_charge",
        "input_input_charge",
        "input_input_input_charge",
        "input_price",
    ]


@pytest.mark.parametrize(
    ("names", "given"),
    [
        (["", "smiles"], ["unnamed_1", "smiles"]),  # the index of a data frame
        (["smiles", "id", "", ""], ["smiles", "id", "unnamed_3", "unnamed_4"]),
        (["a", " ", "b"], ["a", "unnamed_2", "b"]),
        (["Price", "price", "two\nlines"], ["Price", "price", "two\nlines"]),
    ],
)
def test_a_column_without_a_name_is_called_by_its_place(names: list[str], given: list[str]) -> None:
    assert distinct_names(names, "a.csv") == given
    assert [is_unnamed(each) for each in given] == [not name.strip() for name in names]


def test_a_name_that_repeats_is_refused_with_its_places() -> None:
    message = r"a.csv: 2 columns \(2, 4\) are called 'price'"
    with pytest.raises(ConfigError, match=message):
        distinct_names(["smiles", "price", "id", "price"], "a.csv")
    with pytest.raises(ConfigError, match="'unnamed_2'"):
        distinct_names(["unnamed_2", ""], "a.csv")


@pytest.mark.parametrize(
    ("name", "fit"),
    [
        ("price", "price"),
        ("IC50 (nM), 25 °C", "IC50 (nM), 25 °C"),
        (" price ", "price"),
        ("a<b", "a_b"),
        ("x>\n\n$$$$", "x_$$$$"),
        ("two\r\nlines", "two_lines"),
        ("_Name", "own_Name"),
        ("__computedProps", "own__computedProps"),
        ("<price>", "own_price_"),
        ("numArom", "own_numArom"),
        ("", "unnamed"),
        (" \t", "unnamed"),
    ],
)
def test_names_in_results_fit_an_sd_file(name: str, fit: str) -> None:
    assert result_name(name) == fit
    assert result_name(fit) == fit


@given(name=st.text(st.characters(exclude_categories=["Cs"])))
def test_any_name_comes_out_of_an_sd_file_as_it_went_in(name: str) -> None:
    fit = result_name(name)
    molecule = Chem.MolFromSmiles("CO")
    molecule.SetProp(fit, "value")
    text = Chem.SDWriter.GetText(molecule)
    supplier = Chem.SDMolSupplier()
    supplier.SetData(text)
    (found,) = supplier
    assert found.GetPropsAsDict() == {fit: "value"}
    assert found.GetProp("_Name") == ""
