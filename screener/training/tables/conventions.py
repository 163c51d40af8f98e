"""How outside labels are written, and what they are in our own terms.

A quantity is named as it is stored, `<quantity>_<fidelity>_<unit>`: `ae0_b3lyp_kcal` is an
atomization energy with the zero-point energy (D0), `de_gfn2_kcal` one without (De), both positive
when bound; `homo`, `lumo` and `gap` are in eV, `dipole` in debye. Whatever a file uses instead is
said by options and converted here once.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from screener.errors import ConfigError
from screener.units import DEBYE_PER_ATOMIC_UNIT, EV_PER_HARTREE, KCAL_PER_HARTREE

FloatArray = NDArray[np.float64]

Sign = Literal["bound-positive", "bound-negative"]
ZeroPoint = Literal["included", "none"]
EnergyUnit = Literal["kcal/mol", "kJ/mol", "eV", "hartree"]
Unit = Literal["kcal/mol", "kJ/mol", "eV", "hartree", "debye", "atomic"]

KJ_PER_KCAL = 4.184
PER_HARTREE: dict[str, float] = {
    "kcal/mol": KCAL_PER_HARTREE,
    "kJ/mol": KCAL_PER_HARTREE * KJ_PER_KCAL,
    "eV": EV_PER_HARTREE,
    "hartree": 1.0,
}
PER_ATOMIC_DIPOLE: dict[str, float] = {"debye": DEBYE_PER_ATOMIC_UNIT, "atomic": 1.0}
ENDINGS = {"kcal": "kcal/mol", "ev": "eV", "ha": "hartree", "debye": "debye"}
ATOMIZATION = ("ae0", "de")
ORBITAL = ("homo", "lumo", "gap")


@dataclass(frozen=True, slots=True)
class Named:
    """A stored quantity, taken apart."""

    name: str
    observable: str
    fidelity: str
    unit: str

    @property
    def is_atomization(self) -> bool:
        """Whether sign and zero-point convention matter."""
        return self.observable in ATOMIZATION

    @property
    def has_zero_point(self) -> bool:
        """Whether it contains the zero-point energy by definition."""
        return self.observable == "ae0"

    def given_in(self, unit: str) -> float:
        """The factor from `unit` to the unit that it is stored in.

        Raises:
            ConfigError: it cannot be given in that unit.
        """
        for table in (PER_HARTREE, PER_ATOMIC_DIPOLE):
            if self.unit in table and unit in table:
                return table[self.unit] / table[unit]
        raise ConfigError(f"{self.name} is in {self.unit}; labels in {unit} cannot be that")


def parse_quantity(name: str) -> Named:
    """A quantity by its stored name.

    Raises:
        ConfigError: the name does not say property, fidelity and unit.
    """
    parts = name.split("_")
    if len(parts) != 3 or parts[2] not in ENDINGS or not all(parts):
        raise ConfigError(
            f"{name!r} is no quantity: write <quantity>_<fidelity>_<unit>, such as "
            f"ae0_b3lyp_kcal; units are {', '.join(ENDINGS)}"
        )
    return Named(name, parts[0], parts[1], ENDINGS[parts[2]])


def stored(values: FloatArray, quantity: Named, unit: str, sign: Sign) -> FloatArray:
    """Labels in the unit and with the sign that the quantity is stored in.

    Args:
        values: (n,), as the file has them.
        quantity: what they are.
        unit: that they are in.
        sign: of atomization energies; says nothing about others.
    """
    factor = quantity.given_in(unit)
    if quantity.is_atomization and sign == "bound-negative":
        factor = -factor
    result: FloatArray = values * factor
    return result
