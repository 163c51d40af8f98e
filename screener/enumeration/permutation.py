"""A shuffled order of 0 .. size - 1 that is computed, not stored.

A Feistel network over pairs of digits, with modular addition in place of exclusive or, permutes
n × n numbers; numbers beyond `size` are sent round again until they fall inside.
"""

import hashlib
from math import isqrt

_ROUNDS = (
    4  # enough for a pseudo-random permutation: Luby and Rackoff, SIAM J. Comput. 17, 373 (1988)
)
_MASK = (1 << 64) - 1


class Permutation:
    """A bijection of 0 .. size - 1, fixed by `key`.

    Args:
        size: at least 1, of any magnitude.
        key: any text.
    """

    def __init__(self, size: int, key: str) -> None:
        digest = hashlib.sha256(key.encode()).digest()
        self._keys = [int.from_bytes(digest[8 * k : 8 * k + 8], "big") for k in range(_ROUNDS)]
        self._size = size
        self._base = isqrt(size - 1) + 1  # base² is at most size + 2 √size: few go round again

    def __call__(self, number: int) -> int:
        """Where `number` (0 .. size - 1) goes."""
        base = self._base
        while True:
            left, right = divmod(number, base)
            for key in self._keys:
                left, right = right, (left + _mixed(right + key)) % base
            number = left * base + right
            if number < self._size:
                return number


def _mixed(value: int) -> int:
    """64 bits that depend on all bits of `value`: the finaliser of SplitMix64 (Steele, Lea, Flood,
    OOPSLA 2014)."""
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9 & _MASK
    value = (value ^ (value >> 27)) * 0x94D049BB133111EB & _MASK
    return value ^ (value >> 31)
