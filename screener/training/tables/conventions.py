"""How labels of a file are written, and what they are in our own terms.

A column is called as it is stored, `<quantity>_<theory>_<unit>` or `<quantity>_<unit>`. Whatever
unit a file uses is said by options and converted here once. Atomization energies differ between
files in two more ways: in their sign, and in whether they contain the zero-point energy (D0,
`ae0_...`) or not (De, `de_...`); here they are positive when bound.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from screener.registry.own_quantities import ATOMIZATION_ENERGY_0K, BINDING_ENERGY
from screener.registry.quantities import Column
from screener.registry.units import Unit

FloatArray = NDArray[np.float64]

Sign = Literal["bound-positive", "bound-negative"]
ZeroPoint = Literal["included", "none"]


def is_atomization(column: Column) -> bool:
    """Whether sign and zero-point convention matter."""
    # by name: the card of a bundle says less of a quantity than the registry
    return column.quantity.name in (ATOMIZATION_ENERGY_0K.name, BINDING_ENERGY.name)


def has_zero_point(column: Column) -> bool:
    """Whether it contains the zero-point energy by definition."""
    return column.quantity.name == ATOMIZATION_ENERGY_0K.name


def stored(values: FloatArray, column: Column, unit: Unit, sign: Sign) -> FloatArray:
    """Labels in the unit and with the sign that the column is stored in.

    Args:
        values: (n,), as the file has them.
        column: what they are.
        unit: that they are in.
        sign: of atomization energies; says nothing about others.
    Returns:
        float64 (n,), in the unit of the column.
    Raises:
        ConfigError: the column cannot be given in that unit.
    """
    converted = unit.convert(values, column.quantity.unit)
    if is_atomization(column) and sign == "bound-negative":
        converted = -converted
    return converted
