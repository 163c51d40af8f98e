"""The goals that come with this package, as entries of the registry.

Each value becomes a desirability between 0 and 1 (Derringer and Suich, J. Qual. Technol. 12, 214
(1980)). They clip: everything past the ends of a scale is worth exactly 0 or 1, which would leave
molecules there in no order, and one clipped objective would hide all others. Here the line,
straight or bent by an exponent, runs from 0.05 at one end to 0.95 at the other and passes into
tails that approach 0 and 1 like 1/distance without reaching them: better values always score
higher. Two goals are flat or folded by their meaning: inside a `range` all values are worth 1, and
values equally far (in units of their side's width) from a `target` are worth the same.

An exponent above 1 makes only values near the good end worth much, one below 1 all but those near
the poor end.
"""

import math
from collections.abc import Callable

import numpy as np

from screener.errors import ConfigError
from screener.registry.goals import FloatArray, Goal, Numbers

EDGE = 0.05  # desirability at the bad end of a scale, and what is missing from 1 at the good end
_SIDES = ("exponent_low", "exponent_high")  # below and above what is wanted


def _check_scale(numbers: Numbers) -> None:
    for key in ("exponent", *_SIDES):
        if (value := numbers.get(key, 1.0)) <= 0:
            raise ConfigError(f"{key} must be positive, not {value:g}")
    low, high = numbers.get("low", -math.inf), numbers.get("high", math.inf)
    if low >= high:
        raise ConfigError(f"low ({low:g}) must be smaller than high ({high:g})")


def _check_target(numbers: Numbers) -> None:
    _check_scale(numbers)
    target = numbers.get("target", math.nan)
    if numbers.get("low", -math.inf) >= target or numbers.get("high", math.inf) <= target:
        raise ConfigError("target must lie between low and high, not at an end")


def _around_target(numbers: Numbers, typical: tuple[float, float]) -> Numbers:
    """A target is worth little one quarter of the typical range away."""
    quarter = (typical[1] - typical[0]) / 4
    target = numbers["target"]
    return {"low": target - quarter, "high": target + quarter, **numbers}


def _maximised(values: FloatArray, numbers: Numbers) -> FloatArray:
    low, high = numbers["low"], numbers["high"]
    return _rising((values - low) / (high - low), numbers["exponent"])


def _minimised(values: FloatArray, numbers: Numbers) -> FloatArray:
    low, high = numbers["low"], numbers["high"]
    return _rising((high - values) / (high - low), numbers["exponent"])


def _near_target(values: FloatArray, numbers: Numbers) -> FloatArray:
    low, high, target = numbers["low"], numbers["high"], numbers["target"]
    below = (target - values) / (target - low)
    above = (values - target) / (high - target)
    return _between(below, above, numbers)


def _in_range(values: FloatArray, numbers: Numbers) -> FloatArray:
    low, high = numbers["low"], numbers["high"]
    half = (high - low) / 2
    return _between((low - values) / half, (values - high) / half, numbers)


def _between(below: FloatArray, above: FloatArray, numbers: Numbers) -> FloatArray:
    # at most one of the two distances is positive, and the other side is then worth 1
    return np.minimum(
        _falling(np.maximum(below, 0.0), numbers["exponent_low"]),
        _falling(np.maximum(above, 0.0), numbers["exponent_high"]),
    )


def _rising(position: FloatArray, exponent: float) -> FloatArray:
    """0.05 at 0, 0.95 at 1, a power between, tails that never reach 0 and 1."""
    slope = 1.0 - 2.0 * EDGE
    with np.errstate(invalid="ignore"):
        below = _tail(np.maximum(-position, 0.0), slope)
        above = _tail(np.maximum(position - 1.0, 0.0), slope)
        line = EDGE + slope * np.clip(position, 0.0, 1.0) ** exponent
        return np.where(position < 0.0, below, np.where(position > 1.0, 1.0 - above, line))


def _falling(distance: FloatArray, exponent: float) -> FloatArray:
    """1 at distance 0, 0.05 at 1, a power between, then a tail that never reaches 0."""
    slope = 1.0 - EDGE
    with np.errstate(invalid="ignore"):
        beyond = _tail(np.maximum(distance - 1.0, 0.0), slope)
        if exponent == 1.0:  # to the last bit as without an exponent
            inside = 1.0 - slope * np.minimum(distance, 1.0)
        else:
            inside = EDGE + slope * (1.0 - np.minimum(distance, 1.0)) ** exponent
        return np.where(distance > 1.0, beyond, inside)


def _tail(distance: FloatArray, slope: float) -> FloatArray:
    """Falls from 0.05 at distance 0, at first by `slope` per unit of distance."""
    return EDGE / (1.0 + (slope / EDGE) * distance)


def _high_enough(numbers: Numbers) -> tuple[float, float]:
    low, high = numbers["low"], numbers["high"]
    return low + 0.5 ** (1.0 / numbers["exponent"]) * (high - low), math.inf


def _low_enough(numbers: Numbers) -> tuple[float, float]:
    low, high = numbers["low"], numbers["high"]
    return -math.inf, high - 0.5 ** (1.0 / numbers["exponent"]) * (high - low)


def _near_enough(numbers: Numbers) -> tuple[float, float]:
    low, high, target = numbers["low"], numbers["high"], numbers["target"]
    half = (0.5 - EDGE) / (1.0 - EDGE)
    below, above = (1.0 - half ** (1.0 / numbers[side]) for side in _SIDES)
    return target - below * (target - low), target + above * (high - target)


def _inside(numbers: Numbers) -> tuple[float, float]:
    return numbers["low"], numbers["high"]


def _poor_to_good(poor: str, good: str) -> Callable[[Numbers, Callable[[float], str]], str]:
    def scale(numbers: Numbers, write: Callable[[float], str]) -> str:
        return f"from {write(numbers[poor])} (poor) to {write(numbers[good])} (good)"

    return scale


def _target_scale(numbers: Numbers, write: Callable[[float], str]) -> str:
    target, low, high = (write(numbers[key]) for key in ("target", "low", "high"))
    return f"{target}, acceptable {low} to {high}"


def _range_scale(numbers: Numbers, write: Callable[[float], str]) -> str:
    return f"{write(numbers['low'])} to {write(numbers['high'])}"


MINIMISE = Goal(
    name="minimise",
    label="as low as possible",
    keys={"low": None, "high": None, "exponent": 1.0},
    former={"t": "exponent"},
    order=-1,
    check=_check_scale,
    scale=_poor_to_good("high", "low"),
    desirability=_minimised,
    acceptable=_low_enough,
)
MAXIMISE = Goal(
    name="maximise",
    label="as high as possible",
    keys={"low": None, "high": None, "exponent": 1.0},
    former={"s": "exponent"},
    order=1,
    check=_check_scale,
    scale=_poor_to_good("low", "high"),
    desirability=_maximised,
    acceptable=_high_enough,
)
TARGET = Goal(
    name="target",
    label="as near as possible to a value",
    keys={"low": None, "high": None, "target": None, **dict.fromkeys(_SIDES, 1.0)},
    required=("target",),
    former={"s": "exponent_low", "t": "exponent_high"},
    check=_check_target,
    fill=_around_target,
    scale=_target_scale,
    desirability=_near_target,
    acceptable=_near_enough,
)
RANGE = Goal(
    name="range",
    label="between two values, all of them equally good",
    keys={"low": None, "high": None, **dict.fromkeys(_SIDES, 1.0)},
    required=("low", "high"),
    former={"s": "exponent_low", "t": "exponent_high"},
    check=_check_scale,
    scale=_range_scale,
    desirability=_in_range,
    acceptable=_inside,
)
