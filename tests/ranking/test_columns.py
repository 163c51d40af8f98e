import numpy as np
import pyarrow as pa
import pytest

from screener.errors import ConfigError
from screener.ranking.columns import (
    check_columns,
    check_numeric,
    left_out,
    numbers,
    with_asked,
    with_computed,
    with_names_of_now,
)
from screener.ranking.objectives import RankingSettings, parse_constraint, parse_objective
from screener.ranking.score import score_table

SETTINGS = RankingSettings(
    objectives=(
        parse_objective("maximise:ae0_b3lyp_kcal_per_atom"),
        parse_objective("maximise:lumo_b3lyp_ev"),
    ),
    constraints=(parse_constraint("n_heavy<=12"),),
)


def test_computed_columns_count_as_known_with_their_inputs():
    stored = ["ae0_b3lyp_kcal", "n_atoms", "lumo_b3lyp_ev", "n_heavy"]
    check_columns(SETTINGS, stored)
    with pytest.raises(ConfigError, match="ae0_b3lyp_kcal_per_atom"):
        check_columns(SETTINGS, stored[1:])


def test_an_unknown_column_is_named_beside_the_nearest_known_ones():
    asked = RankingSettings(objectives=(parse_objective("maximise:lumo_b3lyp"),))
    with pytest.raises(ConfigError, match=r"'lumo_b3lyp'.*did you mean lumo_b3lyp_ev"):
        check_columns(asked, ["homo_b3lyp_ev", "lumo_b3lyp_ev"])
    asked = RankingSettings(objectives=(parse_objective("maximise:zzz"),))
    with pytest.raises(ConfigError, match="known are homo_b3lyp_ev, n_heavy"):
        check_columns(asked, ["n_heavy", "homo_b3lyp_ev"])


def test_suggestions_are_values_and_not_their_uncertainties():
    values = ["homo_b3lyp_ev", "dipole_b3lyp_debye", "n_heavy"]
    endings = ("", "_std", "_lo90", "_hi90", "_delta")
    known = [name + ending for name in values for ending in endings]
    for asked_for, hint in (
        ("HOMO", r"did you mean homo_b3lyp_ev\?$"),
        ("dipole", r"did you mean dipole_b3lyp_debye\?$"),
        ("homo_b3lyp_ev_sdt", r"did you mean homo_b3lyp_ev"),
        ("zzz", "known are dipole_b3lyp_debye, homo_b3lyp_ev, n_heavy$"),
    ):
        asked = RankingSettings(objectives=(parse_objective(f"maximise:{asked_for}"),))
        with pytest.raises(ConfigError, match=hint):
            check_columns(asked, known)


def test_text_columns_are_refused_by_type():
    asked = RankingSettings(objectives=(parse_objective("minimise:price"),))
    text = pa.schema([("price", pa.string())])
    with pytest.raises(ConfigError, match=r"'price' is no column of numbers.*it holds string"):
        check_numeric(asked, text, {})
    with pytest.raises(ConfigError, match=r"'price' is no column of numbers.*'ask' in row 7"):
        check_numeric(asked, text, {"price": "'ask' in row 7"})
    with pytest.raises(ConfigError, match=r"'price' is no column of numbers.*it holds list"):
        check_numeric(asked, pa.schema([("price", pa.list_(pa.int8()))]), {"price": None})
    check_numeric(asked, text, {"price": None})
    check_numeric(asked, pa.schema([("price", pa.int16()), ("vendor", pa.string())]), {})
    check_numeric(asked, pa.schema([("vendor", pa.string())]), {})


def test_numbers_are_read_from_text_that_is_all_numbers():
    values = ["007", "1.10", " +1E05", "NA", "", None, "True"]
    table = pa.table({"price": pa.array(values, pa.string())})
    np.testing.assert_array_equal(numbers(table, "price"), [7, 1.1, 1e5, *[np.nan] * 3, 1])
    with pytest.raises(ConfigError, match="'price' holds 'ask'"):
        numbers(pa.table({"price": ["1", "ask"]}), "price")


def test_lists_what_a_stage_cannot_answer():
    assert left_out(SETTINGS, ["lumo_b3lyp_ev"]) == [
        "maximise:ae0_b3lyp_kcal_per_atom:low=85,high=112",
        "n_heavy<=12",
    ]


def test_energy_per_atom_of_ethylene_carbonate_and_its_interval():
    table = pa.table(
        {
            "ae0_b3lyp_kcal": [1014.76691, None],
            "ae0_b3lyp_kcal_lo90": [1010.0, None],
            "n_atoms": pa.array([10, 14], pa.int32()),
        }
    )
    computed = with_computed(table)
    assert computed["ae0_b3lyp_kcal_per_atom"].to_pylist() == [pytest.approx(101.476691), None]
    assert computed["ae0_b3lyp_kcal_per_atom_lo90"].to_pylist() == [101.0, None]
    assert "ae0_b3lyp_kcal_per_atom_hi90" not in computed.column_names
    assert with_computed(computed) == computed
    assert with_computed(table.drop_columns("n_atoms")) == table.drop_columns("n_atoms")


def test_what_is_made_of_the_drawing_is_made_where_it_is_asked_for():
    table = pa.table({"smiles": ["O=C1OCCO1", "CC(C)(C)OO"], "price": [1.0, 2.0]})
    asked = RankingSettings(
        objectives=(parse_objective("minimise:sa_score * price"),),
        constraints=(parse_constraint("alerts==0"), parse_constraint("alert_peroxide==0")),
    )
    check_columns(asked, table.column_names)
    found = with_asked(table, asked)
    assert found["alerts"].to_pylist() == [0, 2]  # a peroxide, and a proton on oxygen
    assert found["alert_peroxide"].to_pylist() == [0, 1]
    assert found["sa_score * price"].to_pylist() == pytest.approx(
        [found["sa_score"][0].as_py(), 2 * found["sa_score"][1].as_py()]
    )
    plain = RankingSettings(objectives=(parse_objective("minimise:price"),))
    assert with_asked(table, plain).column_names == ["smiles", "price"]


def test_a_column_of_ones_own_stands_above_what_is_computed():
    table = pa.table({"smiles": ["CC#N"], "alerts": [7], "a - b": [5.0]})
    asked = RankingSettings(
        objectives=(parse_objective("minimise:a - b"),),
        constraints=(parse_constraint("alerts==7"),),
    )
    assert with_asked(table, asked) == table


def test_unknown_columns_of_an_expression_are_named():
    asked = RankingSettings(objectives=(parse_objective("maximise:lumo_b3lyp_ev - homo_b3lyp"),))
    known = ["homo_b3lyp_ev", "lumo_b3lyp_ev"]
    with pytest.raises(ConfigError, match=r"'homo_b3lyp'.*did you mean homo_b3lyp_ev"):
        check_columns(asked, known)
    assert left_out(asked, known) == ["maximise:lumo_b3lyp_ev - homo_b3lyp"]
    wrong = RankingSettings(objectives=(parse_objective("maximise:lumo_b3lyp_ev -"),))
    with pytest.raises(ConfigError, match="cannot be read"):
        check_columns(wrong, known)


def test_any_extensive_column_can_be_had_per_atom_and_no_other():
    table = pa.table({"de_gfn2_kcal": [1500.0], "homo_gfn2_ev": [-9.0], "n_atoms": [10]})
    assert with_computed(table) == table  # of what no model predicts, only where it is asked for
    asked = RankingSettings(
        objectives=(parse_objective("maximise:de_gfn2_kcal_per_atom:low=100,high=200"),)
    )
    assert with_asked(table, asked)["de_gfn2_kcal_per_atom"].to_pylist() == [150.0]
    assert left_out(asked, table.column_names) == []
    per_atom = RankingSettings(objectives=(parse_objective("maximise:homo_gfn2_ev_per_atom"),))
    assert left_out(per_atom, table.column_names) == ["maximise:homo_gfn2_ev_per_atom"]


def test_columns_stored_by_former_names_are_ranked(caplog):
    table = pa.table(
        {
            "eox_gfn2_v_li": [10.0, 12.0],
            "ip_gfn2_ev_lo90": [1.0, 2.0],
            "ip_ev": [1.0, 1.0],
            "margin_eox_gfn2_v_li": [0.5, 2.5],
            "desirability_ered_gfn2_v_li": [0.1, 0.2],
        }
    )
    assert with_asked(table, RankingSettings(objectives=(parse_objective("minimise:ip_ev"),)))[
        "ip_ev"
    ].to_pylist() == [1.0, 1.0]  # somebody's own column
    for text in ("maximise:eox_gfn2_v_li", "maximise:eox_uncorrected_gfn2_v_li"):
        asked = RankingSettings(objectives=(parse_objective(text),))
        assert left_out(asked, table.column_names) == []
        assert score_table(table, asked).score.tolist() == [10.0, 12.0]
    assert with_names_of_now(table).column_names == [
        "eox_uncorrected_gfn2_v_li",
        "ip_uncorrected_gfn2_ev_lo90",
        "ip_ev",
        "margin_eox_uncorrected_gfn2_v_li",
        "desirability_ered_uncorrected_gfn2_v_li",
    ]


def test_what_levels_compute_is_known_before_a_stage_has_it():
    asked = RankingSettings(objectives=(parse_objective("maximise:eox_uncorrected_gfn2_v_li"),))
    check_columns(asked, ["n_heavy"])
    given_only = RankingSettings(objectives=(parse_objective("maximise:ae0_g4mp2_kcal"),))
    with pytest.raises(ConfigError, match="unknown column 'ae0_g4mp2_kcal'"):
        check_columns(given_only, ["n_heavy"])
