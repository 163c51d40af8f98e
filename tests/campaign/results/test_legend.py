"""Every column of a shortlist says what it is."""

import pytest

from screener.campaign.results.legend import legend
from screener.ranking.objectives import RankingSettings, parse_objective
from screener.ranking.presets import load_preset

PRESET = load_preset("electrolyte-solvent")
NAMES = [
    *("rank", "score", "desirability_eox_uncorrected_gfn2_v_li", "margin_n_heavy", "why", "row"),
    *("margin_eox_uncorrected_gfn2_v_li", "alert_peroxide", "homo_b3lyp_ev", "homo_b3lyp_ev_lo90"),
    *("eox_uncorrected_gfn2_v_li", "eox_uncorrected_gfn2_v_li_std", "ae0_b3lyp_kcal_per_atom"),
    *("lumo_b3lyp_ev - homo_b3lyp_ev", "price"),
]


@pytest.fixture(scope="module")
def rows() -> dict[str, dict[str, str]]:
    gap = parse_objective("maximise:lumo_b3lyp_ev - homo_b3lyp_ev:low=1,high=9")
    settings = PRESET.model_copy(update={"objectives": (*PRESET.objectives, gap)})
    return {row["column"]: row for row in legend(NAMES, settings).to_pylist()}


def test_there_is_a_line_for_every_column(rows):
    assert list(rows) == NAMES
    assert all(row["meaning"].endswith(".") for row in rows.values())
    assert rows["homo_b3lyp_ev"]["meaning"] == "HOMO at B3LYP."
    assert (
        rows["homo_b3lyp_ev_lo90"]["meaning"] == "Lower end of the 90 % interval of HOMO at B3LYP."
    )
    assert rows["homo_b3lyp_ev_lo90"]["unit"] == "eV"
    potential = rows["eox_uncorrected_gfn2_v_li"]["meaning"]
    assert potential == "Vertical oxidation, uncorrected, at GFN2-xTB."
    assert rows["ae0_b3lyp_kcal_per_atom"]["unit"] == "kcal/mol per atom"
    assert "Weighted geometric mean" in rows["score"]["meaning"]
    assert rows["lumo_b3lyp_ev - homo_b3lyp_ev"]["meaning"] == "What an objective is about."
    assert "yours" in rows["price"]["meaning"]


def test_volts_against_lithium_are_called_uncorrected(rows):
    for name, row in rows.items():
        if "v_li" in name:
            assert "uncorrected" in row["meaning"]
        if "V against" in row["unit"]:
            assert "uncorrected" in row["unit"]
    assert rows["eox_uncorrected_gfn2_v_li_std"]["unit"] == "V against Li/Li⁺, uncorrected"


def test_a_desirability_is_a_probability_where_it_is_ranked_so():
    asked = RankingSettings(
        objectives=(parse_objective("maximise:lumo_b3lyp_ev:low=0,high=2"),), by="probability"
    )
    rows = legend(["score", "desirability_lumo_b3lyp_ev", "expected_utility"], asked).to_pylist()
    assert rows[0]["meaning"].startswith("Probability, 0 to 1, that every objective")
    assert (
        rows[1]["meaning"] == "Probability, 0 to 1, that LUMO at B3LYP is worth at least one half."
    )
    assert "orders equal scores" in rows[2]["meaning"]
