"""How a check says what is wrong."""

import re

import numpy as np
from numpy.typing import NDArray

_NAME = re.compile(r"[a-z][a-z0-9_-]*")


def claim(holds: object, wrong: str) -> None:
    """Raise unless something holds.

    Unlike an assert statement this also holds where Python runs with `-O`.

    Args:
        holds: what is taken as true.
        wrong: what is wrong otherwise, as a sentence.
    Raises:
        AssertionError: it does not hold.
    """
    if not holds:
        raise AssertionError(wrong)


def claim_name(what: str, name: str) -> None:
    """Raise unless a name can stand in configurations and columns."""
    claim(
        _NAME.fullmatch(name),
        f"the name of {what} is {name!r}: use small letters, digits, '_' and '-'",
    )


def same(one: NDArray[np.generic], other: NDArray[np.generic]) -> bool:
    """Whether two arrays have the same bytes, shape and kind of numbers."""
    return (
        one.shape == other.shape and one.dtype == other.dtype and one.tobytes() == other.tobytes()
    )
