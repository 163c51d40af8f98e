"""Values that are known with an interval: how likely they lie somewhere, what they are worth.

A value is distributed about its prediction as the halves of two normal distributions, each of which
reaches one end of the 90 % interval with 45 % of all values. A column without an interval, such as
a count, has the value that it has.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

SIDE = 1.6448536269514722  # standard deviations from the median to either end of 90 %
N_PARTS = 16  # equally likely parts of a distribution, each of which counts by its median


def chance(
    values: FloatArray, ends: tuple[FloatArray, FloatArray], low: float, high: float
) -> FloatArray:
    """How likely a value lies between two bounds.

    Args:
        values: float64 (n,), as predicted.
        ends: both ends of their 90 % intervals, float64 (n,) each; the values themselves where
            there is no interval.
        low: the lower bound, in the unit of the values; may be minus infinity.
        high: the upper bound; may be infinity.
    Returns:
        float64 (n,), 0 to 1; 0 or 1 where there is no interval.
    """
    return chance_up_to(values, ends, high, at=1.0) - chance_up_to(values, ends, low, at=0.0)


def chance_up_to(
    values: FloatArray, ends: tuple[FloatArray, FloatArray], bound: float, at: float
) -> FloatArray:
    """How likely a value lies below a bound.

    Args:
        values: float64 (n,), as predicted.
        ends: both ends of their 90 % intervals, float64 (n,) each.
        bound: in the unit of the values; may be infinite.
        at: the answer for a value without spread that is at the bound itself.
    Returns:
        float64 (n,), 0 to 1.
    """
    from scipy.special import ndtr  # who only looks at a campaign waits for no SciPy

    below, above = ((end - values) / SIDE for end in ends)  # standard deviations, signed
    distance = bound - values
    deviation = np.where(distance < 0.0, -below, above)
    with np.errstate(divide="ignore", invalid="ignore"):
        position = np.where(deviation > 0.0, distance / deviation, np.sign(distance) * np.inf)
    likely: FloatArray = np.where(np.isnan(position), at, ndtr(position))
    return likely


def equally_likely(values: FloatArray, ends: tuple[FloatArray, FloatArray]) -> Iterator[FloatArray]:
    """What each value may be: `N_PARTS` values that are equally likely, from low to high.

    Args:
        values: float64 (n,), as predicted.
        ends: both ends of their 90 % intervals, float64 (n,) each.
    Yields:
        float64 (n,), `N_PARTS` times.
    """
    from scipy.special import ndtri

    below, above = (np.maximum(each, 0.0) / SIDE for each in (values - ends[0], ends[1] - values))
    for part in range(N_PARTS):
        position = float(ndtri((part + 0.5) / N_PARTS))
        yield values + position * (below if position < 0.0 else above)
