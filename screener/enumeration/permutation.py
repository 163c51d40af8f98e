"""A shuffled order of the numbers 0 .. size - 1 that is computed, not stored.

A Feistel network on pairs of digits, with modular addition instead of exclusive or, permutes the
numbers below n². A result of `size` or more is put in again until the result is below `size`.
"""

import hashlib
from math import isqrt

# enough for a pseudo-random permutation: Luby and Rackoff, SIAM J. Comput. 17, 373 (1988)
_ROUNDS = 4
_MASK = (1 << 64) - 1


class Permutation:
    """A bijection of 0 .. size - 1 onto itself that depends on `key` alone.

    Args:
        size: how many numbers, at least 1; may exceed 64 bits.
        key: any text; another key gives another order.
    """

    def __init__(self, size: int, key: str) -> None:
        digest = hashlib.sha256(key.encode()).digest()
        self._keys = [int.from_bytes(digest[8 * k : 8 * k + 8], "big") for k in range(_ROUNDS)]
        self._size = size
        self._base = (
            isqrt(size - 1) + 1
        )  # base² is at most size + 2 √size: few results are too large

    def __call__(self, number: int) -> int:
        """The image of `number`, which is between 0 and size - 1."""
        base = self._base
        while True:
            left, right = divmod(number, base)
            for key in self._keys:
                left, right = right, (left + _mixed(right + key)) % base
            number = left * base + right
            if number < self._size:
                return number


def _mixed(value: int) -> int:
    """A 64-bit hash of `value`: the finaliser of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014)."""
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9 & _MASK
    value = (value ^ (value >> 27)) * 0x94D049BB133111EB & _MASK
    return value ^ (value >> 31)
