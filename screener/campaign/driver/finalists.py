"""The rows that enter a stage at once, and what they say of the best that did not enter."""

import logging

import numpy as np
import pyarrow as pa
from distributed import Client

from screener.campaign.results.segments import statuses
from screener.campaign.settings.batches import with_audit
from screener.campaign.settings.stage import CampaignStage
from screener.funnel.draws import keys
from screener.funnel.recall import draw_audit
from screener.ranking.topk import Ranked

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
        table = pa.concat_tables([table, _audited(stage, table)], promote_options="default")
    stage.store.write_batch(table)
    log.info("%d rows enter stage %s", table.num_rows, stage.name)


def _audited(stage: CampaignStage, best: pa.Table) -> pa.Table:
    """A sample of the candidates of the stage before that are not among the best, by their scores.

    Args:
        stage: that the sample enters.
        best: what enters anyway, with `row`.
    """
    funnel, before = stage.setup.funnel, stage.previous
    assert funnel is not None
    parts: list[pa.Table] = []
    for table in before.tables():
        score = before.row_status(table, stage.setup.acquisition).score
        part = table.select(["row", "mol_id"]).append_column("score", pa.array(score, pa.float64()))
        mask = np.isfinite(score) & np.isin(part["row"].to_numpy(), best["row"], invert=True)
        parts.append(part.filter(pa.array(mask)))
    left = pa.concat_tables(parts).sort_by("row")
    rows = left["row"].to_numpy()
    order = keys(rows, funnel.seed, _PURPOSE + stage.index)
    audit = draw_audit(left["score"].to_numpy(), rows, order, stage.n_audit)
    return with_audit(left.take(pa.array(np.searchsorted(rows, audit.rows))), audit)
