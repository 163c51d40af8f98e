"""What is written as TOML is read back as it was."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from screener.stores.frozen_toml import to_toml

TEXT = st.text(st.characters(blacklist_categories=("Cs",)), max_size=12)
SCALARS = TEXT | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False) | st.booleans()
VALUES = st.recursive(
    SCALARS | st.lists(SCALARS, max_size=3),
    lambda inner: (
        st.dictionaries(TEXT, inner, max_size=3)
        | st.lists(st.dictionaries(TEXT, inner, max_size=3), min_size=1, max_size=3)
    ),
    max_leaves=12,
)


@given(st.dictionaries(TEXT, VALUES, max_size=5))
def test_values_come_back(values):
    assert tomllib.loads(to_toml(values)) == values


def test_none_is_left_out_and_other_types_are_refused():
    assert to_toml({"a": None, "b": {"c": None}}) == "[b]\n"
    with pytest.raises(TypeError, match="bytes has no form"):
        to_toml({"a": b"x"})


def test_text_is_readable():
    text = to_toml({"top": 100, "stages": [{"bundle": "qm9-mmff94-direct", "unit_rows": 512}]})
    assert text == 'top = 100\n\n[[stages]]\nbundle = "qm9-mmff94-direct"\nunit_rows = 512\n'
