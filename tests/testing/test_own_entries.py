"""What is registered passes the checks that anybody can run."""

import pytest

from screener.registry.columns import levels, quantities
from screener.registry.plugins import registered
from screener.testing import check_goal, check_level, check_quantity

NUMBERS = {
    "minimise": [{}, {"low": 2.0, "exponent": 0.3}],
    "maximise": [{}, {"high": 8.0, "exponent": 3.0}],
    "target": [{"target": 4.0}, {"target": 4.0, "low": 3.5, "exponent_low": 2.0}],
    "range": [{"low": 2.0, "high": 3.0}, {"low": 2.0, "high": 9.0, "exponent_high": 0.5}],
}


SMALL = ("O", "N")  # for levels that take seconds with them


@pytest.mark.parametrize("name", levels())
def test_level(name):
    level = levels()[name]
    if level.seconds < 1.0:
        check_level(level)
    else:
        check_level(level, smiles=SMALL)


@pytest.mark.parametrize("name", quantities())
def test_quantity(name):
    check_quantity(quantities()[name])


@pytest.mark.parametrize(
    ("name", "numbers"), [(name, each) for name, some in NUMBERS.items() for each in some]
)
def test_goal(name, numbers):
    check_goal(registered("objectives")[name], numbers)


def test_every_goal_of_ours_has_an_example():
    assert set(NUMBERS) == set(registered("objectives"))
