"""Inputs of which no library can be made, told from what another attempt may mend."""

from collections.abc import Iterator
from contextlib import contextmanager

from screener.errors import ConfigError


class RefusedError(ConfigError):
    """No library can be made of these inputs; running again would not help."""


@contextmanager
def refusing() -> Iterator[None]:
    """What is wrong with an input's content, as a RefusedError."""
    try:
        yield
    except ConfigError as error:
        raise RefusedError(str(error)) from error
