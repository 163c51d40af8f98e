"""Units: how they end the name of a column, how they are written, and how they convert."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from screener.errors import ConfigError
from screener.units import DEBYE_PER_ATOMIC_UNIT, EV_PER_HARTREE, KCAL_PER_HARTREE

FloatArray = NDArray[np.float64]

KJ_PER_KCAL = 4.184
NUMBER = "number"  # the dimension of what has no unit


@dataclass(frozen=True, slots=True)
class Unit:
    """One unit.

    Args:
        name: as people write it in files and options, such as `kcal/mol`.
        ending: of columns in this unit, such as `kcal`; empty where no column is stored in it.
        dimension: units of one dimension convert into each other.
        factor: how much of the dimension's base unit one of this unit is.
        offset: added after the factor, in the base unit, as for degrees Celsius.
        text: as a reader sees it, where that is not the name; numbers have none.
        digits: after the point, that mean something.
    """

    name: str
    ending: str
    dimension: str
    factor: float = 1.0
    offset: float = 0.0
    text: str = ""
    digits: int = 2

    @property
    def written(self) -> str:
        """As a reader sees it; empty for numbers."""
        return "" if self.dimension == NUMBER else self.text or self.name

    def convert(self, values: FloatArray, other: "Unit") -> FloatArray:
        """Values in this unit, given in another.

        Args:
            values: float64 (n,), in this unit.
            other: the unit wanted.
        Returns:
            float64 (n,), in the other unit.
        Raises:
            ConfigError: the units are of different dimensions.
        """
        if other.dimension != self.dimension:
            raise ConfigError(
                f"{self.name} is a unit of {self.dimension}, and {other.name} one of "
                f"{other.dimension}: values in one cannot be given in the other"
            )
        if other == self:
            return values
        return (values * self.factor + self.offset - other.offset) / other.factor


KCAL = Unit("kcal/mol", "kcal", "energy", 1.0 / KCAL_PER_HARTREE, digits=1)
KJ = Unit("kJ/mol", "kj", "energy", 1.0 / KCAL_PER_HARTREE / KJ_PER_KCAL, digits=1)
EV = Unit("eV", "ev", "energy", 1.0 / EV_PER_HARTREE)
HARTREE = Unit("hartree", "ha", "energy", 1.0, digits=5)
DEBYE = Unit("debye", "debye", "dipole moment", 1.0 / DEBYE_PER_ATOMIC_UNIT, text="D")
ATOMIC_DIPOLE = Unit("atomic", "", "dipole moment", 1.0, text="e a₀", digits=3)
VOLT_LI = Unit("V vs Li", "v_li", "potential", 1.0, text="V against Li/Li⁺")
# of potentials that are off by a shift nobody took away: they compare with one another alone
VOLT_LI_UNCORRECTED = Unit(
    "V vs Li, uncorrected",
    "v_li",
    "uncorrected potential",
    1.0,
    text="V against Li/Li⁺, uncorrected",
)
KELVIN = Unit("K", "k", "temperature", 1.0, digits=1)
CELSIUS = Unit("degC", "degc", "temperature", 1.0, 273.15, text="°C", digits=1)
GRAM_PER_CM3 = Unit("g/cm3", "g_cm3", "density", 1.0, text="g/cm³", digits=3)
KG_PER_M3 = Unit("kg/m3", "kg_m3", "density", 1e-3, text="kg/m³", digits=0)
MPA_S = Unit("mPa s", "mpas", "viscosity", 1.0, digits=2)
PA_S = Unit("Pa s", "pas", "viscosity", 1e3, digits=5)
ONE = Unit("1", "", NUMBER, 1.0)
COUNT = Unit("count", "", NUMBER, 1.0, digits=0)

COMMON_UNITS = (
    KCAL,
    KJ,
    EV,
    HARTREE,
    DEBYE,
    ATOMIC_DIPOLE,
    VOLT_LI,
    VOLT_LI_UNCORRECTED,
    KELVIN,
    CELSIUS,
    GRAM_PER_CM3,
    KG_PER_M3,
    MPA_S,
    PA_S,
    ONE,
    COUNT,
)


def units_by_name(more: Iterable[Unit] = ()) -> Mapping[str, Unit]:
    """Common units and those of somebody's own, by name.

    Args:
        more: units of quantities of plug-ins or of a configuration file.
    Raises:
        ConfigError: two different units have one name.
    """
    units: dict[str, Unit] = {}
    for unit in (*COMMON_UNITS, *more):
        if units.setdefault(unit.name, unit) != unit:
            raise ConfigError(f"there are two different units called {unit.name!r}")
    return units
