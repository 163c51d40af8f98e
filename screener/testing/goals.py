"""What must hold of a goal."""

from collections.abc import Mapping

import numpy as np

from screener.errors import ConfigError
from screener.registry.goals import FloatArray, Goal
from screener.testing.claims import claim, claim_name, same

N_POINTS = 2001


def check_goal(
    goal: Goal, numbers: Mapping[str, float], typical: tuple[float, float] = (0.0, 10.0)
) -> None:
    """Check a goal: its numbers, and that its desirability and acceptable values are of a kind.

    Args:
        goal: registered or not.
        numbers: an example of what it is given, such as `{"target": 4.0}`.
        typical: the range of a column, from which it fills in the others.
    Raises:
        AssertionError: says what is wrong.
    """
    name = goal.name
    claim_name("the goal", name)
    claim(goal.label.strip(), f"goal {name} has no label for a reader")
    claim(goal.order in (-1, 0, 1), f"goal {name}: its order is -1, 0 or 1, not {goal.order}")
    claim("weight" not in goal.keys, f"goal {name}: weight belongs to every goal, and is no key")
    unknown = {*goal.required, *goal.former.values(), *numbers} - set(goal.keys)
    claim(not unknown, f"goal {name}: {', '.join(sorted(unknown))} is none of its keys")
    try:
        goal.check(numbers)
    except ConfigError as error:
        raise AssertionError(f"goal {name} refuses the example: {error}") from error
    whole = {**goal.defaults, **numbers}
    if goal.open_keys(numbers):  # as in a campaign, where nothing else is filled in
        whole = {**goal.defaults, **goal.fill(numbers, typical)}
    strange = set(whole) - set(goal.keys)
    claim(not strange, f"goal {name} fills in {', '.join(sorted(strange))}, which is no key of it")
    still = goal.open_keys(whole)
    claim(not still, f"goal {name}: {', '.join(still)} is open still when it is filled in")
    changed = [key for key, value in numbers.items() if whole[key] != value]
    claim(not changed, f"goal {name} fills in {', '.join(changed)}, which was given")
    claim(goal.scale(whole, str), f"goal {name} does not say what its scale is")
    width = typical[1] - typical[0]
    middle = [value for key, value in whole.items() if goal.keys[key] is None] or [typical[0]]
    grid = np.linspace(min(*middle, typical[0]) - width, max(*middle, typical[1]) + width, N_POINTS)
    worth = _desirability(goal, grid, whole)
    _check_shape_and_order(goal, grid, worth)
    _check_rows(goal, grid, worth, whole)
    _check_acceptable(goal, grid, worth, whole)


def _desirability(goal: Goal, values: FloatArray, numbers: Mapping[str, float]) -> FloatArray:
    before = values.copy()
    worth = goal.desirability(values, numbers)
    claim(same(values, before), f"goal {goal.name} changes the values that it is given")
    claim(
        isinstance(worth, np.ndarray) and worth.shape == values.shape,
        f"goal {goal.name}: {values.shape} values have a desirability of shape {np.shape(worth)}",
    )
    claim(
        worth.dtype == np.float64,
        f"goal {goal.name}: its desirability is {worth.dtype}, and float64 is needed",
    )
    return worth


def _check_shape_and_order(goal: Goal, grid: FloatArray, worth: FloatArray) -> None:
    claim(np.isfinite(worth).all(), f"goal {goal.name}: finite values are worth NaN or infinity")
    inside = (worth >= 0.0) & (worth <= 1.0)
    claim(inside.all(), f"goal {goal.name}: a value is worth {worth[~inside][:1]}, not 0 to 1")
    claim(np.ptp(worth) > 0.0, f"goal {goal.name}: all values are worth the same")
    best = int(np.argmax(worth))
    steps = np.diff(worth)
    claim(
        (steps[:best] >= -1e-12).all() and (steps[best:] <= 1e-12).all(),
        f"goal {goal.name}: its desirability rises again behind the best value, so that the worst "
        "of an interval is not at an end of it",
    )
    if goal.order:
        claim(
            (goal.order * steps >= -1e-12).all(),
            f"goal {goal.name} says that {'higher' if goal.order > 0 else 'lower'} is better, and "
            f"its desirability does not rise so between {grid[0]:g} and {grid[-1]:g}",
        )


def _check_rows(
    goal: Goal, grid: FloatArray, worth: FloatArray, numbers: Mapping[str, float]
) -> None:
    claim(
        same(_desirability(goal, grid.copy(), numbers), worth),
        f"goal {goal.name} gives other desirabilities the second time",
    )
    some = grid[:: N_POINTS // 20]
    alone = np.concatenate(
        [_desirability(goal, some[i : i + 1], numbers) for i in range(len(some))]
    )
    claim(
        same(alone, worth[:: N_POINTS // 20]),
        f"goal {goal.name}: a value is worth something else alone than among others",
    )
    gap = _desirability(goal, np.array([grid[0], np.nan, grid[-1]]), numbers)
    claim(np.isnan(gap[1]), f"goal {goal.name}: no value (NaN) is worth {gap[1]}, and not NaN")
    claim(np.isfinite(gap[[0, 2]]).all(), f"goal {goal.name}: a NaN among others makes others NaN")
    empty = _desirability(goal, np.empty(0), numbers)
    claim(len(empty) == 0, f"goal {goal.name} makes something of no values")


def _check_acceptable(
    goal: Goal, grid: FloatArray, worth: FloatArray, numbers: Mapping[str, float]
) -> None:
    low, high = goal.acceptable(numbers)
    claim(low < high, f"goal {goal.name}: acceptable values run from {low} to {high}")
    slack = (grid[-1] - grid[0]) / N_POINTS
    inside = (grid >= low + slack) & (grid <= high - slack)
    outside = (grid < low - slack) | (grid > high + slack)
    claim(
        (worth[inside] >= 0.5).all(),
        f"goal {goal.name}: an acceptable value, {low:g} to {high:g}, is worth less than one half",
    )
    claim(
        not inside.any() or not outside.any() or worth[outside].max() <= worth[inside].min(),
        f"goal {goal.name}: a value outside {low:g} to {high:g} is worth more than one that is "
        "acceptable",
    )
