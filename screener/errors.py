"""Errors that callers can catch.

`ConfigError` means the run cannot start, `StoreError` (and `SchemaError` under it) that a file or
record is broken, `MoleculeError` that one molecule cannot continue while the rest of its unit can.
Messages say what to do.
"""

from collections.abc import Iterator
from contextlib import contextmanager


class ScreenerError(Exception):
    """Root of every error raised on purpose by this package."""


class ConfigError(ScreenerError):
    """The run cannot start as it was asked for."""


class StoreError(ScreenerError):
    """A file or folder cannot be read, written or trusted."""


class SchemaError(StoreError):
    """A file or record does not have the shape or version that was expected."""


class DamagedError(StoreError):
    """A file is not what its receipt says: cut off, changed or gone. It can be made again.

    Args:
        message: names the file.
        units: of its store, whose results it holds.
    """

    def __init__(self, message: str, units: tuple[str, ...]) -> None:
        super().__init__(message, units)  # both in `args`, so that the error survives pickling
        self.message = message
        self.units = units

    def __str__(self) -> str:
        return self.message


class MoleculeError(ScreenerError):
    """One molecule cannot continue.

    Args:
        code: short machine-readable reason, snake_case, such as `invalid_smiles` or
            `embedding_failed`.
        message: one sentence for a person.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)  # both in `args`, so that the error survives pickling
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return self.message


class Interrupted(KeyboardInterrupt):
    """The user ended the work (ctrl-C, or the stop button of a notebook); says how to go on.

    A notebook shows this sentence alone, without the places where the work was.

    Args:
        message: one sentence for a person.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    def __str__(self) -> str:
        return self.message

    def _render_traceback_(self) -> list[str]:
        """What IPython shows in place of a traceback."""
        return [f"interrupted; {self.message}"]


@contextmanager
def interrupts_told(message: str) -> Iterator[None]:
    """An interrupt of what runs within becomes `Interrupted`.

    Args:
        message: how to go on.
    Raises:
        Interrupted: the user interrupted it.
    """
    try:
        yield
    except KeyboardInterrupt as error:
        raise Interrupted(message) from error
