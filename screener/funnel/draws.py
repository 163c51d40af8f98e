"""Random order without a generator's state: a key for each row, whoever asks and in what chunks."""

import numpy as np
from numpy.typing import NDArray


def keys(rows: NDArray[np.int64], seed: int, purpose: int) -> NDArray[np.float64]:
    """A number for each row, even over [0, 1); the rows with the smallest are a random sample.

    Args:
        rows: int64 (n,), row numbers.
        seed: of the run.
        purpose: another one gives an independent order.
    Returns:
        float64 (n,), the same for a row whoever asks and in whatever chunk.
    References:
        Steele, Lea and Flood, OOPSLA 2014, 453 (the mixing function of SplitMix64).
    """
    start = np.random.SeedSequence([seed, purpose]).generate_state(1, np.uint64)
    mixed = rows.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + start
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    uniform: NDArray[np.float64] = (mixed >> np.uint64(11)).astype(np.float64) * 2.0**-53
    return uniform
