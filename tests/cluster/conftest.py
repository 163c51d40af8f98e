"""Dask as nobody has configured it, whatever cluster of the session lives meanwhile."""

from collections.abc import Iterator

import dask
import pytest


@pytest.fixture(autouse=True)
def _configured_by_nobody() -> Iterator[None]:
    held = dict(dask.config.config)
    dask.config.refresh()
    yield
    dask.config.config.clear()
    dask.config.config.update(held)
