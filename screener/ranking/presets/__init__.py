"""Rankings that are shipped, one TOML file each, and a user's own of the same form."""

import difflib
import tomllib
from importlib.resources import files
from pathlib import Path

from screener.errors import ConfigError
from screener.ranking.objectives import RankingSettings


def preset_names() -> list[str]:
    """Names of the shipped presets, sorted."""
    entries = files(__name__).iterdir()
    return sorted(
        entry.name.removesuffix(".toml") for entry in entries if entry.name.endswith(".toml")
    )


def preset_text(name: str) -> str:
    """The TOML file of a shipped preset, with the literature behind its numbers.

    Raises:
        ConfigError: there is none of this name; names the nearest.
    """
    require_preset(name)
    return (files(__name__) / f"{name}.toml").read_text(encoding="utf-8")


def require_preset(name: str) -> None:
    """Refuse a name that no shipped preset has.

    Raises:
        ConfigError: names the nearest.
    """
    if name not in preset_names():
        raise ConfigError(f"there is no preset {name!r}; {_suggestion(name)}")


def _suggestion(name: str) -> str:
    names = preset_names()
    near = difflib.get_close_matches(name.lower(), names, n=1, cutoff=0.4)
    near = near or [each for each in names if name and name.lower() in each][:1]
    hint = f"did you mean {near[0]}? " if near else ""
    return f"{hint}There are {', '.join(names)}; `screener presets list` describes them"


def load_preset(name_or_path: str) -> RankingSettings:
    """A shipped preset by its name, or the user's own TOML file of `RankingSettings`.

    Raises:
        ConfigError: no such preset or file, not TOML, or fields that do not fit.
    """
    if name_or_path in preset_names():
        text = preset_text(name_or_path)
    elif Path(name_or_path).is_file():
        try:
            text = Path(name_or_path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"cannot read the preset {name_or_path}: {error}") from error
    else:
        raise ConfigError(
            f"preset {name_or_path!r} is neither a file nor one of the shipped ones; "
            f"{_suggestion(name_or_path)}"
        )
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"preset {name_or_path} is not valid TOML: {error}") from error
    return RankingSettings.from_mapping(values, f"preset {name_or_path}")
