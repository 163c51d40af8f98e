"""Goals of objectives: what is wanted of a column, as a desirability between 0 and 1."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
Numbers = Mapping[str, float]


def _nothing_to_check(numbers: Numbers) -> None:
    """Any numbers fit."""


def typical_ends(numbers: Numbers, typical: tuple[float, float]) -> Numbers:
    """`low` and `high` as they are given, or else the ends of the column's typical range."""
    low, high = typical
    return {"low": low, "high": high, **numbers}


def listed(numbers: Numbers, write: Callable[[float], str]) -> str:
    """Numbers by name, each as a reader sees it."""
    return ", ".join(f"{key} {write(value)}" for key, value in numbers.items())


@dataclass(frozen=True, slots=True)
class Goal:
    """One goal.

    Args:
        name: on the command line and in configurations, such as `maximise`.
        label: for a reader, such as `as high as possible`.
        keys: numbers that it takes beside `weight`: their names, and what they are when left out;
            None where they must be given or are filled in.
        required: those of the keys that must be given; the other open ones are filled in.
        former: keys by names that they had before.
        order: 1 where a higher value is always better, -1 where a lower one is: such a goal alone
            and without numbers ranks by the value itself; 0 otherwise.
        check: raises ConfigError where numbers, which may be given in part, do not fit each other.
        fill: open numbers, from those that are given and the column's typical range.
        scale: numbers, all of them, in words; is given how a value of the column is written.
        desirability: values float64 (n,) and all numbers to float64 (n,) between 0 and 1, NaN
            where a value is NaN. It rises up to the best values and falls beyond them, so that the
            worst of an interval is at one of its ends.
        acceptable: from all numbers the lowest and the highest value that meet the goal, all of
            them worth at least one half.
    """

    name: str
    label: str
    keys: Mapping[str, float | None] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    former: Mapping[str, str] = field(default_factory=dict)
    order: int = 0
    check: Callable[[Numbers], None] = _nothing_to_check
    fill: Callable[[Numbers, tuple[float, float]], Numbers] = typical_ends
    scale: Callable[[Numbers, Callable[[float], str]], str] = listed
    desirability: Callable[[FloatArray, Numbers], FloatArray] = field(kw_only=True)
    acceptable: Callable[[Numbers], tuple[float, float]] = field(kw_only=True)

    @property
    def defaults(self) -> Numbers:
        """Keys that have a number when left out."""
        return {key: value for key, value in self.keys.items() if value is not None}

    def open_keys(self, numbers: Numbers) -> tuple[str, ...]:
        """Keys that some numbers leave open."""
        known = {**self.defaults, **numbers}
        return tuple(key for key in self.keys if key not in known)
