"""The rows that enter a stage at once, and what they say of the best that did not enter."""

import logging

import numpy as np
import pyarrow as pa

from screener.campaign.settings.batches import with_audit
from screener.campaign.settings.frozen import Setup, stage_plan
from screener.funnel.draws import keys
from screener.funnel.recall import draw_audit
from screener.ranking.row_status import Best, judge
from screener.ranking.topk import Ranked
from screener.stores.files import Folder

log = logging.getLogger(__name__)

_PURPOSE = 1_000_000  # of the draws here: no batch has this number


def choose(folder: Folder, setup: Setup, index: int, best: tuple[Ranked, ...]) -> None:
    """Write down the rows that enter a stage, unless they were chosen already.

    Args:
        folder: of the campaign.
        setup: the campaign.
        index: of the stage.
        best: of the stage before, best first.
    """
    store = setup.store(folder, index)
    if store.read_batch() is not None:
        return
    if setup.acquisition.by == "pareto":
        best = _pareto(folder, setup, index)
    columns = {
        "row": pa.array([entry.row for entry in best], pa.int64()),
        "mol_id": pa.array([entry.mol_id for entry in best], pa.string()),
        "score": pa.array([entry.score for entry in best], pa.float64()),
    }
    table = pa.table(columns)
    if setup.n_audit(index):
        table = pa.concat_tables(
            [table, _audited(folder, setup, index, table)], promote_options="default"
        )
    store.write_batch(table)
    log.info("%d rows enter stage %s", table.num_rows, store.stage)


def _pareto(folder: Folder, setup: Setup, index: int) -> tuple[Ranked, ...]:
    """The best of the stage before, which receipts cannot tell."""
    plan = stage_plan(folder, setup, index - 1)
    assert plan is not None
    found = Best(setup.acquisition, setup.k(index - 1))
    for unit in setup.store(folder, index - 1).stored(plan.places(plan.units())):
        found.add(unit.predictions, judge(unit.predictions, setup.acquisition))
    return found.top.entries


def _audited(folder: Folder, setup: Setup, index: int, best: pa.Table) -> pa.Table:
    """A sample of the candidates that are not among the best, by their scores."""
    assert setup.funnel is not None
    plan = stage_plan(folder, setup, index - 1)
    assert plan is not None
    parts: list[pa.Table] = []
    for unit in setup.store(folder, index - 1).stored(plan.places(plan.units())):
        table = unit.predictions.select(["row", "mol_id"])
        score = judge(unit.predictions, setup.acquisition).score
        table = table.append_column("score", pa.array(score, pa.float64()))
        mask = np.isfinite(score) & np.isin(table["row"].to_numpy(), best["row"], invert=True)
        parts.append(table.filter(pa.array(mask)))
    left = pa.concat_tables(parts).sort_by("row")
    rows = left["row"].to_numpy()
    order = keys(rows, setup.funnel.seed, _PURPOSE + index)
    audit = draw_audit(left["score"].to_numpy(), rows, order, setup.n_audit(index))
    return with_audit(left.take(pa.array(np.searchsorted(rows, audit.rows))), audit)
