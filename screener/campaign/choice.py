"""The rows that enter a stage at once, and what they say of the best that did not enter."""

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from screener.campaign.judge import Best, judge
from screener.campaign.search import audit_of, with_audit
from screener.campaign.setup import SEARCHED, Setup, stage_plan
from screener.campaign.surrogate import scores_of
from screener.errors import ConfigError
from screener.funnel.draws import keys
from screener.funnel.recall import draw_audit, estimate_recall
from screener.ranking.topk import Ranked
from screener.stores.files import Folder

log = logging.getLogger(__name__)

RECALL = "recall.json"
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


def tell_recall(folder: Folder, setup: Setup) -> list[dict[str, Any]]:
    """Estimate how many of each stage's best were found, and write it to `recall.json`.

    Args:
        folder: of a campaign with a funnel, all of whose stages are finished.
        setup: the campaign.
    Returns:
        for each stage with an audit: `stage`, `top_n`, `recall`, `low`, `high`, `level`, `n_rows`
        (evaluated), `n_audit`, `of` (what the best are looked for in), or `why` it is not known.
    """
    told = [_recall(folder, setup, index) for index in range(SEARCHED, len(setup.stages))]
    folder.write_json(RECALL, told)
    return told


def read_recall(folder: Folder) -> tuple[dict[str, Any], ...]:
    """What `tell_recall` wrote; empty where it did not."""
    return tuple(folder.read_json(RECALL)) if folder.exists(RECALL) else ()


def recall_text(told: Mapping[str, Any]) -> str:
    """What `tell_recall` says of a stage, for a person."""
    if "why" in told:
        return f"not known: {told['why']}"
    return (
        f"an estimated {told['recall']:.1%} of the best {told['top_n']:,} of {told['of']} are "
        f"among the {told['n_rows']:,} evaluated here ({told['level']:.0%} interval "
        f"{told['low']:.1%} to {told['high']:.1%}, from an audit of {told['n_audit']:,})"
    )


def _recall(folder: Folder, setup: Setup, index: int) -> dict[str, Any]:
    assert setup.funnel is not None
    store = setup.store(folder, index)
    if index == SEARCHED:
        batches, of = store.read_batches(), "the library"
    else:
        batch, before = store.read_batch(), setup.stages[index - 1].name
        assert batch is not None
        batches, of = [batch], f"what stage {before} evaluated"
    last = index == len(setup.stages) - 1
    top_n = setup.ranking.top if last else setup.n_chosen(index + 1)
    rows = np.concatenate([batch["row"].to_numpy() for batch in batches])
    audit = audit_of(batches[-1])
    n_audit = len(audit.rows)  # they come last
    scores = scores_of(folder, setup, index, rows)
    told = {"stage": store.stage, "top_n": top_n, "of": of, "n_rows": len(rows)}
    told["n_audit"] = n_audit
    try:
        audited = scores[len(rows) - n_audit :]
        found = estimate_recall(scores, audit, audited, top_n, setup.funnel.seed)
    except ConfigError as error:
        return told | {"why": str(error)}
    return told | {
        "recall": found.recall,
        "low": found.low,
        "high": found.high,
        "level": found.level,
    }
