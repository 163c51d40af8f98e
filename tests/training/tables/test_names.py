"""Quantities and units of a configuration file, beside those that are registered."""

import numpy as np
import pytest

from screener.errors import ConfigError
from screener.training.tables.names import QuantityConfig, UnitConfig, names_of

FAHRENHEIT = UnitConfig(of="degC", factor=5 / 9, offset=-160 / 9)
BOILING_POINT = QuantityConfig(unit="K", lower=0.0, label="boiling point")


def test_a_unit_of_ones_own_converts_into_those_of_its_dimension():
    names = names_of({"degF": FAHRENHEIT})
    kelvin = names.unit("degF").convert(np.array([32.0, 212.0]), names.unit("K"))
    np.testing.assert_allclose(kelvin, [273.15, 373.15])
    with pytest.raises(ConfigError, match="degF is a unit of temperature"):
        names.unit("degF").convert(np.ones(1), names.unit("eV"))


def test_a_quantity_of_ones_own_has_columns_like_others():
    names = names_of({}, {"boiling_point": BOILING_POINT})
    column = names.column("boiling_point_k")
    assert (column.quantity.label, column.unit, column.theory) == ("boiling point", "K", "")
    assert names.column("boiling_point_gfn2_k").theory == "gfn2"
    assert names.column("homo_b3lyp_ev").quantity.name == "homo"


def test_a_unit_that_converts_into_nothing_is_a_dimension_of_its_own():
    names = names_of({"mS/cm": UnitConfig()}, {"conductivity": QuantityConfig(unit="mS/cm")})
    column = names.column("conductivity_ms_cm")
    assert column.unit == "mS/cm"
    with pytest.raises(ConfigError, match="cannot be given"):
        column.quantity.unit.convert(np.ones(1), names.unit("K"))


@pytest.mark.parametrize(
    ("units", "quantities", "message"),
    [
        ({"K": UnitConfig()}, {}, "a unit of this name already"),
        ({"degF": UnitConfig(of="furlong")}, {}, "no unit 'furlong'"),
        ({}, {"homo": QuantityConfig(unit="eV")}, "is registered already"),
        ({}, {"Boiling point": BOILING_POINT}, "is no name of columns"),
        ({}, {"boiling_point": QuantityConfig(unit="furlong")}, "no unit 'furlong'"),
    ],
)
def test_names_that_are_taken_or_not_known_are_refused(units, quantities, message):
    with pytest.raises(ConfigError, match=message):
        names_of(units, quantities)


def test_a_column_that_nothing_makes_is_refused():
    with pytest.raises(ConfigError, match=r"boiling_point_k.*is no column.*\[quantities.NAME\]"):
        names_of().column("boiling_point_k")
