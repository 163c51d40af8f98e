"""What a prediction may not say: what nature forbids, and intervals that tell nothing.

A value and its interval are cut off at the bounds of their quantity. The truth lies within these,
so the interval covers as many molecules as before. An interval that lies beyond a bound as a whole
has no possible value in it and is no answer. Neither is an interval wider than the limit that the
card states (`QuantityCalibration.max_width90`).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from screener.registry.quantities import Column
from screener.stores.refused import impossible, too_uncertain

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Interval:
    """Predictions of one column with their 90 % intervals, (n,) each, in the column's unit."""

    value: FloatArray
    low: FloatArray
    high: FloatArray


def within_bounds(column: Column, interval: Interval) -> Interval:
    """Predictions cut off at the bounds of their quantity; what was between them is unchanged.

    Args:
        column: what is predicted.
        interval: of any predictions; NaN stays NaN.
    """
    lower, upper = column.quantity.lower, column.quantity.upper
    if lower is None and upper is None:
        return interval
    value, low, high = (
        np.clip(each, lower, upper) for each in (interval.value, interval.low, interval.high)
    )
    return Interval(value, low, high)


def refusals(column: Column, interval: Interval, max_width90: float | None) -> list[str]:
    """Why predictions are no answers.

    Args:
        column: what is predicted.
        interval: (n,), as the model gives it, before it is cut off at bounds.
        max_width90: the widest 90 % interval that is an answer, once it is cut off; None where the
            card states no limit.
    Returns:
        (n,), a sentence, or "" where it is an answer.
    """
    lower, upper = column.quantity.lower, column.quantity.upper
    told = within_bounds(column, interval)
    width = told.high - told.low
    forbidden = np.zeros(len(width), dtype=bool)
    if lower is not None:
        forbidden |= interval.high <= lower
    if upper is not None:
        forbidden |= interval.low >= upper
    texts = [""] * len(width)
    if max_width90 is not None:
        for row in np.flatnonzero(width > max_width90).tolist():
            texts[row] = too_uncertain(column, float(width[row]), max_width90)
    for row in np.flatnonzero(forbidden).tolist():
        texts[row] = impossible(column, float(interval.low[row]), float(interval.high[row]))
    return texts
