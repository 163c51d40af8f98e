"""Identities of molecules as bytes, and the name of the unit that some of them make."""

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

MolIds = NDArray[np.uint8]  # (n, 16)
ID_BYTES = 16


def mol_ids_of(texts: Sequence[str]) -> MolIds:
    """Identities as bytes.

    Args:
        texts: (n,), each of 32 hexadecimal digits.
    Returns:
        uint8 (n, 16).
    Raises:
        ValueError: one is not that.
    """
    if any(len(text) != 2 * ID_BYTES for text in texts):
        raise ValueError("an identity has 32 hexadecimal digits")
    return np.frombuffer(bytes.fromhex("".join(texts)), dtype=np.uint8).reshape(-1, ID_BYTES)


def unit_of(mol_ids: MolIds) -> str:
    """The name of the unit of these molecules in this order."""
    return hashlib.sha256(mol_ids.tobytes()).hexdigest()[:32]
