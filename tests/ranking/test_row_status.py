"""Every row has one status, and a floor changes no top-k."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from screener.ranking.columns import stored_inputs
from screener.ranking.objectives import RankingSettings, parse_constraint, parse_objective
from screener.ranking.row_status import best, candidate_scores, emptied_by, row_status
from screener.ranking.topk import TopK


def table_of(homo, dipole, in_domain, first_row=0):
    rows = range(first_row, first_row + len(homo))
    return pa.table(
        {
            "row": pa.array(rows, pa.int64()),
            "mol_id": [f"{row:032x}" for row in rows],
            "homo_b3lyp_ev": pa.array(homo, pa.float64()),
            "dipole_b3lyp_debye": pa.array(dipole, pa.float64()),
            "in_domain": in_domain,
            "domain_reasons": ["" if inside else "fluorine" for inside in in_domain],
        }
    )


SETTINGS = RankingSettings(
    objectives=(parse_objective("minimise:homo_b3lyp_ev"),),
    constraints=(parse_constraint("dipole_b3lyp_debye>=1"), parse_constraint("gap_gfn2_ev>=1")),
)


def test_statuses_have_a_precedence_and_add_up():
    table = table_of(
        [-7.0, None, -9.0, -6.0, None], [2.0, 2.0, 0.5, 4.0, 3.0], [True, False, True, True, True]
    )
    status = row_status(table, SETTINGS)
    assert status.counts == {"out_of_domain": 1, "filtered": 2, "candidates": 2}
    assert status.filtered == {"dipole_b3lyp_debye>=1": 1, "no value of homo_b3lyp_ev": 1}
    assert status.reason(1) == "fluorine"
    assert status.left_out == ["gap_gfn2_ev>=1"]
    assert np.isnan(status.score).tolist() == [False, True, True, False, True]
    assert best(table, status, 5).rows.tolist() == [0, 3]


@pytest.mark.parametrize(
    ("objectives", "constraints", "by", "read"),
    [
        (["minimise:homo_b3lyp_ev"], [], "value", ["homo_b3lyp_ev"]),
        (["minimise:ae0_b3lyp_kcal:low=900,high=1100"], [], "value", ["ae0_b3lyp_kcal"]),
        (
            ["minimise:ae0_b3lyp_kcal:low=900,high=1100"],
            [],
            "probability",
            ["ae0_b3lyp_kcal", "ae0_b3lyp_kcal_lo90", "ae0_b3lyp_kcal_hi90"],
        ),
        (
            ["maximise:ae0_b3lyp_kcal_per_atom:low=80,high=120"],
            ["n_heavy<=9"],
            "bound",
            ["ae0_b3lyp_kcal", "ae0_b3lyp_kcal_lo90", "ae0_b3lyp_kcal_hi90", "n_atoms", "n_heavy"],
        ),
        (
            ["minimise:ae0_b3lyp_kcal_per_atom_std:low=0,high=9"],
            [],
            "value",
            ["ae0_b3lyp_kcal", "ae0_b3lyp_kcal_std", "ae0_b3lyp_kcal_lo90", "ae0_b3lyp_kcal_hi90",
             "n_atoms"],
        ),
        (
            ["minimise:homo_b3lyp_ev - price:low=-11,high=-5"],
            ["sa_score<=9", "nothing>=1"],
            "value",
            ["homo_b3lyp_ev", "price", "smiles"],
        ),
    ],
)  # fmt: skip
def test_scores_need_no_other_columns_than_those_that_are_told(objectives, constraints, by, read):
    generator = np.random.default_rng(1)
    n = 40
    table = table_of(generator.normal(-7, 1, n), generator.random(n), generator.random(n) > 0.3)
    energy = generator.normal(1000.0, 50.0, n)
    more = {
        "ae0_b3lyp_kcal": energy,
        "ae0_b3lyp_kcal_std": generator.random(n),
        "ae0_b3lyp_kcal_lo90": energy - 2.0,
        "ae0_b3lyp_kcal_hi90": energy + 2.0,
        "n_atoms": generator.integers(8, 12, n),
        "n_heavy": generator.integers(6, 12, n),
        "price": generator.random(n),
        "smiles": ["CC(=O)OC"] * n,
        "source_id": ["x"] * n,
    }
    for name, values in more.items():
        table = table.append_column(name, pa.array(values))
    settings = RankingSettings(
        objectives=tuple(map(parse_objective, objectives)),
        constraints=tuple(map(parse_constraint, constraints)),
        by=by,
    )
    names = stored_inputs(settings, table.column_names)
    assert set(names) == set(read)
    score, tie = candidate_scores(table.select(["in_domain", *names]), settings)
    whole = row_status(table, settings)
    np.testing.assert_array_equal(score, whole.score)
    np.testing.assert_array_equal(tie, whole.tie)
    assert 5 < np.isfinite(score).sum() < n


def test_reasons_outside_are_counted_without_their_distances():
    table = table_of([-7.0] * 4, [2.0] * 4, [False, False, False, True])
    told = pa.array(
        [
            "charge +1: the models know neutral molecules; far off (distance 1.2, limit 1.0)",
            "far off (distance 1.4, limit 1.0); far off (distance 1.3, limit 1.1)",
            "far off (distance 2.0, limit 1.0)",
            "",
        ]
    )
    place = table.schema.get_field_index("domain_reasons")
    status = row_status(table.set_column(place, "domain_reasons", told), SETTINGS)
    assert status.outside == {"charge +1: the models know neutral molecules": 1, "far off": 3}


@given(
    values=st.lists(st.integers(-9, -5), min_size=2, max_size=60),
    k=st.integers(1, 8),
    cut=st.integers(1, 59),
)
def test_a_floor_changes_no_result(values, k, cut):
    table = table_of([float(v) for v in values], [2.0] * len(values), [True] * len(values))
    whole = best(table, row_status(table, SETTINGS), k)
    first, second = table.slice(0, cut), table.slice(cut)
    top = best(first, row_status(first, SETTINGS), k)
    floor = top.entries[-1] if len(top.entries) == k else None
    pruned = best(second, row_status(second, SETTINGS), k, floor)
    assert top.merge(pruned) == whole
    assert isinstance(pruned, TopK)


def test_says_which_rule_left_nobody():
    table = table_of([-7.0, -9.0, None], [2.0, 0.5, 3.0], [True, True, True])
    for rules, says in (
        (["dipole_b3lyp_debye>=9"], "dipole_b3lyp_debye>=9 excludes all 3 inside the domain"),
        (
            ["dipole_b3lyp_debye>=1", "homo_b3lyp_ev>=-6"],
            "no value of homo_b3lyp_ev excludes the last 1 of 3 inside the domain, after "
            "dipole_b3lyp_debye>=1, homo_b3lyp_ev>=-6",
        ),
    ):
        asked = RankingSettings(
            objectives=SETTINGS.objectives,
            constraints=tuple(parse_constraint(rule) for rule in rules),
        )
        status = row_status(table, asked)
        assert emptied_by(status.counts, status.filtered, asked) == says
    outside = table_of([-7.0], [2.0], [False])
    status = row_status(outside, SETTINGS)
    assert "none of the 1 predicted" in emptied_by(status.counts, status.filtered, SETTINGS)


def test_a_prediction_that_is_no_answer_puts_a_row_outside_where_it_is_asked_for():
    table = table_of([-7.0, -7.5, -8.0], [2.0, None, 3.0], [True, True, True])
    why = "dipole_b3lyp_debye is too uncertain (width 48.61, limit 4.54)"
    index = table.column_names.index("domain_reasons")
    table = table.set_column(index, "domain_reasons", pa.array(["", why, ""]))
    for criteria in (
        {"constraints": (parse_constraint("dipole_b3lyp_debye>=1"),)},
        {"constraints": (parse_constraint("dipole_b3lyp_debye + 1 >= 1"),)},
        {"objectives": (parse_objective("maximise:dipole_b3lyp_debye"),)},
    ):
        settings = RankingSettings(**{"objectives": SETTINGS.objectives, **criteria})
        status = row_status(table, settings)
        assert status.counts == {"out_of_domain": 1, "filtered": 0, "candidates": 2}
        assert (status.name(1), status.reason(1)) == ("out of domain", why)
        assert status.outside == {"dipole_b3lyp_debye is too uncertain": 1}
        assert np.isnan(candidate_scores(table, settings)[0]).tolist() == [False, True, False]
    # under other settings nothing is missing
    status = row_status(table, RankingSettings(objectives=SETTINGS.objectives))
    assert status.counts == {"out_of_domain": 0, "filtered": 0, "candidates": 3}


def test_a_bundle_that_reads_drawings_has_refusals_of_its_own():
    table = table_of([-7.0, -7.5], [2.0, 2.0], [True, True])
    why = "boiling_point_k is too uncertain (width 300.00, limit 120.00)"
    table = table.append_column("boiling_point_k", pa.array([350.0, None]))
    table = table.append_column("domain_reasons_boiling", pa.array(["", why]))
    asked = RankingSettings(objectives=(parse_objective("minimise:boiling_point_k"),))
    status = row_status(table, asked)
    assert (status.name(1), status.reason(1)) == ("out of domain", why)
