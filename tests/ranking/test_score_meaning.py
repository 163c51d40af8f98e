"""What a score is called and means."""

import pytest

from screener.ranking.objectives import RankingSettings, parse_objective
from screener.ranking.score_meaning import meaning_of

SCALED = "maximise:lumo_b3lyp_ev:low=0,high=2"


@pytest.mark.parametrize(
    ("objective", "by", "name", "says"),
    [
        ("maximise:lumo_b3lyp_ev", "value", "value", "The value of lumo_b3lyp_ev itself"),
        ("minimise:homo_b3lyp_ev", "value", "minus value", "Minus homo_b3lyp_ev, so that"),
        ("maximise:lumo_b3lyp_ev", "bound", "worse end", "The worse end of the 90 % interval of"),
        ("minimise:homo_b3lyp_ev", "bound", "minus value", "Minus the worse end of the 90 %"),
        (SCALED, "value", "desirability", "equal scores by mol_id"),
        (SCALED, "bound", "desirability", "each at the worse end of its 90 % interval"),
        (SCALED, "probability", "probability", "equal probabilities by expected_utility"),
        (SCALED, "pareto", "Pareto score", "equal scores by pareto_utility"),
    ],
)
def test_every_way_of_ranking_says_what_its_number_is(objective, by, name, says):
    settings = RankingSettings(objectives=(parse_objective(objective),), by=by)
    meaning = meaning_of(settings)
    assert meaning.name == name
    assert says in meaning.sentence
    assert meaning.sentence.count(".") == 1 + meaning.sentence.count("0.5")
    if meaning.tie_column:
        assert meaning.tie_column in meaning.sentence
