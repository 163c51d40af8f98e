"""Dask's performance report on request: task stream, bandwidth and scheduler as one HTML file."""

import logging
import os
from collections.abc import Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from pathlib import Path

from distributed import Client, performance_report

from screener.errors import ConfigError

log = logging.getLogger(__name__)


def require_report_path(path: str | None) -> None:
    """Check, before a long run, that the report can be written.

    Raises:
        ConfigError: it cannot.
    """
    if path is None:
        return
    folder = Path(path).absolute().parent
    if not (folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)) or Path(path).is_dir():
        raise ConfigError(
            f"cannot write the performance report {path}: give a file in a folder that is there "
            "and that you may change"
        )


@contextmanager
def reported(client: Client, path: str | None) -> Iterator[None]:
    """Write the report when the context ends, with or without an error.

    Args:
        client: a connected client; its scheduler needs bokeh for the report.
        path: a local HTML file; None writes no report.
    """
    if path is None:
        yield
        return
    with client.as_current():
        report = performance_report(filename=path)
        report.__enter__()
    try:
        yield
    finally:
        try:
            if client.status != "running":
                raise OSError("the connection to the Dask scheduler is lost")
            with client.as_current():
                report.__exit__(None, None, None)
        except (OSError, CancelledError, RuntimeError, ValueError, ImportError) as error:
            # a missing report must not hide the outcome of the run
            log.warning("the performance report was not written: %s", error)
        else:
            log.info("Dask's performance report: %s", path)
