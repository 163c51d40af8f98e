"""The chance that one of the best did not become a finalist."""

import json

import numpy as np
import pyarrow as pa
import pytest

from screener.campaign.results.missed import tell_missed
from screener.campaign.results.recall import read_recall, recall_text
from screener.campaign.settings.stage import Campaign
from screener.ranking.between_stages import later_chance, score_range
from screener.ranking.columns import left_out
from screener.ranking.row_status import row_status
from screener.stores.files import Folder


@pytest.fixture
def campaign(finished):
    return Campaign.open(Folder(str(finished.folder)))


def test_a_campaign_without_a_search_says_what_it_may_have_missed(campaign):
    (told,) = read_recall(campaign.folder)
    stage, before = campaign.last, campaign.last.previous
    assert (told["stage"], told["n_rows"]) == ("gfn2-opt", 10)
    first, second = (pa.concat_tables(each.tables()) for each in (before, stage))
    settings = campaign.setup.acquisition
    missing = {text for each in (first, second) for text in left_out(settings, each.column_names)}
    assert missing  # what only the last stage computes is no part of the comparison
    kept = tuple(each for each in settings.objectives if each.text not in missing)
    settings = settings.model_copy(update={"objectives": kept})
    scores = np.sort(row_status(second, settings).score)
    best = scores[np.isfinite(scores)][::-1]
    assert told["top_n"] == min(campaign.setup.ranking.top, len(best))
    finalists = second["row"].to_pylist()
    is_other = np.array([row not in finalists for row in first["row"].to_pylist()])
    is_other &= np.isfinite(row_status(first, settings).score)
    chances = later_chance(first, settings, stage.later_stage, best[told["top_n"] - 1])[is_other]
    # ten finalists are too few to stretch anything
    assert told["stretch"] == {}
    assert told["n_others"] == len(chances) > 0
    assert told["missed"] == pytest.approx(chances.sum(), abs=1e-9)
    assert told["chance"] == pytest.approx(1.0 - np.prod(1.0 - chances), abs=1e-9)
    assert told["chance"] <= told["missed"] + 1e-9


def test_it_is_the_same_with_workers_and_without(campaign, client):
    alone, shared = (tell_missed(campaign.last, each) for each in (None, client))
    assert json.dumps(alone) == json.dumps(shared)
    assert [alone] == list(read_recall(campaign.folder))


def test_finalists_are_those_that_may_be_among_the_best(campaign):
    before = campaign.last.previous
    table = pa.concat_tables(before.tables())
    highest = score_range(table, campaign.setup.acquisition, campaign.last.later_stage).high
    highest[np.isnan(row_status(table, campaign.setup.acquisition).score)] = np.nan
    entries = sorted(
        (-value, mol_id, row)
        for value, mol_id, row in zip(
            highest.tolist(), table["mol_id"].to_pylist(), table["row"].to_pylist(), strict=True
        )
        if np.isfinite(value)
    )
    batch = campaign.last.store.read_batch()
    assert batch["row"].to_pylist() == [row for _, _, row in entries[:10]]
    assert batch["score"].to_pylist() == pytest.approx([-value for value, _, _ in entries[:10]])


@pytest.mark.parametrize(
    ("chance", "said"), [(0.004, "less than 1 %"), (0.34, "34 %"), (1.0, "more than 99 %")]
)
def test_the_chance_is_told_in_words(chance, said):
    told = {"top_n": 100, "of": "what stage mmff94 evaluated", "n_rows": 494, "n_others": 2792}
    text = recall_text(told | {"chance": chance, "missed": 0.42})
    assert text.startswith("the chance that one of the best 100 of what stage mmff94 evaluated is")
    assert f"not among the 494 that were chosen is {said} (" in text
    assert "0.4 of 2,792 others are expected to belong there" in text


def test_where_all_were_chosen_there_is_no_chance():
    told = {"top_n": 18, "of": "what stage mmff94 evaluated", "n_rows": 19, "n_others": 0}
    text = recall_text(told | {"chance": 0.0, "missed": 0.0})
    assert text == "all 19 that can be ranked of what stage mmff94 evaluated were chosen"
