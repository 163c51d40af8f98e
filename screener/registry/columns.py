"""Columns of values: which there can be, from the quantities and levels that are registered."""

import logging
import re
from collections.abc import Iterable, Mapping
from functools import cache

from screener.errors import ConfigError
from screener.registry.levels import Level
from screener.registry.plugins import entry, registered
from screener.registry.quantities import Column, Quantity

log = logging.getLogger(__name__)

PER_ATOM = "_per_atom"


def level(name: str) -> Level:
    """A level by its name.

    Raises:
        ConfigError: there is none; names the nearest.
    """
    value: Level = entry("levels", name)
    return value


def geometry_level(name: str) -> str:
    """The name of now of a level that makes geometries; warns where it had another.

    Args:
        name: of such a level, or of anything else, which stays as it is.
    """
    known = levels().get(name)
    if known is not None and known.makes_geometry:
        return name
    now = next((each.name for each in levels().values() if name in each.former), None)
    if now is None:
        return name
    _tell_geometry_once(name, now)
    return now


@cache
def _tell_geometry_once(before: str, now: str) -> None:
    log.warning("the geometry level %s is called %s now", before, now)


def quantity(name: str) -> Quantity:
    """A quantity by its name.

    Raises:
        ConfigError: there is none; names the nearest.
    """
    value: Quantity = entry("quantities", name)
    return value


def levels() -> Mapping[str, Level]:
    """All levels by name."""
    return registered("levels")


def quantities() -> Mapping[str, Quantity]:
    """All quantities by name."""
    return registered("quantities")


def theories() -> Mapping[str, str]:
    """Parts of column names that tell a level of theory, and how each is written."""
    return {each.theory: each.label for each in reversed(tuple(levels().values())) if each.theory}


def chain(name: str) -> tuple[Level, ...]:
    """The levels that lead to a level from the drawing, itself last.

    Args:
        name: of a level.
    Raises:
        ConfigError: a level of the chain does not exist, or it runs in a circle.
    """
    steps: list[Level] = []
    at: str | None = name
    while at is not None:
        step = level(at)
        if step in steps:
            raise ConfigError(
                f"level {name} starts from itself: {' → '.join(s.name for s in steps)}"
            )
        steps.append(step)
        at = step.start
    return tuple(reversed(steps))


def column(name: str) -> Column:
    """A column, taken apart.

    Args:
        name: such as `homo_b3lyp_ev` or `ae0_b3lyp_kcal_per_atom`.
    Raises:
        ConfigError: no quantity and level that are registered make this name.
    """
    known = columns().get(name)
    if known is None:
        raise ConfigError(
            f"{name!r} is no column of a quantity: write <quantity>_<theory>_<unit>, such as "
            f"homo_b3lyp_ev, or <quantity>_<unit>; quantities are {', '.join(quantities())}, "
            f"theories {', '.join(theories())}"
        )
    return known


@cache
def columns() -> Mapping[str, Column]:
    """All columns that registered quantities and levels can make, by name."""
    made: dict[str, Column] = {}
    for each in quantities().values():
        for theory in ("", *theories()):
            name = each.column(theory)
            made[name] = Column(name, each, theory)
            if each.extensive:
                made[name + PER_ATOM] = Column(name + PER_ATOM, each, theory, per_atom=True)
    return made


def unit_of(name: str) -> str:
    """How the unit of a column is written; empty for counts and columns that are not known."""
    known = columns().get(name)
    return "" if known is None else known.unit


@cache
@cache
def words_of(name: str) -> tuple[str, str]:
    """A column in words, and its level of theory, which is empty where none applies.

    Args:
        name: of any column; one that is not of a quantity keeps its name.
    """
    known = columns().get(name)
    if known is None:
        return name, ""
    per_atom = " per atom" if known.per_atom else ""
    return f"{known.quantity.label}{per_atom}", theories().get(known.theory, "")


def former_columns() -> Mapping[str, str]:
    """Columns at levels of theory by names that they had before, and what they are called now."""
    made: dict[str, str] = {}
    for each in quantities().values():
        for theory in theories():
            for name in each.former_columns(theory):
                made[name] = each.column(theory)
                if each.extensive:
                    made[name + PER_ATOM] = each.column(theory) + PER_ATOM
    return {name: now for name, now in made.items() if name not in columns()}


def renamed(text: str) -> str:
    """A column, or an expression of columns, by the names of now; warns where one had another.

    Args:
        text: such as `homo_b3lyp_ev` or `lumo_b3lyp_ev - homo_b3lyp_ev`.
    """
    former = former_columns()

    def of_now(match: re.Match[str]) -> str:
        name = match.group()
        if name not in former:
            return name
        _tell_once(name, former[name])
        return former[name]

    return re.sub(r"[A-Za-z_][A-Za-z0-9_]*", of_now, text)


@cache
def _tell_once(before: str, now: str) -> None:
    log.warning("column %s is called %s now", before, now)


def names_of_now(names: Iterable[str]) -> dict[str, str]:
    """Those of some columns that had other names before, and what they are called now.

    Args:
        names: of columns, also such as `eox_gfn2_v_li_std` and `margin_eox_gfn2_v_li`, which say
            something of another.
    """
    renamed: dict[str, str] = {}
    known = set(names)
    for before, now in former_columns().items():
        for name in known:
            whose = name.removeprefix("desirability_").removeprefix("margin_")
            if whose == before or whose.startswith(f"{before}_"):
                renamed[name] = name.removesuffix(whose) + now + whose.removeprefix(before)
    return {before: now for before, now in renamed.items() if now not in known}


def fitted_of(names: Iterable[str]) -> tuple[Column, ...]:
    """Those of some columns that a model is fitted to: all but differences of others."""
    return tuple(each for each in map(column, names) if each.quantity.difference is None)
