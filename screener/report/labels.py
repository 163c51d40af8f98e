"""How columns and numbers are written for a reader: names, units, meaningful digits."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from screener.registry.columns import PER_ATOM, columns, quantity, theories


@dataclass(frozen=True, slots=True)
class Label:
    """A column in words."""

    name: str
    fidelity: str  # empty where none applies
    unit: str  # empty for counts and own columns
    digits: int | None  # after the point; None: four significant ones


def label_of(column: str) -> Label:
    """The words for a column; an own column keeps its name."""
    known = columns().get(column)
    if known is None:
        return Label(column, "", "", None)
    return Label(known.quantity.label, theories().get(known.theory, ""), known.unit, known.digits)


def corrected(row: Mapping[str, Any], column: str) -> tuple[float | None, str]:
    """What a delta model corrected to get a value, and at which level of theory that is.

    Args:
        row: values by column.
        column: that the model predicts.
    Returns:
        the low value, None where nothing was corrected, and its level of theory, empty where the
        row does not tell it.
    """
    delta, known = row.get(f"{column}_delta"), columns().get(column)
    if delta is None or row.get(column) is None:
        return None, ""
    low = float(row[column]) - float(delta)
    if known is None:
        return low, ""
    whole = column.removesuffix(PER_ATOM)
    wanted = low if whole == column else _difference(row.get(whole), row.get(f"{whole}_delta"))
    counterpart = quantity(known.quantity.low_counterpart or known.quantity.name)
    for theory, label in theories().items():
        for each in (counterpart, known.quantity):
            stored = row.get(each.column(theory))
            if stored is not None and math.isclose(stored, wanted, rel_tol=1e-9, abs_tol=1e-9):
                return low if known.per_atom else stored, label
    return low, ""


def _difference(value: float | None, delta: float | None) -> float:
    return math.nan if value is None or delta is None else value - delta


def written(value: float | None, label: Label, *, sign: bool = False) -> str:
    """A number with the digits that mean something, a true minus, and an en dash for none.

    Args:
        value: in the column's unit.
        label: of the column.
        sign: whether a plus is written too, for corrections.
    Returns:
        the number as text, without its unit.
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
