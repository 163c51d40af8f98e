"""Loops compiled by numba: how, in one place.

Loops release the interpreter's lock, so that threads run them side by side, and are compiled once
per machine: the result is kept beside the module or, where that cannot be written, in the user's
cache folder. Floating-point products and sums may fuse, nothing is reordered.
"""

from collections.abc import Callable
from typing import Any

import numba


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function as machine code, made when it is first called."""
    try:
        made: Callable[..., Any] = numba.njit(cache=True, nogil=True, fastmath={"contract"})(
            function
        )
    except RuntimeError:  # there is no folder to keep it in
        made = numba.njit(nogil=True, fastmath={"contract"})(function)
    return made


@compiled
def _nothing():  # type: ignore[no-untyped-def]
    pass


def load_numba() -> None:
    """Load what numba loads at the first call of any loop, which takes a second: before workers are
    forked, once for all of them."""
    _nothing()
