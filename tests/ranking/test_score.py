import math
from statistics import NormalDist

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from screener.errors import ConfigError
from screener.ranking.objectives import (
    Objective,
    RankingSettings,
    parse_constraint,
    parse_objective,
)
from screener.ranking.presets import load_preset
from screener.ranking.score import desirability, score_table

# QM9's B3LYP/6-31G(2df,p) values: HOMO eV, LUMO eV, dipole D, kcal/mol, atoms, heavy atoms
SOLVENTS = {
    "ethylene carbonate": (-7.9865, 1.0912, 5.0601, 1014.7669, 10, 6),
    "acetonitrile": (-8.8818, 1.0231, 3.8266, 589.8125, 6, 3),
    "1,2-dimethoxyethane": (-6.8355, 2.3075, 0.0023, 1394.9153, 16, 6),
    "N-methylpyrrolidone": (-6.3593, 1.0259, 3.6417, 1534.8850, 16, 7),
    "acetone": (-6.6151, -0.2367, 2.7362, 929.8479, 10, 4),
}
SMILES = {
    "ethylene carbonate": "O=C1OCCO1",
    "acetonitrile": "CC#N",
    "1,2-dimethoxyethane": "COCCOC",
    "N-methylpyrrolidone": "CN1CCCC1=O",
    "acetone": "CC(C)=O",
}
COLUMNS = (
    "homo_b3lyp_ev",
    "lumo_b3lyp_ev",
    "dipole_b3lyp_debye",
    "ae0_b3lyp_kcal",
    "n_atoms",
    "n_heavy",
)
LUMO_UP = parse_objective("maximise:lumo_b3lyp_ev:low=0,high=2")
HOMO_DOWN = parse_objective("minimise:homo_b3lyp_ev:low=-9,high=-6")


def solvents(*names):
    chosen = names or tuple(SOLVENTS)
    rows = [SOLVENTS[name] for name in chosen]
    columns = dict(zip(COLUMNS, map(list, zip(*rows, strict=True)), strict=True))
    return pa.table({"smiles": [SMILES[name] for name in chosen], **columns})


def worth(objective, *values):
    return desirability(np.array(values, dtype=np.float64), objective).tolist()


def test_the_ends_and_the_middle_of_a_scale():
    assert worth(LUMO_UP, 0.0, 1.0, 2.0) == pytest.approx([0.05, 0.5, 0.95])
    assert worth(HOMO_DOWN, -6.0, -7.5, -9.0) == pytest.approx([0.05, 0.5, 0.95])


def test_a_target_and_a_range():
    target = parse_objective("target:dipole_b3lyp_debye:target=4,low=2,high=5")
    assert worth(target, 2.0, 3.0, 4.0, 4.5, 5.0) == pytest.approx([0.05, 0.525, 1, 0.525, 0.05])
    size = parse_objective("range:n_heavy:low=4,high=8")
    assert worth(size, 4, 6, 8, 9, 10, 2) == pytest.approx([1, 1, 1, 0.525, 0.05, 0.05])


@settings(deadline=None)
@given(
    goal=st.sampled_from(["minimise", "maximise"]),
    values=st.tuples(*[st.floats(min_value=-1e6, max_value=1e6)] * 2).map(sorted),
)
def test_better_values_are_worth_more_everywhere(goal, values):
    objective = Objective(column="lumo_b3lyp_ev", goal=goal, low=-2.0, high=3.0)
    lower, higher = worth(objective, *values)
    assert 0 < lower < 1
    assert 0 < higher < 1
    assert lower <= higher if goal == "maximise" else lower >= higher
    if values[1] - values[0] > 0.01:  # strictly, also far beyond the ends
        assert lower != higher


@pytest.mark.parametrize(
    ("text", "edges"),
    [
        ("maximise:n_heavy:low=3,high=9", (3.0, 9.0)),
        ("minimise:n_heavy:low=3,high=9", (3.0, 9.0)),
        ("target:n_heavy:target=4,low=3,high=9", (3.0, 9.0)),
        ("range:n_heavy:low=3,high=9", (0.0, 12.0)),
    ],
)
def test_the_tails_begin_without_a_jump_or_a_kink(text, edges):
    for edge in edges:
        before, middle, after = worth(parse_objective(text), edge - 1e-6, edge, edge + 1e-6)
        assert middle - before == pytest.approx(after - middle, rel=1e-3)


def test_the_score_is_the_weighted_geometric_mean():
    settings = RankingSettings(
        objectives=(LUMO_UP.model_copy(update={"weight": 3.0}), HOMO_DOWN),
    )
    scores = score_table(solvents("ethylene carbonate"), settings)
    lumo, homo = (
        scores.desirabilities["lumo_b3lyp_ev"][0],
        scores.desirabilities["homo_b3lyp_ev"][0],
    )
    assert scores.score[0] == pytest.approx((lumo**3 * homo) ** 0.25, rel=1e-14)


def test_a_single_objective_without_a_scale_ranks_by_the_value():
    table = solvents()
    lowest = RankingSettings(objectives=(parse_objective("minimise:homo_b3lyp_ev"),))
    scores = score_table(table, lowest)
    assert scores.score.tolist() == [-value for value in table["homo_b3lyp_ev"].to_pylist()]
    assert scores.desirabilities == {}
    largest = RankingSettings(objectives=(parse_objective("maximise:lumo_b3lyp_ev"),))
    assert score_table(table, largest).score.tolist() == table["lumo_b3lyp_ev"].to_pylist()


def test_negative_zero_scores_like_zero():
    table = pa.table({"price": [0.0, -0.0]})
    settings = RankingSettings(objectives=(parse_objective("minimise:price"),))
    score = score_table(table, settings).score
    assert score[:1].tobytes() == score[1:].tobytes() == np.zeros(1).tobytes()


def test_rows_without_a_value_get_no_score_and_say_of_which_column():
    table = pa.table(
        {"lumo_b3lyp_ev": [1.0, None, math.nan, math.inf, 1.0], "price": [1, 2, 3, 4, None]}
    )
    settings = RankingSettings(objectives=(LUMO_UP,), constraints=(parse_constraint("price<=9"),))
    scores = score_table(table, settings)
    assert np.isnan(scores.score).tolist() == [False, True, True, True, True]
    assert scores.no_value == [None, "lumo_b3lyp_ev", "lumo_b3lyp_ev", "lumo_b3lyp_ev", "price"]
    assert scores.rule == [None] * 5


def test_a_broken_constraint_is_named_once_the_first_first():
    table = pa.table(
        {"n_heavy": [6, 13, 2, 20], "price": [1.0, 1.0, 99.0, 99.0], "x": [1, 1, 1, None]}
    )
    settings = RankingSettings(
        objectives=(parse_objective("maximise:x"),),
        constraints=(parse_constraint("price<=10"), parse_constraint("3<=n_heavy<=12")),
    )
    scores = score_table(table, settings)
    assert scores.rule == [None, "3<=n_heavy<=12", "price<=10", "price<=10"]
    assert np.isnan(scores.score).tolist() == [False, True, True, True]
    assert scores.no_value == [None] * 4  # a row has one reason


def test_bounds_of_constraints_are_inclusive():
    table = pa.table({"n_heavy": [2, 3, 12, 13]})
    settings = RankingSettings(
        objectives=(parse_objective("maximise:n_heavy"),),
        constraints=(parse_constraint("3<=n_heavy<=12"),),
    )
    assert [rule is None for rule in score_table(table, settings).rule] == [
        False,
        True,
        True,
        False,
    ]


def test_what_the_stage_does_not_have_is_left_out_and_listed():
    settings = RankingSettings(
        objectives=(LUMO_UP, parse_objective("maximise:gap_gfn2_ev")),
        constraints=(parse_constraint("gap_gfn2_ev>=3"),),
    )
    table = solvents()
    scores = score_table(table, settings)
    assert scores.left_out == ["maximise:gap_gfn2_ev:low=2,high=11", "gap_gfn2_ev>=3"]
    assert scores.score == pytest.approx(worth(LUMO_UP, *table["lumo_b3lyp_ev"].to_pylist()))
    with pytest.raises(ConfigError, match="none of the columns lumo_b3lyp_ev, gap_gfn2_ev exists"):
        score_table(table.select(["homo_b3lyp_ev"]), settings)


def test_text_cannot_be_scored():
    settings = RankingSettings(objectives=(parse_objective("maximise:vendor"),))
    with pytest.raises(ConfigError, match="'vendor' holds 'a'"):
        score_table(pa.table({"vendor": ["a"]}), settings)


def test_an_empty_table_has_empty_scores():
    scores = score_table(solvents().slice(0, 0), load_preset("electrolyte-solvent"))
    assert len(scores.score) == 0
    assert scores.rule == []


@settings(deadline=None)
@given(st.data())
def test_a_row_scores_the_same_bytes_in_any_table(data):
    values = st.floats(min_value=-20, max_value=20)
    n_rows = data.draw(st.integers(1, 40))
    drawn = [data.draw(st.lists(values, min_size=n_rows, max_size=n_rows)) for _ in COLUMNS[:3]]
    table = pa.table(dict(zip(COLUMNS[:3], drawn, strict=True)))
    settings = load_preset("electrolyte-solvent")
    whole = score_table(table, settings).score
    order = np.array(data.draw(st.permutations(range(n_rows))))
    assert (
        score_table(table.take(pa.array(order)), settings).score.tobytes() == whole[order].tobytes()
    )
    row = data.draw(st.integers(0, n_rows - 1))
    assert (
        score_table(table.slice(row, 1), settings).score.tobytes() == whole[row : row + 1].tobytes()
    )


def test_the_preset_orders_known_solvents_as_its_literature_does():
    scores = score_table(solvents(), load_preset("electrolyte-solvent"))
    assert scores.left_out == ["maximise:eox_uncorrected_gfn2_v_li:low=10.2,high=12.3,weight=0.5"]
    score = dict(zip(SOLVENTS, scores.score, strict=True))
    # acetone is reduced first and N-methylpyrrolidone oxidised first of these
    assert min(score, key=score.__getitem__) == "acetone"
    assert score["ethylene carbonate"] > score["N-methylpyrrolidone"]
    assert score["acetonitrile"] > score["N-methylpyrrolidone"]


def test_exponents_bend_the_line_and_keep_its_ends():
    """Derringer and Suich (1980), with their ends at 0.05 and 0.95 (or 1 at a target)."""
    strict = parse_objective("maximise:lumo_b3lyp_ev:low=0,high=2,exponent=2")
    assert worth(strict, 0.0, 1.0, 2.0) == pytest.approx([0.05, 0.05 + 0.9 * 0.25, 0.95])
    lenient = parse_objective("minimise:homo_b3lyp_ev:low=-9,high=-6,exponent=0.5")
    assert worth(lenient, -6.0, -6.75, -9.0) == pytest.approx([0.05, 0.05 + 0.9 * 0.5, 0.95])
    target = parse_objective(
        "target:dipole_b3lyp_debye:target=4,low=2,high=5,exponent_low=2,exponent_high=0.5"
    )
    assert worth(target, 2.0, 3.0, 4.0, 4.75, 5.0) == pytest.approx(
        [0.05, 0.05 + 0.95 * 0.25, 1, 0.05 + 0.95 * 0.5, 0.05]
    )


def test_an_exponent_on_the_side_that_does_not_count_is_refused():
    for text in ("maximise:n_heavy:low=1,high=2,t=2", "minimise:n_heavy:low=1,high=2,s=2"):
        with pytest.raises(ConfigError, match=r"(s belongs to goal 'maximise'|t .* 'minimise'), "):
            parse_objective(text)
    with pytest.raises(ConfigError, match="exponent must be positive"):
        parse_objective("maximise:n_heavy:low=1,high=2,exponent=0")


def test_exponents_of_one_change_no_digest():
    before = RankingSettings(objectives=(LUMO_UP, HOMO_DOWN))
    bent = RankingSettings(objectives=(parse_objective(f"{LUMO_UP.text},exponent=2"), HOMO_DOWN))
    assert before.digest == "ede8d9fb38872c8bcdc5a7717728aaae"
    assert bent.digest == "38c4e33ab0cebf3e59d6dec6fc0c0842"
    assert parse_objective(bent.objectives[0].text) == bent.objectives[0]


def uncertain():
    """Two molecules alike in value, of which the second is known less well."""
    return pa.table(
        {
            "lumo_b3lyp_ev": [1.0, 1.1, 1.0],
            "lumo_b3lyp_ev_lo90": [0.9, 0.4, None],
            "lumo_b3lyp_ev_hi90": [1.1, 1.8, None],
            "price": [1.0, 1.0, 1.0],
        }
    )


def by_bound(*texts):
    asked = [parse_objective(text) for text in texts if ":" in text]
    bounds = [parse_constraint(text) for text in texts if ":" not in text]
    return RankingSettings(objectives=tuple(asked), constraints=tuple(bounds), by="bound")


def test_by_the_bound_the_worse_end_of_the_interval_counts():
    scores = score_table(uncertain(), by_bound("maximise:lumo_b3lyp_ev")).score
    assert scores[:2].tolist() == [0.9, 0.4]
    scores = score_table(uncertain(), by_bound("minimise:lumo_b3lyp_ev")).score
    assert scores[:2].tolist() == [-1.1, -1.8]
    target = parse_objective("target:lumo_b3lyp_ev:target=1,low=0,high=2")
    scores = score_table(uncertain(), by_bound(target.text))
    assert scores.score[:2] == pytest.approx(worth(target, 0.9, 1.8))
    assert scores.no_value == [None, None, "lumo_b3lyp_ev"]  # without an interval


def test_by_the_bound_constraints_hold_for_the_whole_interval():
    asked = by_bound("minimise:price", "lumo_b3lyp_ev>=0.5")
    assert score_table(uncertain(), asked).rule == [None, "lumo_b3lyp_ev>=0.5", None]
    asked = by_bound("minimise:price", "0.5<=lumo_b3lyp_ev<=1.05")
    assert score_table(uncertain(), asked).rule[0] == "0.5<=lumo_b3lyp_ev<=1.05"


def test_an_expression_of_predicted_columns_has_no_bound():
    with pytest.raises(ConfigError, match=r"reads lumo_b3lyp_ev.*no calibrated interval"):
        score_table(uncertain(), by_bound("maximise:lumo_b3lyp_ev * 2"))
    assert score_table(uncertain(), by_bound("maximise:price * 2")).score.tolist() == [2.0] * 3


def test_by_value_is_the_digest_of_before():
    asked = by_bound("maximise:lumo_b3lyp_ev")
    assert asked.digest != asked.model_copy(update={"by": "value"}).digest


def test_by_probability_a_constraint_on_what_is_certain_excludes():
    table = pa.table(
        {
            "n_heavy": [4, 12],
            "homo_b3lyp_ev": [-8.0, -8.0],
            "homo_b3lyp_ev_lo90": [-9.0, -9.0],
            "homo_b3lyp_ev_hi90": [-7.0, -7.0],
        }
    )
    asked = RankingSettings(
        objectives=(parse_objective("minimise:homo_b3lyp_ev:low=-9,high=-7"),),
        constraints=(parse_constraint("n_heavy<=9"), parse_constraint("homo_b3lyp_ev<=-8.5")),
        by="probability",
    )
    found = score_table(table, asked)
    assert found.rule == [None, "n_heavy<=9"]
    assert found.score[0] == pytest.approx(0.5 * 0.2054, abs=1e-4)
    assert np.isnan(found.score[1])


@pytest.mark.parametrize(
    ("asked", "low", "high"),
    [("1<=dipole_b3lyp_debye<=3", 1.0, 3.0), ("dipole_b3lyp_debye<=0.5", -np.inf, 0.5)],
)
def test_chances_are_the_same_once_an_interval_is_cut_off_at_zero(asked, low, high):
    half = np.array([0.5, 2.0, 48.6])
    before = np.array([1.0, 1.0, 1.0])
    table = {
        "homo_b3lyp_ev": [-8.0] * 3,
        "homo_b3lyp_ev_lo90": [-9.0] * 3,
        "homo_b3lyp_ev_hi90": [-7.0] * 3,
        "dipole_b3lyp_debye": before,
        "dipole_b3lyp_debye_lo90": np.maximum(before - half, 0.0),
        "dipole_b3lyp_debye_hi90": before + half,
    }
    by_chance = RankingSettings(
        objectives=(parse_objective("minimise:homo_b3lyp_ev:low=-9,high=-7"),),
        constraints=(parse_constraint(asked),),
        by="probability",
    )
    chances = score_table(pa.table(table), by_chance).score / 0.5
    normal = NormalDist()
    expected = [
        normal.cdf((high - 1.0) / (each / 1.6449)) - normal.cdf((low - 1.0) / (each / 1.6449))
        for each in half
    ]
    assert chances == pytest.approx(expected, abs=1e-4)


def test_what_is_never_below_zero_is_certainly_not():
    table = pa.table(
        {
            "dipole_b3lyp_debye": [0.1],
            "dipole_b3lyp_debye_lo90": [0.0],
            "dipole_b3lyp_debye_hi90": [4.0],
        }
    )
    objective = parse_objective("range:dipole_b3lyp_debye:low=0,high=100")
    by_chance = RankingSettings(objectives=(objective,), by="probability")
    assert score_table(table, by_chance).score[0] == pytest.approx(1.0, abs=1e-6)


def test_equal_probabilities_come_by_what_is_to_be_expected():
    """Both are as good as certain to be met; the second is worth more where it is met."""
    table = pa.table(
        {
            "lumo_b3lyp_ev": [8.0, 9.9, 8.0],
            "lumo_b3lyp_ev_lo90": [7.9, 9.8, 7.0],
            "lumo_b3lyp_ev_hi90": [8.1, 10.0, 12.0],
        }
    )
    asked = RankingSettings(
        objectives=(parse_objective("maximise:lumo_b3lyp_ev:low=0,high=10"),), by="probability"
    )
    found = score_table(table, asked)
    assert found.score[:2].tolist() == [1.0, 1.0]
    assert found.tie[1] > found.tie[2] > found.tie[0]  # the third may be much better
    certain = score_table(table.select(["lumo_b3lyp_ev"]), asked)
    by_value = score_table(table, asked.model_copy(update={"by": "value"}))
    assert certain.tie == pytest.approx(by_value.score)
    assert by_value.tie.tolist() == [0.0] * 3
    assert score_table(table.slice(0, 0), asked).tie.tolist() == []


def test_a_row_without_a_value_has_a_finite_tie():
    table = pa.table(
        {"price": pa.array([None, 1.0], pa.float64()), "n_heavy": pa.array([3, 4], pa.int32())}
    )
    asked = RankingSettings(
        objectives=(
            parse_objective("minimise:price:low=0,high=9"),
            parse_objective("range:n_heavy:low=3,high=9"),
        ),
        by="probability",
    )
    found = score_table(table, asked)
    assert np.isnan(found.score[0])
    assert found.tie[0] == 0.0
    assert found.tie[1] > 0.9
