"""What a long fit has done so far, kept so that an interrupted one goes on where it was.

A fit asks and tells through `Progress`; where and how often it is written is decided above, since
models touch no files but bundles.
"""

from hashlib import sha256
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Arrays = dict[str, NDArray[Any]]


class Progress(Protocol):
    """Keeps named arrays between runs."""

    def load(self, name: str) -> Arrays | None:
        """What was kept under this name, or None."""

    def due(self) -> bool:
        """Whether it is time to keep something again."""

    def save(self, name: str, arrays: Arrays) -> None:
        """Keep arrays under this name in the place of what was there, whole or not at all."""


class NoProgress:
    """Keeps nothing: an interrupted fit begins again."""

    def load(self, name: str) -> Arrays | None:
        """Nothing."""
        return None

    def due(self) -> bool:
        """Never."""
        return False

    def save(self, name: str, arrays: Arrays) -> None:
        """Forget them."""


def fingerprint(*arrays: NDArray[Any]) -> str:
    """A name for what depends on these arrays and nothing else: hexadecimal, 16 characters."""
    digest = sha256()
    for array in arrays:
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()[:16]
