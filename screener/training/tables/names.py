"""Quantities and units that a table may have: those that are registered, and a person's own.

A configuration file names further ones:

    [units.degF]
    of = "K"
    factor = 0.5555555555555556
    offset = 255.3722222222222

    [quantities.boiling_point]
    unit = "K"
    lower = 0.0
    label = "boiling point at 101 kPa"

The columns of such a quantity are called as those of others: `boiling_point_k`.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, PositiveFloat

from screener.errors import ConfigError
from screener.registry.columns import PER_ATOM, columns, quantities, theories
from screener.registry.quantities import Column, Quantity
from screener.registry.units import Unit, units_by_name

_NAME = re.compile(r"[a-z][a-z0-9_]*")


class UnitConfig(BaseModel):
    """A unit of one's own.

    Args:
        of: unit that it converts into, registered or named before; None for what converts into
            nothing else.
        factor: how much of that unit one of this is.
        offset: added after the factor, in that unit, as for degrees Celsius.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    of: str | None = None
    factor: PositiveFloat = 1.0
    offset: float = 0.0


class QuantityConfig(BaseModel):
    """A quantity of one's own.

    Args:
        unit: that it is stored in.
        extensive: whether it grows with the molecule.
        lower, upper: values that nature does not go beyond.
        label: for a reader; its name where none is given.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    unit: str
    extensive: bool = False
    lower: float | None = None
    upper: float | None = None
    label: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Names:
    """Columns and units by their names."""

    columns: Mapping[str, Column]
    units: Mapping[str, Unit]

    def column(self, name: str) -> Column:
        """A column by its name.

        Raises:
            ConfigError: no quantity makes it.
        """
        if name not in self.columns:
            own = dict.fromkeys(each.quantity.name for each in self.columns.values())
            raise ConfigError(
                f"{name!r} is no column of a quantity: write <quantity>_<theory>_<unit>, such as "
                "homo_b3lyp_ev, or <quantity>_<unit>, such as boiling_point_k; quantities are "
                f"{', '.join(own)}, and [quantities.NAME] of a configuration file names others"
            )
        return self.columns[name]

    def unit(self, name: str) -> Unit:
        """A unit by its name.

        Raises:
            ConfigError: there is none.
        """
        if name not in self.units:
            raise ConfigError(
                f"there is no unit {name!r}; there are {', '.join(self.units)}, and [units.NAME] "
                "of a configuration file names others"
            )
        return self.units[name]


def names_of(
    own_units: Mapping[str, UnitConfig] | None = None,
    own_quantities: Mapping[str, QuantityConfig] | None = None,
    more: Iterable[Column] = (),
) -> Names:
    """What is registered, and what a configuration file or a bundle names besides.

    Args:
        own_units: by name.
        own_quantities: by name.
        more: columns that are known otherwise, such as those of a bundle's card.
    Returns:
        columns and units by name.
    Raises:
        ConfigError: a name is taken, or no name of a column; a unit is not known.
    """
    others = tuple(more)
    stored = [each.unit for each in quantities().values()]
    stored += [each.quantity.unit for each in others]
    units = dict(units_by_name(stored))
    for name, described in (own_units or {}).items():
        if name in units:
            raise ConfigError(f"units.{name}: there is a unit of this name already")
        units[name] = _unit(name, described, units)
    known = {**{each.name: each for each in others}, **columns()}
    for name, quantity in (own_quantities or {}).items():
        if name in quantities() or not _NAME.fullmatch(name):
            reason = "is registered already" if name in quantities() else "is no name of columns"
            raise ConfigError(f"quantities.{name}: {name!r} {reason}")
        if quantity.unit not in units:
            raise ConfigError(
                f"quantities.{name}: there is no unit {quantity.unit!r}; there are "
                f"{', '.join(units)}"
            )
        own = Quantity(
            name=name,
            label=quantity.label or name.replace("_", " "),
            unit=units[quantity.unit],
            extensive=quantity.extensive,
            lower=quantity.lower,
            upper=quantity.upper,
        )
        for theory in ("", *theories()):
            column = own.column(theory)
            if column in known:
                raise ConfigError(f"quantities.{name}: column {column} is another's already")
            known[column] = Column(column, own, theory)
    whole = {name: each for name, each in known.items() if not name.endswith(PER_ATOM)}
    return Names(whole, units)


def _unit(name: str, described: UnitConfig, units: Mapping[str, Unit]) -> Unit:
    ending = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
    if described.of is None:
        return Unit(name, ending, dimension=name)
    if described.of not in units:
        raise ConfigError(
            f"units.{name}: there is no unit {described.of!r}; there are {', '.join(units)}"
        )
    base = units[described.of]
    return Unit(
        name,
        ending,
        base.dimension,
        factor=described.factor * base.factor,
        offset=described.offset * base.factor + base.offset,
        digits=base.digits,
    )
