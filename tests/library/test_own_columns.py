import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rdkit import Chem

from screener.errors import ConfigError
from screener.library.columns import (
    as_type,
    column_type,
    library_names,
    result_name,
    text_kind,
    wider_kind,
)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["1", " 20 ", "", None, "-3"], "int64"),
        (["1", "2.5", "1e-3", ".5", "NaN", "+4"], "float64"),
        (["007"], "string"),
        (["64-17-5"], "string"),
        (["1", "n/a"], "string"),
        (["1234567890123456789012"], "float64"),
        (["inf"], "string"),
        (["", None, "  "], "null"),
        ([], "null"),
    ],
)
def test_kinds_of_text(values: list[str | None], kind: str) -> None:
    assert text_kind(values) == kind


@given(st.lists(st.sampled_from(["1", "2.5", "x", "", None, "-7", "1e5"]), max_size=12), st.data())
def test_the_kind_does_not_depend_on_blocks(values: list[str | None], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(values)))
    assert wider_kind(text_kind(values[:cut]), text_kind(values[cut:])) == text_kind(values)


@given(st.lists(st.sampled_from(["1", " 2.5", "x y", "", None, "-7", "+1e5", "nan"]), max_size=12))
def test_every_value_fits_the_kind(values: list[str | None]) -> None:
    kind = column_type("own", text_kind(values), [])
    column = as_type(pa.chunked_array([pa.array(values, pa.string())]), kind)
    assert column.type == kind
    assert column.null_count == sum(value in ("", None) for value in values)


def test_types_of_several_inputs() -> None:
    assert column_type("a", None, [pa.int32(), pa.int32()]) == pa.int32()
    assert column_type("a", None, [pa.int32(), pa.int64()]) == pa.int64()
    assert column_type("a", "float64", [pa.int32()]) == pa.float64()
    assert column_type("a", "null", [pa.bool_()]) == pa.bool_()
    assert column_type("a", "string", [pa.int32()]) == pa.string()
    assert column_type("a", None, [pa.list_(pa.int32())]) == pa.list_(pa.int32())
    with pytest.raises(ConfigError, match="column 'a' has the types"):
        column_type("a", "int64", [pa.list_(pa.int32())])


def test_names_that_the_library_uses_get_a_prefix() -> None:
    assert library_names(["price", "charge"]) == {"price": "price", "charge": "input_charge"}
    with pytest.raises(ConfigError, match="rename"):
        library_names(["charge", "input_charge"])


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
