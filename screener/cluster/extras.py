"""The error for an optional dependency that is not installed."""

from screener.errors import ConfigError


def missing(extra: str, error: ImportError) -> ConfigError:
    """An error that names the command which installs the missing packages.

    Args:
        extra: the extra of `screener` that has them.
        error: the failed import.
    """
    return ConfigError(
        f"this kind of cluster wants packages that are not installed ({error}): "
        f"pip install 'screener[{extra}]'"
    )
