"""How the structures of a stage are made, and what follows from what they cost."""

import math
from typing import Any

from screener.campaign.settings.config import StageConfig
from screener.chemistry.levels import GFN2_REDOX
from screener.chemistry.structures import StructureSettings
from screener.errors import ConfigError
from screener.models.card import Card

DEFAULT_SOLVENT, NO_SOLVENT = "acetonitrile", "none"
SECONDS_2D = 0.002  # of a molecule that is a drawing
UNIT_SECONDS, LEAST_UNIT_SECONDS = 8.0, 0.5  # of work in a unit; less is lost in the handling
FEWEST_ROWS = 4
WANTED_UNITS = 32  # of a small stage, so that some tens of workers have work


def structure_settings(wanted: StageConfig, card: Card, are_finalists: bool) -> StructureSettings:
    """How the structures of a stage are made.

    Args:
        wanted: the stage as it is asked for.
        card: of the bundle that predicts from them.
        are_finalists: whether the stage works on chosen rows; these get the potentials of ions
            where their level allows it.
    Returns:
        settings at the bundle's own level.
    Raises:
        ConfigError: the level is not there or not the bundle's, values cannot be computed at it, or
            settings do not fit.
    """
    level = card.geometry_level
    if wanted.geometry not in (None, level):
        raise ConfigError(
            f"bundle {card.name} was fitted at geometry level {level} and refuses structures at "
            f"{wanted.geometry}; ask for {wanted.bundle}@{level}, or for a bundle of level "
            f"{wanted.geometry}"
        )
    values = list(dict.fromkeys([*wanted.values, *card.needed_values]))
    settings: dict[str, dict[str, Any]] = {
        name: dict(given) for name, given in wanted.settings.items()
    }
    solvent = _redox_solvent(wanted, level, are_finalists)
    if solvent is not None:
        values.append(GFN2_REDOX.name)
        settings[GFN2_REDOX.name] = {"solvent": solvent, **settings.get(GFN2_REDOX.name, {})}
    n_conformers = wanted.n_conformers or card.n_conformers
    return StructureSettings.at(level, n_conformers, tuple(values), settings)


def as_asked(settings: StructureSettings) -> dict[str, Any]:
    """Settings of a frozen stage as a `StageConfig` asks for them."""
    potentials = settings.settings.get(GFN2_REDOX.name, {})
    return {
        "geometry": settings.level,
        "n_conformers": settings.n_conformers,
        "values": tuple(name for name in settings.values if name != GFN2_REDOX.name),
        "settings": settings.settings,
        "redox_solvent": potentials.get("solvent", NO_SOLVENT),
    }


def unit_rows(seconds: float, n_rows: int) -> int:
    """How many rows one task works on; says nothing about workers.

    Args:
        seconds: that a molecule takes, about.
        n_rows: of the stage.
    """
    most, fewest = (_power_of_two(each / seconds) for each in (UNIT_SECONDS, LEAST_UNIT_SECONDS))
    return max(FEWEST_ROWS, fewest, min(-(-n_rows // WANTED_UNITS), most))


def _power_of_two(rows: float) -> int:
    return int(2 ** max(0, round(math.log2(rows))))


def _redox_solvent(wanted: StageConfig, level: str, are_finalists: bool) -> str | None:
    """The solvent for the potentials of ions; None where they are not computed."""
    asked_for = wanted.redox_solvent
    if level != GFN2_REDOX.start:
        if asked_for not in (None, NO_SOLVENT):
            raise ConfigError(
                f"redox_solvent = {asked_for!r}: potentials are computed at {GFN2_REDOX.start}, "
                f"and this stage is at {level}"
            )
        return None
    solvent = asked_for or (DEFAULT_SOLVENT if are_finalists else NO_SOLVENT)
    return None if solvent == NO_SOLVENT else solvent
