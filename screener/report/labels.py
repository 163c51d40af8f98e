"""How columns and numbers are written for a reader: names, units, meaningful digits."""

import math
import re
from dataclasses import dataclass

from screener.units import UNITS_OF_COLUMNS

_QUANTITIES = {
    "ae0": "atomization energy, 0 K",
    "de": "binding energy without zero point",
    "energy": "total energy",
    "homo": "HOMO",
    "lumo": "LUMO",
    "gap": "HOMO–LUMO gap",
    "dipole": "dipole moment",
    "ip": "vertical ionisation potential, uncorrected",
    "ea": "vertical electron affinity, uncorrected",
    "eox": "vertical oxidation, uncorrected",
    "ered": "vertical reduction, uncorrected",
}
_FIDELITIES = {"gfn2": "GFN2-xTB", "b3lyp": "B3LYP", "g4mp2": "G4MP2"}
# unit of a column -> digits after the point
_DIGITS = {"kcal_per_atom": 2, "kcal": 1, "ev": 2, "debye": 2, "ha": 5, "v_li": 2}
_COUNTS = {
    "n_heavy": "heavy atoms",
    "n_atoms": "atoms, hydrogens included",
    "charge": "charge",
    "n_undefined_stereo": "stereo centres left open",
}
_PREDICTED = re.compile(
    rf"(?P<quantity>{'|'.join(_QUANTITIES)})_(?P<fidelity>{'|'.join(_FIDELITIES)})"
    rf"_(?P<unit>{'|'.join(_DIGITS)})"
)


@dataclass(frozen=True, slots=True)
class Label:
    """A column in words."""

    name: str
    fidelity: str  # empty where none applies
    unit: str  # empty for counts and own columns
    digits: int | None  # after the point; None: four significant ones


def label_of(column: str) -> Label:
    """The words for a column; an own column keeps its name."""
    found = _PREDICTED.fullmatch(column)
    if found:
        return Label(
            _QUANTITIES[found["quantity"]],
            _FIDELITIES[found["fidelity"]],
            UNITS_OF_COLUMNS[found["unit"]],
            _DIGITS[found["unit"]],
        )
    if column in _COUNTS:
        return Label(_COUNTS[column], "", "", 0)
    return Label(column, "", "", None)


def low_column(column: str) -> str | None:
    """The low-fidelity column that a delta model corrects to get this one; None without one."""
    found = _PREDICTED.fullmatch(column)
    if not found or found["fidelity"] == "gfn2" or found["unit"] == "kcal_per_atom":
        return None
    quantity = "de" if found["quantity"] == "ae0" else found["quantity"]
    return f"{quantity}_gfn2_{found['unit']}"


def low_name(column: str) -> str:
    """The level of theory that a delta model corrects to get this column; empty without one."""
    found = _PREDICTED.fullmatch(column)
    return "GFN2" if found and found["fidelity"] != "gfn2" else ""


def written(value: float | None, label: Label, *, sign: bool = False) -> str:
    """A number with the digits that mean something, a true minus, and an en dash for none.

    Args:
        value: in the column's unit.
        label: of the column.
        sign: whether a plus is written too, for corrections.
    """
    if value is None or math.isnan(value):
        return "–"
    if label.digits is None:
        text = f"{value:+.4g}" if sign else f"{value:.4g}"
    else:
        text = f"{value:+.{label.digits}f}" if sign else f"{value:.{label.digits}f}"
    if re.fullmatch(r"-0(\.0*)?", text):
        text = text[1:]
    return text.replace("-", "−")


def counted(number: int) -> str:
    """A count with thin spaces between thousands."""
    return f"{number:,}".replace(",", "\u202f")
