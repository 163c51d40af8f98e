"""What rankings are called where nobody names them."""

import pytest

from screener.errors import ConfigError
from screener.ranking.naming import LONGEST, default_name, not_taken, require_ranking_name
from screener.ranking.objectives import RankingSettings, parse_constraint, parse_objective
from screener.ranking.presets import load_preset, preset_names


def asking(*objectives: str, **more) -> RankingSettings:
    return RankingSettings(objectives=tuple(map(parse_objective, objectives)), **more)


@pytest.mark.parametrize("name", preset_names())
def test_a_preset_names_its_ranking(name):
    preset = load_preset(name)
    assert default_name(preset) == name
    assert default_name(preset.model_copy(update={"top": 7})) == f"{name}-top-7"
    assert default_name(preset.model_copy(update={"by": "pareto"})) == f"{name}-by-pareto"
    more = (*preset.constraints, parse_constraint("price<=4"))
    assert default_name(preset.model_copy(update={"constraints": more})) == f"{name}-changed"
    apart = preset.model_copy(update={"max_similarity": 0.6})
    assert default_name(apart) == f"{name}-diverse"


def test_objectives_name_a_ranking_otherwise():
    assert default_name(asking("maximise:lumo_b3lyp_ev")) == "maximise-lumo_b3lyp_ev"
    two = asking("maximise:lumo_b3lyp_ev", "minimise:homo_b3lyp_ev")
    assert default_name(two) == "maximise-lumo_b3lyp_ev-and-minimise-homo_b3lyp_ev"
    three = asking("maximise:lumo_b3lyp_ev", "minimise:homo_b3lyp_ev", "range:n_heavy:low=3,high=9")
    assert default_name(three) == "maximise-lumo_b3lyp_ev-and-2-more"
    odd = asking("minimise:Preis (€/kg) - 2*Rabatt:low=0,high=9", by="bound")
    assert default_name(odd) == "minimise-preis-kg-2-rabatt-by-bound"
    assert require_ranking_name(default_name(odd))
    long = asking(f"minimise:{'x' * 300}:low=0,high=9", by="probability")
    assert require_ranking_name(not_taken(default_name(long), {default_name(long)}))


def test_a_name_that_is_taken_gets_a_number():
    assert not_taken("a", {"b"}) == "a"
    assert not_taken("a", {"a", "a-2"}) == "a-3"


@pytest.mark.parametrize("name", ["", "A", "../x", "a/b", ".a", "a b", "x" * (LONGEST + 1)])
def test_names_that_no_folder_should_have_are_refused(name):
    with pytest.raises(ConfigError, match="cheap-solvents"):
        require_ranking_name(name)
