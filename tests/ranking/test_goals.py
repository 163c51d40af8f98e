"""Goals as entries: to the last bit what each goal was worth before, and others' goals too."""

from importlib import import_module

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from screener.errors import ConfigError
from screener.ranking.objectives import RankingSettings, parse_objective
from screener.ranking.score import desirability, score_table
from screener.registry.goals import Goal

EDGE = 0.05


def tail(distance, slope):
    return EDGE / (1.0 + (slope / EDGE) * distance)


def rising(position, exponent):
    slope = 1.0 - 2.0 * EDGE
    below = tail(np.maximum(-position, 0.0), slope)
    above = tail(np.maximum(position - 1.0, 0.0), slope)
    line = EDGE + slope * np.clip(position, 0.0, 1.0) ** exponent
    return np.where(position < 0.0, below, np.where(position > 1.0, 1.0 - above, line))


def falling(distance, exponent):
    slope = 1.0 - EDGE
    beyond = tail(np.maximum(distance - 1.0, 0.0), slope)
    if exponent == 1.0:
        inside = 1.0 - slope * np.minimum(distance, 1.0)
    else:
        inside = EDGE + slope * (1.0 - np.minimum(distance, 1.0)) ** exponent
    return np.where(distance > 1.0, beyond, inside)


def as_before(goal, values, low, high, target, s, t):
    """The formulas as they stood in one function, with its `s` and `t`."""
    if goal == "maximise":
        return rising((values - low) / (high - low), s)
    if goal == "minimise":
        return rising((high - values) / (high - low), t)
    if goal == "range":
        half = (high - low) / 2
        below, above = (low - values) / half, (values - high) / half
    else:
        below = (target - values) / (target - low)
        above = (values - target) / (high - target)
    return np.minimum(falling(np.maximum(below, 0.0), s), falling(np.maximum(above, 0.0), t))


exponents = st.sampled_from([0.3, 1.0, 2.5])


@settings(deadline=None)
@given(
    values=st.lists(st.floats(-50, 50) | st.just(float("nan")), min_size=1, max_size=20),
    goal=st.sampled_from(["minimise", "maximise", "target", "range"]),
    ends=st.tuples(st.floats(-9, -1), st.floats(-0.5, 0.5), st.floats(1, 9)),
    s=exponents,
    t=exponents,
)
def test_desirabilities_are_to_the_last_bit_those_of_before(values, goal, ends, s, t):
    low, target, high = ends
    text = f"{goal}:x:low={low!r},high={high!r}"
    text += f",target={target!r}" if goal == "target" else ""
    text += f",s={s}" if goal != "minimise" else ""
    text += f",t={t}" if goal != "maximise" else ""
    array = np.array(values)
    found = desirability(array, parse_objective(text))
    assert found.tobytes() == as_before(goal, array, low, high, target, s, t).tobytes()


def test_digests_of_rankings_are_those_of_before():
    objectives = tuple(
        map(
            parse_objective,
            (
                "target:lumo_b3lyp_ev:target=1,low=0,high=2,weight=3,s=2,t=.5",
                "range:homo_b3lyp_ev:low=-9,high=-6",
            ),
        )
    )
    assert RankingSettings(objectives=objectives).digest == "0b845ddbcf53c8469ddb0514a34f6743"


HUMP = Goal(
    name="hump",
    label="near a centre",
    keys={"centre": None, "width": None},
    required=("centre",),
    fill=lambda numbers, typical: {"width": (typical[1] - typical[0]) / 4, **numbers},
    desirability=lambda values, numbers: np.exp(
        -0.5 * ((values - numbers["centre"]) / numbers["width"]) ** 2
    ),
    acceptable=lambda numbers: (
        numbers["centre"] - 1.1774100225154747 * numbers["width"],
        numbers["centre"] + 1.1774100225154747 * numbers["width"],
    ),
)


@pytest.fixture
def hump(monkeypatch):
    plugins = import_module("screener.registry.plugins")
    known = {**plugins.registered("objectives"), "hump": HUMP}
    registered = plugins.registered
    for name in ("screener.registry.plugins", "screener.ranking.objective"):
        monkeypatch.setattr(
            import_module(name), "registered", lambda group: known if group == "objectives" else
            registered(group)
        )  # fmt: skip
    monkeypatch.setattr(import_module("screener.ranking.objective"), "signature", lambda *_: "p 1")


def test_a_goal_of_somebody_else_ranks_like_ours(hump):
    settings = RankingSettings(objectives=(parse_objective("hump:dipole_b3lyp_debye:centre=4"),))
    assert settings.objectives[0].text == "hump:dipole_b3lyp_debye:centre=4,width=1.625"
    assert RankingSettings.model_validate(settings.model_dump()) == settings
    table = pa.table(
        {
            "dipole_b3lyp_debye": [4.0, 5.625, 1e9],
            "dipole_b3lyp_debye_lo90": [3.0, 5.5, 1e9],
            "dipole_b3lyp_debye_hi90": [6.0, 5.7, 1e9],
        }
    )
    score = score_table(table, settings).score
    assert score == pytest.approx([1.0, np.exp(-0.5), 0.0])  # what is worth nothing scores nothing
    likely = settings.model_copy(update={"by": "probability"})
    assert score_table(table, likely).score == pytest.approx([0.9413, 1.0, 0.0], abs=1e-4)


def test_numbers_of_a_goal_of_somebody_else_are_checked_by_its_keys(hump):
    with pytest.raises(ConfigError, match="give centre"):
        parse_objective("hump:dipole_b3lyp_debye:width=1")
    with pytest.raises(ConfigError, match="low belongs to goal"):
        parse_objective("hump:dipole_b3lyp_debye:centre=1,low=1")
    with pytest.raises(ConfigError, match=r"'middle=1' is not KEY=NUMBER .* centre, width, weight"):
        parse_objective("hump:dipole_b3lyp_debye:middle=1")
    with pytest.raises(ConfigError, match="centre belongs to goal 'hump' only"):
        parse_objective("maximise:dipole_b3lyp_debye:centre=1")
    with pytest.raises(ConfigError, match=r"no typical range of 'price'.*give width, such as"):
        RankingSettings(objectives=(parse_objective("hump:price:centre=1"),))
    assert parse_objective("hump:x:centre=1").deciding["plugin"] == "p 1"
