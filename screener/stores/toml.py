"""TOML files that people write, read with messages that name the file."""

import tomllib
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from screener.errors import ConfigError


def read_toml(path: str) -> dict[str, Any]:
    """The values in a TOML file on this machine.

    Raises:
        ConfigError: the file is missing or is not TOML; names the line.
    """
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from error


def explained(error: ValidationError) -> str:
    """Pydantic's findings in one line, without its links."""
    findings = []
    for fault in error.errors(include_url=False):
        place = ".".join(str(part) for part in fault["loc"])
        findings.append(f"{place}: {fault['msg']}" if place else str(fault["msg"]))
    return "; ".join(findings)
