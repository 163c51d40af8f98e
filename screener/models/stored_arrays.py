"""Arrays of a stored model, read with the type and the shape that they have to have."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from screener.errors import SchemaError

Read = Callable[[str, type, tuple[int, ...]], NDArray[Any]]


def reader(arrays: Mapping[str, NDArray[Any]], prefix: str) -> Read:
    """What reads arrays by the rest of their names, their type and their shape; it raises
    SchemaError where one is missing or another.

    Args:
        arrays: by name.
        prefix: of the names, such as `schnet`.
    Returns:
        the function.
    """

    def read(name: str, dtype: type, shape: tuple[int, ...]) -> NDArray[Any]:
        stored = arrays.get(f"{prefix}.{name}")
        if stored is None or stored.dtype != dtype or stored.shape != shape:
            raise SchemaError(
                f"the model has no array {prefix}.{name} of {np.dtype(dtype)}, {shape}"
            )
        return stored

    return read
