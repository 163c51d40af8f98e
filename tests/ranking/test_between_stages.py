"""Two stages that judge the same molecules."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from screener.ranking.between_stages import (
    LaterStage,
    disagreements,
    later_chance,
    score_range,
    with_earlier,
    without_rows_of_earlier,
)
from screener.ranking.objectives import RankingSettings, parse_constraint, parse_objective
from screener.ranking.score import score_table

HOMO, DIPOLE, ENERGY = "homo_b3lyp_ev", "dipole_b3lyp_debye", "ae0_b3lyp_kcal"
SETTINGS = RankingSettings(
    objectives=(
        parse_objective(f"minimise:{HOMO}:low=-9,high=-6"),
        parse_objective(f"maximise:{DIPOLE}:low=0,high=5"),
        parse_objective(f"maximise:{ENERGY}_per_atom:low=85,high=112"),
    ),
    constraints=(parse_constraint("n_heavy<=12"),),
)
LATER = LaterStage({HOMO: 0.25, DIPOLE: 1.5, ENERGY: 3.0}, {}, {})


def table_of(homo, dipole, energy=1000.0, half=0.1, n_heavy=6, **others):
    n = len(homo)
    table = {
        "row": np.arange(n),
        "n_heavy": np.full(n, n_heavy),
        "n_atoms": np.full(n, 10),
        "in_domain": [True] * n,
        "domain_reasons": [""] * n,
    }
    for name, values in ((HOMO, homo), (DIPOLE, dipole), (ENERGY, np.full(n, energy))):
        values = np.asarray(values, dtype=float)
        table |= {
            name: values,
            f"{name}_std": np.full(n, half / 2),
            f"{name}_lo90": values - half,
            f"{name}_hi90": values + half,
        }
    return pa.table(table | others)


def test_the_range_holds_the_score_and_what_is_certain_does_not_move():
    table = table_of([-8.0, -7.0], [3.0, 2.0])
    whole = score_range(table, SETTINGS, LATER)
    assert whole.score == pytest.approx(score_table(table, SETTINGS).score)
    assert (whole.low < whole.score).all()
    assert (whole.score < whole.high).all()
    sizes = tuple(range(1, 13))
    settled = LaterStage(LATER.halves, dict.fromkeys((HOMO, DIPOLE, ENERGY), sizes), {})
    still = score_range(table, SETTINGS, settled)
    assert (still.high == still.score).all()
    assert (still.low == still.score).all()
    # one column that may move gives less than all three
    partly = LaterStage(LATER.halves, {DIPOLE: sizes, ENERGY: sizes}, {})
    one = score_range(table, SETTINGS, partly)
    assert ((still.high < one.high) & (one.high < whole.high)).all()


@settings(max_examples=30)
@given(
    homo=st.floats(-10.0, -5.0),
    dipole=st.floats(0.0, 6.0),
    halves=st.tuples(st.floats(0.0, 1.0), st.floats(0.0, 3.0)),
    wider=st.floats(1.0, 4.0),
    better=st.floats(0.0, 2.0),
)
def test_wider_errors_and_better_values_never_keep_a_molecule_from_the_finalists(
    homo, dipole, halves, wider, better
):
    def high(value, factor):
        later = LaterStage({HOMO: halves[0] * factor, DIPOLE: halves[1] * factor}, {}, {})
        return score_range(table_of([value], [dipole]), SETTINGS, later).high[0]

    assert high(homo, wider) >= high(homo, 1.0) - 1e-12
    # the score may gain less than the upper bound had already, but by rounding alone it falls
    plain = score_range(table_of([homo], [dipole]), SETTINGS, LATER).score[0]
    assert high(homo - better, 1.0) >= plain - 1e-12


def test_what_is_excluded_has_no_range():
    table = table_of([-8.0, -8.0], [3.0, 3.0], n_heavy=13)
    assert np.isnan(score_range(table, SETTINGS, LATER).high).all()
    assert np.isnan(later_chance(table, SETTINGS, LATER, 0.5)).all()


def test_chances_are_as_frequent_as_they_say():
    generator = np.random.default_rng(0)
    n = 4_000
    true_homo, true_dipole = generator.uniform(-8.0, -7.0, n), generator.uniform(2.0, 4.0, n)
    own, theirs = 0.2 / 1.6449, 0.15 / 1.6449
    first = table_of(
        true_homo + generator.normal(0, own, n), true_dipole + generator.normal(0, own, n), half=0.2
    )
    second = table_of(
        true_homo + generator.normal(0, theirs, n), true_dipole + generator.normal(0, theirs, n)
    )
    sizes = tuple(range(1, 13))
    later = LaterStage({HOMO: 0.15, DIPOLE: 0.15}, {ENERGY: sizes}, {})
    found = score_table(second, SETTINGS).score
    threshold = float(np.median(found))
    chance = later_chance(first, SETTINGS, later, threshold)
    assert chance.sum() == pytest.approx(n / 2, rel=0.05)
    for low, high in ((0.05, 0.2), (0.2, 0.5), (0.5, 0.8), (0.8, 0.95)):
        chosen = (low < chance) & (chance < high)
        assert chosen.sum() > 50
        assert np.mean(found[chosen] >= threshold) == pytest.approx(chance[chosen].mean(), abs=0.1)
    # the range covers nine of ten
    range_ = score_range(first, SETTINGS, later)
    assert np.mean((range_.low <= found) & (found <= range_.high)) == pytest.approx(0.9, abs=0.03)


def test_where_nothing_can_move_the_chance_is_certain():
    table = table_of([-8.0, -7.0], [3.0, 3.0])
    sizes = tuple(range(1, 13))
    settled = LaterStage({}, dict.fromkeys((HOMO, DIPOLE, ENERGY), sizes), {})
    score = score_table(table, SETTINGS).score
    assert later_chance(table, SETTINGS, settled, float(score[1])).tolist() == [1.0, 0.0]


def test_the_earlier_stage_decides_where_it_is_better():
    later = table_of([-8.0, -7.0, -6.5], [3.0, 2.0, 1.0], half=1.0)
    low = np.array([-11.0, -10.0, -9.0])
    later = later.append_column(f"{HOMO}_delta", pa.array(later[HOMO].to_numpy() - low))
    earlier = table_of([-5.0, -7.2, -6.6, -8.0], [3.1, 6.0, 1.1, 4.0])
    earlier = earlier.take([3, 2, 1, 0]).set_column(0, "row", pa.array([2, 1, 0, 9]))
    index = later.column_names.index("n_heavy")
    later = later.set_column(index, "n_heavy", pa.array([8, 8, 3]))
    table = with_earlier(later, earlier, {HOMO: (8, 9)}, "mmff94")
    # rows 0 and 1 have eight heavy atoms, row 2 three
    assert table[HOMO].to_pylist() == pytest.approx([-7.2, -6.6, -6.5])
    assert table[f"{HOMO}_hi90"].to_pylist() == pytest.approx([-7.1, -6.5, -5.5])
    assert table[f"{HOMO}_std"].to_pylist() == pytest.approx([0.05, 0.05, 0.5])
    assert table[f"{HOMO}_delta"].to_pylist() == [None, None, pytest.approx(2.5)]
    assert table[DIPOLE].to_pylist() == [3.0, 2.0, 1.0]
    assert table[f"{HOMO}_other_stage"].to_pylist() == pytest.approx([-8.0, -7.0, -8.0])
    assert table[f"{DIPOLE}_other_stage"].to_pylist() == pytest.approx([6.0, 1.1, 4.0])
    assert table.schema.names == without_rows_of_earlier(later.slice(0, 0)).schema.names
    assert table["values_of_earlier_stage"].to_pylist() == [f"mmff94: {HOMO}"] * 2 + [""]
    # dipoles: 3 +- 1 and 6 +- 0.1; 2 +- 1 and 1.1 +- 0.1; 1 +- 1 and 4 +- 0.1
    assert table["stages_disagree"].to_pylist() == [DIPOLE, "", f"{HOMO}, {DIPOLE}"]
    assert disagreements(table) == {"rows": 2, DIPOLE: 2, HOMO: 1}
    assert disagreements(later) == {}


def test_values_per_atom_follow_and_refusals_of_what_is_replaced_go():
    why = f"{ENERGY} is too uncertain (width 200.00, limit 82.00)"
    later = table_of([-8.0], [3.0])
    nothing = pa.array([None], pa.float64())
    for ending in ("", "_std", "_lo90", "_hi90"):
        place = later.column_names.index(ENERGY + ending)
        later = later.set_column(place, ENERGY + ending, nothing)
        later = later.append_column(f"{ENERGY}_per_atom{ending}", nothing)
    place = later.column_names.index("domain_reasons")
    later = later.set_column(place, "domain_reasons", pa.array([why]))
    earlier = table_of([-8.0], [3.0])
    for ending in ("", "_std", "_lo90", "_hi90"):
        per_atom = earlier[ENERGY + ending].to_numpy() / 10.0
        earlier = earlier.append_column(f"{ENERGY}_per_atom{ending}", pa.array(per_atom))
    kept = with_earlier(later, earlier, {HOMO: (6,)}, "mmff94")
    assert kept["domain_reasons"].to_pylist() == [why]
    table = with_earlier(later, earlier, {ENERGY: (6,)}, "mmff94")
    assert table[f"{ENERGY}_per_atom"].to_pylist() == [100.0]
    assert table["domain_reasons"].to_pylist() == [""]
    assert table["values_of_earlier_stage"].to_pylist() == [f"mmff94: {ENERGY}"]
