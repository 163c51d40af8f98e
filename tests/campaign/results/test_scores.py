"""Scores of a stage, on workers: what follows from all of its rows in one table."""

import numpy as np
import pyarrow as pa
import pytest

from screener.campaign.results.scores import best_scores, mol_ids_of_rows, scores_of_candidates
from screener.campaign.settings.stage import Campaign
from screener.stores.files import Folder


@pytest.fixture(scope="module")
def stage(finished):
    return Campaign.open(Folder(str(finished.folder))).stages[0]


@pytest.fixture(scope="module")
def expected(stage) -> dict[int, float]:
    """Score of every row with a prediction, NaN for those that are no candidates."""
    table = pa.concat_tables(stage.tables())
    scores = stage.row_status(table, stage.setup.acquisition).score
    return dict(zip(table["row"].to_pylist(), scores.tolist(), strict=True))


def test_candidates_are_told_with_their_scores(stage, expected, client):
    rows, scores = scores_of_candidates(stage, client)
    candidates = {row: score for row, score in expected.items() if np.isfinite(score)}
    assert 0 < len(candidates) < len(expected)
    assert (np.diff(rows) > 0).all()
    assert dict(zip(rows.tolist(), scores.tolist(), strict=True)) == candidates


def test_the_best_and_some_rows_whatever_became_of_these(stage, expected, client):
    whole = np.concatenate([unit.rows for unit in stage.plan.units()])
    set_aside = np.setdiff1d(whole, list(expected))
    assert len(set_aside)
    rows = np.concatenate([list(expected)[::-3], set_aside])
    best, scores = best_scores(stage, 3, rows, client)
    assert best.tolist() == sorted(filter(np.isfinite, expected.values()), reverse=True)[:3]
    np.testing.assert_array_equal(scores, [expected.get(row, np.nan) for row in rows.tolist()])
    everything, none = best_scores(stage, 1000, np.empty(0, np.int64), client)
    assert (len(everything), len(none)) == (np.isfinite(list(expected.values())).sum(), 0)


def test_identities_of_rows(stage, client):
    table = pa.concat_tables(stage.tables())
    some = table.take([1, 5, 9])
    assert mol_ids_of_rows(stage, some["row"].to_numpy(), client) == some["mol_id"].to_pylist()
