"""A goal: `gaussian:boiling_point_k:target=400,sigma=50` is worth exp(-z²/2), z in sigmas."""

import math

import numpy as np

from screener.errors import ConfigError
from screener.registry.goals import FloatArray, Goal, Numbers

HALF = math.sqrt(2.0 * math.log(2.0))  # so many sigmas away a value is worth one half


def check(numbers: Numbers) -> None:
    """Sigma is a width."""
    if numbers.get("sigma", 1.0) <= 0.0:
        raise ConfigError(f"sigma must be positive, not {numbers['sigma']:g}")


def fill(numbers: Numbers, typical: tuple[float, float]) -> Numbers:
    """An open sigma is a tenth of what is typical of the column."""
    return {"sigma": (typical[1] - typical[0]) / 10.0, **numbers}


def desirability(values: FloatArray, numbers: Numbers) -> FloatArray:
    """Between 0 and 1, (n,)."""
    worth: FloatArray = np.exp(-0.5 * ((values - numbers["target"]) / numbers["sigma"]) ** 2)
    return worth


def acceptable(numbers: Numbers) -> tuple[float, float]:
    """From where to where a value is worth one half."""
    reach = HALF * numbers["sigma"]
    return numbers["target"] - reach, numbers["target"] + reach


GAUSSIAN = Goal(
    name="gaussian",
    label="near a value, with a bell's slopes",
    keys={"target": None, "sigma": None},
    required=("target",),
    check=check,
    fill=fill,
    desirability=desirability,
    acceptable=acceptable,
)
