"""What is said when an optional dependency is not installed."""

from screener.errors import ConfigError


def missing(extra: str, error: ImportError) -> ConfigError:
    """The error that names the command which installs an extra."""
    return ConfigError(
        f"this kind of cluster wants packages that are not installed ({error}): "
        f"pip install 'screener[{extra}]'"
    )
