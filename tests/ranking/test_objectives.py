import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from screener.errors import ConfigError
from screener.ranking.objectives import (
    Constraint,
    Objective,
    RankingSettings,
    parse_constraint,
    parse_objective,
)
from screener.ranking.score import desirability
from screener.registry.columns import _tell_once

HOMO = Objective(column="homo_b3lyp_ev", goal="minimise")
LUMO = Objective(column="lumo_b3lyp_ev", goal="maximise")
finite = st.floats(allow_nan=False, allow_infinity=False)


def test_reads_an_objective_with_numbers():
    objective = parse_objective("target:dipole_b3lyp_debye:target=4,low=2.5,high=6e0,weight=.5")
    assert objective == Objective(
        column="dipole_b3lyp_debye", goal="target", target=4, low=2.5, high=6, weight=0.5
    )


def test_a_column_may_contain_a_colon():
    assert parse_objective("maximise:price:eur").column == "price:eur"
    assert parse_objective("maximise:price:eur:low=0,high=9").column == "price:eur"


@settings(deadline=None)
@given(low=finite, high=finite, weight=st.floats(min_value=1e-300, max_value=1e300))
def test_an_objective_reads_back_from_its_text(low, high, weight):
    if low >= high:
        return
    objective = Objective(column="n_heavy", goal="range", low=low, high=high, weight=weight)
    assert parse_objective(objective.text) == objective


@settings(deadline=None)
@given(ends=st.tuples(finite, finite).map(sorted), one=st.sampled_from(["min", "max", "both"]))
def test_a_constraint_reads_back_from_its_text(ends, one):
    low, high = ends
    constraint = Constraint(
        column="n_heavy", min=None if one == "max" else low, max=None if one == "min" else high
    )
    assert parse_constraint(constraint.text) == constraint


def test_constraints_in_every_form():
    assert parse_constraint("n_heavy<=12") == Constraint(column="n_heavy", max=12)
    assert parse_constraint(" n_heavy >= 3 ") == Constraint(column="n_heavy", min=3)
    assert parse_constraint("charge==0") == Constraint(column="charge", min=0, max=0)
    assert parse_constraint("-9 <= homo_b3lyp_ev <= -6.5") == Constraint(
        column="homo_b3lyp_ev", min=-9, max=-6.5
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("lumo_b3lyp_ev", "GOAL:COLUMN"),
        ("maximize:lumo_b3lyp_ev", "the goal is one of maximise, minimise, range, target"),
        ("maximise:lumo_b3lyp_ev:2", "lumo_b3lyp_ev:low=2"),
        ("maximise:lumo_b3lyp_ev:lo=2", "'lo=2' is not KEY=NUMBER"),
        ("maximise:lumo_b3lyp_ev:low=two", "'low=two' is not KEY=NUMBER"),
        ("maximise:lumo_b3lyp_ev:low=1,low=2", "with KEY once"),
        ("maximise:lumo_b3lyp_ev:low=2,high=1", "low (2) must be smaller than high (1)"),
        ("maximise:lumo_b3lyp_ev:target=1", "target belongs to goal 'target'"),
        ("maximise:lumo_b3lyp_ev:low=0,high=1,weight=0", "weight must be positive"),
        ("maximise:lumo_b3lyp_ev:low=1e999", "finite"),
        ("target:dipole_b3lyp_debye", "give target"),
        ("target:dipole_b3lyp_debye:target=4,low=4", "target must lie between"),
        ("range:n_heavy:low=3", "give low and high"),
        ("maximise: ", "GOAL:COLUMN"),
    ],
)
def test_refuses_an_objective_and_says_what_to_write(text, says):
    with pytest.raises(ConfigError, match=re.escape(says)):
        parse_objective(text)


@pytest.mark.parametrize(
    "text",
    ["n_heavy<12", "n_heavy=12", "n_heavy", "<=12", "n_heavy<=many", "a<=b<=3", "3<=n_heavy"],
)
def test_refuses_a_constraint_and_shows_the_forms(text):
    with pytest.raises(ConfigError, match="n_heavy<=12"):
        parse_constraint(text)


def test_refuses_impossible_and_empty_constraints():
    with pytest.raises(ConfigError, match="nothing is at least 5 and at most 3"):
        parse_constraint("5<=n_heavy<=3")
    with pytest.raises(ConfigError, match="give min, max or both"):
        Constraint(column="n_heavy")


def test_open_ends_come_from_the_table_and_are_kept():
    settings = RankingSettings(objectives=(HOMO, LUMO))
    assert [each.numbers for each in settings.objectives] == [
        {"low": -9.0, "high": -4.5},
        {"low": -3.0, "high": 2.5},
    ]
    assert RankingSettings.model_validate(settings.model_dump()) == settings


def test_one_open_end_is_filled_beside_a_given_one():
    settings = RankingSettings(objectives=(parse_objective("maximise:lumo_b3lyp_ev:low=-1"),))
    assert settings.objectives[0].numbers == {"low": -1.0, "high": 2.5}


def test_a_target_gets_a_scale_around_itself():
    settings = RankingSettings(objectives=(parse_objective("target:dipole_b3lyp_debye:target=4"),))
    ends = {"low": 4 - 6.5 / 4, "high": 4 + 6.5 / 4}
    assert settings.objectives[0].numbers == {"target": 4.0, **ends}


def test_a_single_objective_ranks_any_column_by_its_value():
    settings = RankingSettings(objectives=(Objective(column="price", goal="minimise"),))
    assert settings.objectives[0].by_value


def test_an_own_column_among_several_needs_a_scale():
    with pytest.raises(ConfigError, match=r"'price' is known; give low and high, such as minimise"):
        RankingSettings(objectives=(LUMO, Objective(column="price", goal="minimise")))
    with pytest.raises(ConfigError, match="give high, such as"):
        RankingSettings(objectives=(LUMO, Objective(column="price", goal="minimise", low=1)))


def test_refuses_no_objective_and_two_on_one_column():
    with pytest.raises(ConfigError, match="at least one objective"):
        RankingSettings(objectives=())
    with pytest.raises(ConfigError, match="more than one objective on lumo_b3lyp_ev"):
        RankingSettings(objectives=(LUMO, LUMO))


def test_the_digest_follows_what_decides_the_order_and_nothing_else():
    settings = RankingSettings(objectives=(HOMO, LUMO), description="window")
    said_otherwise = RankingSettings(
        objectives=(HOMO.model_copy(update={"why": "oxidation"}), LUMO), description="other words"
    )
    assert said_otherwise.digest == settings.digest
    heavier = LUMO.model_copy(update={"weight": 2.0})
    others = [
        RankingSettings(objectives=(HOMO, heavier)),
        RankingSettings(objectives=(HOMO, LUMO), top=10),
        RankingSettings(objectives=(HOMO, LUMO), constraints=(parse_constraint("n_heavy<=9"),)),
    ]
    assert len({settings.digest, *(other.digest for other in others)}) == 4


def test_a_misspelt_key_is_named_with_its_place():
    values = {"objectives": [{"column": "lumo_b3lyp_ev", "goal": "maximise", "wieght": 2}]}
    with pytest.raises(ConfigError, match=r"mine\.toml: objectives\.0\.wieght"):
        RankingSettings.from_mapping(values, "mine.toml")
    with pytest.raises(ConfigError, match=r"mine\.toml: top"):
        RankingSettings.from_mapping({"objectives": [HOMO], "top": 0}, "mine.toml")
    with pytest.raises(ConfigError, match=r"mine\.toml: give at least one objective"):
        RankingSettings.from_mapping({"objectives": []}, "mine.toml")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("n_heavy>=10", "n_heavy<=9"),
        ("homo_b3lyp_ev<=-7", "-6<=homo_b3lyp_ev<=-5"),
        ("charge==0", "charge==1"),
    ],
)
def test_constraints_that_nothing_fulfils_together_are_refused_by_name(one, other):
    constraints = tuple(map(parse_constraint, (one, other)))
    objectives = (parse_objective("minimise:homo_b3lyp_ev"),)
    with pytest.raises(ConfigError) as caught:
        RankingSettings(objectives=objectives, constraints=constraints)
    assert f"{one} and {other} at once" in str(caught.value)
    kept = tuple(map(parse_constraint, ("n_heavy>=9", "n_heavy<=9", "charge==0")))
    RankingSettings(objectives=objectives, constraints=kept)


def test_probability_needs_something_to_be_met():
    with pytest.raises(ConfigError, match="objective maximise:lumo_b3lyp_ev has no scale"):
        RankingSettings(objectives=(parse_objective("maximise:lumo_b3lyp_ev"),), by="probability")


@pytest.mark.parametrize(
    "text",
    [
        "maximise:x:low=0,high=10",
        "maximise:x:low=0,high=10,exponent=3",
        "minimise:x:low=-4,high=1,exponent=0.5",
        "target:x:target=4,low=1,high=9",
        "target:x:target=4,low=1,high=9,exponent_low=2,exponent_high=0.4",
    ],
)
def test_what_is_acceptable_is_worth_at_least_one_half(text):
    objective = parse_objective(text)
    ends = np.array([end for end in objective.acceptable if np.isfinite(end)])
    assert desirability(ends, objective) == pytest.approx([0.5] * len(ends))


def test_all_of_a_range_is_acceptable():
    assert parse_objective("range:x:low=2,high=3").acceptable == (2.0, 3.0)


@pytest.mark.parametrize(
    ("before", "now", "told"),
    [
        ("maximise:n_heavy:low=1,high=2,s=2", "maximise:n_heavy:low=1,high=2,exponent=2", "s is"),
        ("minimise:n_heavy:low=1,high=2,t=2", "minimise:n_heavy:low=1,high=2,exponent=2", "t is"),
        (
            "range:n_heavy:low=1,high=2,weight=3,s=2,t=4",
            "range:n_heavy:low=1,high=2,weight=3,exponent_low=2,exponent_high=4",
            "exponent_low now",
        ),
        ("maximise:eox_gfn2_v_li", "maximise:eox_uncorrected_gfn2_v_li", "eox_gfn2_v_li is"),
        (
            "maximise:ea_gfn2_ev - ip_gfn2_ev",
            "maximise:ea_uncorrected_gfn2_ev - ip_uncorrected_gfn2_ev",
            "ip_gfn2_ev is called ip_uncorrected_gfn2_ev now",
        ),
    ],
)
def test_former_names_are_read_with_a_warning(before, now, told, caplog):
    _tell_once.cache_clear()
    assert parse_objective(before).text == now
    assert told in caplog.text
    assert parse_objective(now) == parse_objective(before)


def test_settings_that_were_stored_before_goals_were_entries_are_read(caplog):
    stored = {
        "column": "n_heavy", "goal": "maximise", "low": 1.0, "high": 2.0, "target": None,
        "weight": 1.0, "s": 1.0, "t": 1.0, "why": "",
    }  # fmt: skip
    assert Objective.model_validate(stored) == parse_objective("maximise:n_heavy:low=1,high=2")
    assert not caplog.text
    constraint = parse_constraint("ered_gfn2_v_li>=2")
    assert constraint.column == "ered_uncorrected_gfn2_v_li"
