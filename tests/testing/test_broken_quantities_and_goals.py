"""Each check of quantities and goals finds what it is for."""

from dataclasses import replace

import numpy as np
import pytest

from screener.errors import ConfigError
from screener.ranking.goals import MAXIMISE, TARGET
from screener.registry.goals import Goal, typical_ends
from screener.registry.quantities import Quantity
from screener.registry.units import EV, KELVIN, ONE, Unit
from screener.testing import check_goal, check_quantity

BOILING = Quantity("boiling_point", "boiling point", KELVIN, lower=0.0, typical={"": (250, 600)})
EXAMPLE = {"target": 4.0}


def test_a_right_quantity():
    check_quantity(BOILING)
    check_quantity(Quantity("viscosity", "viscosity", Unit("cSt", "cst", "kinematic viscosity")))
    check_quantity(Quantity("logp", "logP", ONE, typical={"crippen": (-2.0, 4.0)}))


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({"name": "Boiling"}, "name of the quantity is 'Boiling'"),
        ({"name": "boiling-point"}, "part of columns"),
        ({"label": ""}, "no label"),
        ({"upper": -1.0}, "leave no value"),
        ({"typical": {"": (600, 250)}}, "typical range 600 to 250 of its values is empty"),
        ({"typical": {"gfn2": (-5, 250)}}, "of gfn2 is outside its bounds"),
        ({"difference": ("high", "homo")}, "there is no quantity 'high'"),
        ({"low_counterpart": "bp"}, "there is no quantity 'bp'"),
        ({"difference": ("lumo", "homo")}, "difference of lumo, which has another unit"),
        ({"former": ("homo",)}, "former name"),
        ({"name": "n", "unit": Unit("of heavies", "heavy", "number")}, "n_heavy is the column of"),
        ({"unit": Unit("furlong", "", "length")}, "unit furlong has no ending"),
        ({"unit": Unit("nothing", "x", "x", 0.0)}, "has the factor 0"),
        ({"unit": Unit("x", "x", "x", digits=-1)}, "-1 digits"),
        ({"unit": replace(EV, name="eVolt", factor=EV.factor * 2)}, "end columns alike"),
        ({"unit": Unit("meV", "mev", "energy", float("nan"))}, "others after .* and back"),
    ],
)
def test_what_is_wrong_with_a_quantity_is_told(changes, wrong):
    with pytest.raises(AssertionError, match=wrong):
        check_quantity(replace(BOILING, **changes))


def jump(values, numbers):
    worth = TARGET.desirability(values, numbers)
    return np.where(values > 12.0, 1.0, worth)


def refuse(numbers):
    raise ConfigError("never")


def forgets_the_batch(values, numbers):
    worth = TARGET.desirability(values, numbers)
    return worth if len(values) != 1 else worth * 0.5


def spoils_others(values, numbers):
    if np.isnan(values).any():
        return np.full(len(values), np.nan)
    return TARGET.desirability(values, numbers)


def changes_its_argument(values, numbers):
    worth = TARGET.desirability(values, numbers)
    values += 1.0
    return worth


class Counting:
    """Other desirabilities at each call."""

    n = 0

    def __call__(self, values, numbers):
        self.n += 1
        return TARGET.desirability(values, numbers) / self.n


def desirability(function):
    return {"desirability": lambda values, numbers: function(TARGET.desirability(values, numbers))}


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({"name": "near To"}, "name of the goal is 'near To'"),
        ({"label": ""}, "no label"),
        ({"order": 2}, "its order is -1, 0 or 1"),
        ({"keys": {**TARGET.keys, "weight": 1.0}}, "weight belongs to every goal"),
        ({"required": ("middle",)}, "middle is none of its keys"),
        ({"check": refuse}, "refuses the example: never"),
        ({"fill": lambda numbers, typical: numbers}, "low, high is open still"),
        (
            {"fill": lambda *given: {**typical_ends(*given), "target": 5.0}},
            "fills in target, which was given",
        ),
        (
            {"fill": lambda *given: {**typical_ends(*given), "width": 5.0}},
            "fills in width, which is no key",
        ),
        ({"scale": lambda numbers, write: ""}, "does not say what its scale is"),
        ({"desirability": changes_its_argument}, "changes the values"),
        (desirability(lambda worth: worth[:-1]), "have a desirability of shape"),
        (desirability(lambda worth: worth.astype(np.float32)), "is float32"),
        (desirability(lambda worth: np.where(worth < 0.1, np.nan, worth)), "worth NaN or infinity"),
        (desirability(lambda worth: worth * 2.0), "not 0 to 1"),
        (desirability(lambda worth: np.ones_like(worth)), "all values are worth the same"),
        ({"desirability": jump}, "rises again behind the best value"),
        ({"order": 1}, "higher is better, and its desirability does not rise so"),
        ({"desirability": Counting()}, "other desirabilities the second time"),
        ({"desirability": forgets_the_batch}, "something else alone than among others"),
        (desirability(np.nan_to_num), r"no value \(NaN\) is worth 0"),
        ({"desirability": spoils_others}, "a NaN among others makes others NaN"),
        (
            {"desirability": lambda values, numbers: TARGET.desirability(values, numbers)
             if len(values) else np.ones(1)},
            "desirability of shape|something of no values",
        ),
        ({"acceptable": lambda numbers: (5.0, 3.0)}, "acceptable values run from 5.0 to 3.0"),
        ({"acceptable": lambda numbers: (-5.0, 13.0)}, "is worth less than one half"),
        ({"acceptable": lambda numbers: (4.5, 4.9)}, "worth more than one that is acceptable"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_goal_is_told(changes, wrong):
    with pytest.raises(AssertionError, match=wrong):
        check_goal(replace(TARGET, **changes), EXAMPLE)


def above(values, numbers):
    return 1.0 / (1.0 + np.exp(numbers["half"] - values))


def test_a_goal_whose_keys_are_all_given_needs_no_fill():
    goal = Goal(
        name="above",
        label="smoothly above",
        keys={"half": None},
        required=("half",),
        desirability=above,
        acceptable=lambda numbers: (numbers["half"], np.inf),
    )
    check_goal(goal, {"half": 4.0})


def test_unknown_keys_and_former_names_are_told():
    with pytest.raises(AssertionError, match="target is none of its keys"):
        check_goal(MAXIMISE, EXAMPLE)
    with pytest.raises(AssertionError, match="power is none of its keys"):
        check_goal(replace(MAXIMISE, former={"s": "power"}), {})
