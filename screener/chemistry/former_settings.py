"""Settings of structures as they were written before levels were entries of the registry.

Campaigns and structures of that time are named by digests of this form, so the same settings are
still written in it, and it can be read.
"""

from collections.abc import Mapping
from typing import Any

from screener.chemistry.levels import (
    GFN2_OPT,
    GFN2_REDOX,
    MMFF94,
    Gfn2OptSettings,
    Mmff94Settings,
    RedoxSettings,
)

_CONFORMERS = "n_conformers"
_OPTIMISATION = ("force_threshold", "max_steps")
_SOLVENT = "redox_solvent"
_FORMER = {"procedure", _CONFORMERS, *_OPTIMISATION, _SOLVENT}


def as_now(given: Mapping[str, Any]) -> dict[str, Any]:
    """Settings in the form of now.

    Args:
        given: in that form or in the former one.
    """
    if not _FORMER & set(given):
        return dict(given)
    name = given.get("level", MMFF94.name)
    settings: dict[str, dict[str, Any]] = {
        MMFF94.name: {key: given[key] for key in (_CONFORMERS, "procedure") if key in given}
    }
    if name == GFN2_OPT.name:
        settings[name] = {key: given[key] for key in (*_OPTIMISATION, "procedure") if key in given}
    values: tuple[str, ...] = ()
    if given.get(_SOLVENT) is not None:
        values = (GFN2_REDOX.name,)
        settings[GFN2_REDOX.name] = {"solvent": given[_SOLVENT]}
    others = {key: value for key, value in given.items() if key not in _FORMER}
    return {**others, "level": name, "values": values, "settings": settings}


def as_before(
    name: str, values: tuple[str, ...], settings: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any] | None:
    """Settings in the former form; None where it cannot tell them.

    Args:
        name: of the level that makes the geometry.
        values: names of the levels of values.
        settings: of all levels, complete.
    Returns:
        the former keys and values; None where an entry has no former counterpart.
    """
    if name not in (MMFF94.name, GFN2_OPT.name) or values not in ((), (GFN2_REDOX.name,)):
        return None
    if any(each["procedure"] != 1 for each in settings.values()):
        return None
    conformers = Mmff94Settings.model_validate(settings[MMFF94.name])
    optimisation = Gfn2OptSettings.model_validate(settings.get(GFN2_OPT.name, {}))
    written = {
        "procedure": 1,
        "level": name,
        _CONFORMERS: conformers.n_conformers,
        **{key: getattr(optimisation, key) for key in _OPTIMISATION},
    }
    if values:
        written[_SOLVENT] = RedoxSettings.model_validate(settings[GFN2_REDOX.name]).solvent
    return written
