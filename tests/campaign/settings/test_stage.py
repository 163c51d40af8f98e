"""A stage of a campaign answers what the driver, the ranking and the report ask of it."""

import numpy as np
import pyarrow as pa
import pytest

from screener.campaign.results.segments import numbers_before, statuses
from screener.campaign.settings.resolve import resolve
from screener.campaign.settings.stage import Campaign
from screener.errors import ConfigError, StoreError
from screener.ranking.row_status import best
from screener.ranking.topk import Ranked
from screener.stores.files import Folder


@pytest.fixture(scope="module")
def campaign(finished) -> Campaign:
    return Campaign.open(Folder(str(finished.folder)))


def test_neighbours_and_numbers(campaign):
    first, second = campaign.stages
    assert (first.name, second.name) == ("mmff94", "gfn2-opt")
    assert (first.is_last, second.is_last) == (False, True)
    assert first.next.name == second.name
    assert second.previous.name == first.name
    with pytest.raises(IndexError, match="no stage follows gfn2-opt"):
        _ = second.next
    with pytest.raises(IndexError, match="no stage comes before mmff94"):
        _ = first.previous
    assert (first.n_entering, second.n_entering) == (22, 10)
    assert (first.k, second.k) == (10, 4)  # finalists, and the shortlist
    assert not first.is_searched
    assert (first.status_settings, second.status_settings) == (
        campaign.setup.acquisition,
        campaign.setup.ranking,
    )


def test_a_pass_goes_through_all_rows_in_plan_order_or_through_some(campaign):
    stage = campaign.stages[0]
    tables = list(stage.tables())
    n_quarantined = sum(
        unit.quarantine.num_rows for unit in stage.stored() if unit.quarantine is not None
    )
    assert sum(table.num_rows for table in tables) + n_quarantined == 22
    rows = pa.concat_tables(tables)["row"].to_numpy()
    assert (np.diff(rows) > 0).all()
    some = rows[[1, 9]]
    assert pa.concat_tables(stage.tables(some))["row"].to_pylist() == some.tolist()


def test_a_stage_whose_rows_are_not_chosen_has_no_plan(finished, tmp_path):
    config = finished.config.with_options(library=finished.library, out=str(tmp_path / "new"))
    stage = Campaign(*resolve(config)).last
    assert stage.read_plan() is None
    with pytest.raises(StoreError, match="the rows of stage gfn2-opt are not chosen yet"):
        _ = stage.plan
    with pytest.raises(ConfigError, match="is not a campaign"):
        Campaign.open(Folder(str(tmp_path / "new")))


def test_a_pass_on_workers_tells_what_one_here_tells(campaign, client):
    """And both what follows from all rows in one table."""
    stage, settings = campaign.last, campaign.setup.ranking
    table = pa.concat_tables(stage.tables())
    status = stage.row_status(table, settings)
    whole = best(table, status, 3)
    entries = [Ranked(entry.score, entry.mol_id, entry.row) for entry in whole.entries]
    for connection in (None, client):
        found = statuses(stage, settings, 3, connection)
        assert found.top == whole
        assert dict(found.counts) == status.counts
        assert dict(found.filtered) == status.filtered
        assert found.value_range == status.value_range
        assert numbers_before(stage, settings, entries, connection).tolist() == [0, 1, 2]
        fronts = settings.model_copy(update={"by": "pareto"})
        assert statuses(stage, fronts, 3, connection).top == statuses(stage, fronts, 3, None).top
