"""How many of the best of a stage were found: the estimate from an audit, kept in `recall.json`."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from screener.campaign.results.scores import scores_of
from screener.campaign.settings.batches import audit_of
from screener.campaign.settings.frozen import SEARCHED, Setup
from screener.errors import ConfigError
from screener.funnel.recall import estimate_recall
from screener.stores.files import Folder

RECALL = "recall.json"


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
