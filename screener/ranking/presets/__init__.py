"""Rankings that are shipped, one TOML file each, and a user's own of the same form."""

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


def load_preset(name_or_path: str) -> RankingSettings:
    """A shipped preset by its name, or the user's own TOML file of `RankingSettings`.

    Raises:
        ConfigError: no such preset or file, not TOML, or fields that do not fit.
    """
    if name_or_path in preset_names():
        text = (files(__name__) / f"{name_or_path}.toml").read_text(encoding="utf-8")
    elif Path(name_or_path).is_file():
        try:
            text = Path(name_or_path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"cannot read the preset {name_or_path}: {error}") from error
    else:
        raise ConfigError(
            f"preset {name_or_path!r} is neither a file nor one of the shipped ones: "
            f"{', '.join(preset_names())}"
        )
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"preset {name_or_path} is not valid TOML: {error}") from error
    return RankingSettings.from_mapping(values, f"preset {name_or_path}")
