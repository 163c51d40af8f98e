"""The rows that enter a stage at once, and what they say of the best that did not enter."""

import logging

import numpy as np
import pyarrow as pa
from distributed import Client

from screener.campaign.results.scores import mol_ids_of_rows, scores_of_candidates
from screener.campaign.results.segments import statuses
from screener.campaign.settings.batches import with_audit
from screener.campaign.settings.stage import CampaignStage
from screener.funnel.draws import keys
from screener.funnel.recall import draw_audit
from screener.ranking.topk import Ranked
from screener.stores.runs import are_among

log = logging.getLogger(__name__)

_PURPOSE = 1_000_000  # of the draws here: no batch has this number


def write_finalists(stage: CampaignStage, best: tuple[Ranked, ...], client: Client) -> None:
    """Write down the rows that enter a stage, unless they were chosen already.

    Args:
        stage: that they enter.
        best: of the stage before, best first.
        client: connected.
    """
    if stage.store.read_batch() is not None:
        return
    if stage.setup.acquisition.by == "pareto":
        # by fronts, which receipts cannot tell
        before, settings = stage.previous, stage.setup.acquisition
        best = statuses(before, settings, before.k, client).top.entries
    columns = {
        "row": pa.array([entry.row for entry in best], pa.int64()),
        "mol_id": pa.array([entry.mol_id for entry in best], pa.string()),
        "score": pa.array([entry.score for entry in best], pa.float64()),
    }
    table = pa.table(columns)
    if stage.n_audit:
        table = pa.concat_tables([table, _audited(stage, table, client)], promote_options="default")
    stage.store.write_batch(table)
    log.info("%d rows enter stage %s", table.num_rows, stage.name)


def _audited(stage: CampaignStage, best: pa.Table, client: Client) -> pa.Table:
    """A sample of the candidates of the stage before that are not among the best, by their scores.

    Args:
        stage: that the sample enters.
        best: what enters anyway, with `row`.
        client: connected.
    """
    funnel, before = stage.setup.funnel, stage.previous
    assert funnel is not None
    rows, scores = scores_of_candidates(before, client)
    is_left = ~are_among(rows, np.sort(best["row"].to_numpy()))
    rows, scores = rows[is_left], scores[is_left]
    order = keys(rows, funnel.seed, _PURPOSE + stage.index)
    audit = draw_audit(scores, rows, order, stage.n_audit)
    columns = {
        "row": pa.array(audit.rows, pa.int64()),
        "mol_id": pa.array(mol_ids_of_rows(before, audit.rows, client), pa.string()),
        "score": pa.array(scores[np.searchsorted(rows, audit.rows)], pa.float64()),
    }
    return with_audit(pa.table(columns), audit)
