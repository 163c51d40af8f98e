"""What a ranking is called where nobody gives it a name: by its preset, or by its objectives."""

import re
from collections.abc import Container

from screener.errors import ConfigError
from screener.ranking.objectives import RankingSettings
from screener.ranking.presets import load_preset, preset_names

LONGEST = 80
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")
_N_NAMED = 2  # objectives that a name tells


def require_ranking_name(name: str) -> str:
    """A name that can be a folder's.

    Raises:
        ConfigError: it cannot.
    """
    if not _NAME.fullmatch(name) or len(name) > LONGEST:
        raise ConfigError(
            f"ranking name {name!r}: use at most {LONGEST} small letters, digits, '.', '_' and "
            "'-', such as cheap-solvents"
        )
    return name


def default_name(settings: RankingSettings) -> str:
    """A name that says what a ranking ranks by; different rankings may have the same.

    Args:
        settings: the ranking.
    Returns:
        such as `electrolyte-solvent`, `electrolyte-solvent-changed-by-bound` or
        `maximise-lumo_b3lyp_ev-and-3-more`.
    """
    by = "" if settings.by == "value" else f"-by-{settings.by}"
    apart = "-diverse" if settings.diversity else ""
    what = _preset_of(settings) or _objectives_of(settings)
    return what[: LONGEST - len(by + apart) - 4].rstrip("-") + by + apart


def not_taken(name: str, taken: Container[str]) -> str:
    """The name, with a number behind it where it is taken: `mine`, `mine-2`, `mine-3`."""
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name}-{number}"
    return free


def _preset_of(settings: RankingSettings) -> str:
    """The shipped preset that most of the objectives are from; empty where there is none."""
    mine = [each.deciding for each in settings.objectives]
    constraints = {each.text for each in settings.constraints}
    for name in preset_names():
        preset = load_preset(name)
        theirs = [each.deciding for each in preset.objectives]
        shared = sum(each in mine for each in theirs)
        if shared == len(theirs) == len(mine) and constraints == {
            each.text for each in preset.constraints
        }:
            return name if settings.top == preset.top else f"{name}-top-{settings.top}"
        if 2 * shared > len(theirs):
            return f"{name}-changed"
    return ""


def _objectives_of(settings: RankingSettings) -> str:
    texts = [f"{each.goal}-{each.column}" for each in settings.objectives]
    more = len(texts) - _N_NAMED
    if more > 0:
        texts = [texts[0], f"{len(texts) - 1}-more"]
    text = re.sub(r"[^a-z0-9._]+", "-", "-and-".join(texts).lower())
    return text.strip("-._") or "ranking"
