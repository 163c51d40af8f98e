"""Imports Dask, which reads its configuration then and raises whatever it does not like in it."""

import os

from screener.errors import ConfigError


def require_dask() -> None:
    """See whether Dask can be imported with the configuration that it finds here.

    Raises:
        ConfigError: a file of it is malformed, or a setting has a value that Dask cannot read; the
            message says where they come from.
    """
    try:
        import distributed  # noqa: F401
    except Exception as error:
        variables = sorted(name for name in os.environ if name.startswith("DASK_"))
        said = f" Variables that configure it here: {', '.join(variables)}." if variables else ""
        raise ConfigError(
            f"Dask cannot be imported: {type(error).__name__}: {error}. Usually its configuration "
            "is the cause, which it reads from DASK_CONFIG, ~/.config/dask and /etc/dask: correct "
            f"it, or set DASK_CONFIG to an empty folder.{said}"
        ) from error
