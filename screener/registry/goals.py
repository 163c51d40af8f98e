"""Goals of objectives: what is wanted of a column, as a desirability between 0 and 1."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Goal:
    """One goal.

    Args:
        name: on the command line and in configurations, such as `maximise`.
        label: one sentence for a reader.
        keys: numbers that it may be given, beside `weight`: their names and what they are when left
            out; None where they must be given or are filled in from the column's typical range.
        check: raises ConfigError where the numbers do not fit each other.
        desirability: values float64 (n,) and the numbers by key to float64 (n,) between 0 and 1,
            NaN where a value is NaN.
        acceptable: from the numbers the lowest and the highest value worth at least one half.
    """

    name: str
    label: str
    keys: Mapping[str, float | None] = field(default_factory=dict)
    check: Callable[[Mapping[str, float]], None] = lambda numbers: None
    desirability: Callable[[FloatArray, Mapping[str, float]], FloatArray] = field(kw_only=True)
    acceptable: Callable[[Mapping[str, float]], tuple[float, float]] = field(kw_only=True)
