"""Named arrays and a few plain values in one safetensors file of a folder."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load, save

from screener.errors import StoreError
from screener.stores.files import Folder

_KEY = "told"


def write_tensors(
    folder: Folder, path: str, tensors: Mapping[str, NDArray[Any]], values: Mapping[str, Any]
) -> str:
    """Write a file; returns its SHA-256.

    Args:
        folder: where.
        path: in it.
        tensors: arrays by name.
        values: plain values, which JSON can hold.
    Returns:
        the SHA-256 (hex) of the file.
    """
    # safetensors writes memory as it lies, whatever the order of the axes
    whole = {name: np.ascontiguousarray(array) for name, array in tensors.items()}
    return folder.write_bytes(path, save(whole, {_KEY: json.dumps(values, sort_keys=True)}))


def read_tensors(
    folder: Folder, path: str, checksum: str
) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Arrays by name, and what is told with them.

    Args:
        folder: where it lies.
        path: in the folder.
        checksum: SHA-256 (hex) that the file must have.
    Returns:
        arrays by name, and the plain values that were written with them.
    Raises:
        StoreError: the file is missing, or its bytes are not those with this SHA-256.
    """
    data = folder.read_bytes(path)
    if hashlib.sha256(data).hexdigest() != checksum:
        raise StoreError(f"{folder.url}/{path} has changed; run the same command again")
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    return load(data), json.loads(header["__metadata__"][_KEY])
