"""What must hold of a quantity."""

import numpy as np

from screener.registry.columns import quantities
from screener.registry.quantities import Quantity
from screener.registry.units import NUMBER, Unit
from screener.testing.claims import claim, claim_name


def check_quantity(quantity: Quantity) -> None:
    """Check a quantity: its name and columns, its unit, its bounds and typical ranges.

    Args:
        quantity: registered or not.
    Raises:
        AssertionError: says what is wrong.
    """
    name = quantity.name
    claim_name("the quantity", name)
    claim("-" not in name, f"quantity {name}: a name is part of columns, so it has no '-'")
    claim(quantity.label.strip(), f"quantity {name} has no label for a reader")
    _check_unit(quantity)
    lower = -np.inf if quantity.lower is None else quantity.lower
    upper = np.inf if quantity.upper is None else quantity.upper
    claim(lower < upper, f"quantity {name}: its bounds {lower} and {upper} leave no value")
    for theory, (low, high) in quantity.typical.items():
        where = f"quantity {name}: the typical range {low} to {high} of {theory or 'its values'}"
        claim(low < high, f"{where} is empty")
        if not theory.endswith("/atom"):
            claim(lower <= low and high <= upper, f"{where} is outside its bounds")
    others = {**quantities(), name: quantity}
    for part in (*(quantity.difference or ()), quantity.low_counterpart):
        claim(part is None or part in others, f"quantity {name}: there is no quantity {part!r}")
    for part in quantity.difference or ():
        claim(
            others[part].unit == quantity.unit,
            f"quantity {name} is a difference of {part}, which has another unit",
        )
    claim(
        not set(quantity.former) & set(others),
        f"quantity {name}: a former name of it is the name of a quantity",
    )
    taken = {each.column(): each.name for each in quantities().values() if each.name != name}
    claim(
        quantity.column() not in taken,
        f"quantity {name}: {quantity.column()} is the column of {taken.get(quantity.column())}",
    )


def _check_unit(quantity: Quantity) -> None:
    unit, name = quantity.unit, quantity.name
    claim(
        unit.ending or unit.dimension == NUMBER,
        f"quantity {name}: unit {unit.name} has no ending, so that its columns name no unit",
    )
    claim(unit.factor != 0.0, f"quantity {name}: unit {unit.name} has the factor 0")
    claim(unit.digits >= 0, f"quantity {name}: unit {unit.name} has {unit.digits} digits")
    for other in {each.unit for each in quantities().values()}:
        if other.dimension != unit.dimension:
            continue
        values = np.array([-1.5, 0.0, 300.0])
        back = other.convert(unit.convert(values, other), unit)
        claim(
            np.allclose(back, values, rtol=1e-9, atol=1e-9),
            f"quantity {name}: values in {unit.name} are others after {other.name} and back",
        )
        claim(
            other.ending != unit.ending or _same_scale(unit, other),
            f"quantity {name}: units {unit.name} and {other.name} end columns alike",
        )


def _same_scale(one: Unit, other: Unit) -> bool:
    """Whether a number means the same in both units, as with numbers and counts."""
    return (one.factor, one.offset) == (other.factor, other.offset)
