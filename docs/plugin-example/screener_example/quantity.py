"""The normal boiling point, a measured quantity: its column is `boiling_point_k`."""

from screener.registry.quantities import Quantity
from screener.registry.units import KELVIN

BOILING_POINT = Quantity(
    name="boiling_point",
    label="normal boiling point",
    unit=KELVIN,
    lower=0.0,
    typical={"": (250.0, 600.0)},  # dimethyl ether 248, triglyme 489, sulfolane 558
    source="at 101.325 kPa",
)
