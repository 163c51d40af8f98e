"""How many of the best of a stage were found, kept in `recall.json`: the estimate from an audit, or
without one the chance that something was missed."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from screener.campaign.settings.batches import audit_of
from screener.campaign.settings.stage import SEARCHED, Campaign, CampaignStage
from screener.errors import ConfigError
from screener.funnel.recall import estimate_recall
from screener.stores.files import Folder

if TYPE_CHECKING:
    from distributed import Client

RECALL = "recall.json"


def tell_recall(campaign: Campaign, client: "Client") -> list[dict[str, Any]]:
    """Estimate how many of each stage's best were found, and write it to `recall.json`.

    Args:
        campaign: all of whose stages are finished.
        client: connected.
    Returns:
        for each stage with an audit: `stage`, `top_n`, `recall`, `low`, `high`, `level`, `n_rows`
        (evaluated), `n_audit`, `of` (what the best are looked for in), or `why` it is not known;
        without a search, for each stage whose rows were chosen, what `tell_missed` says. Nothing,
        and no file, where no rows were chosen, and of campaigns from before that was told.
    """
    from screener.campaign.results.missed import tell_missed

    if campaign.setup.funnel is not None:
        estimates = [_recall(stage, client) for stage in campaign.stages[SEARCHED:]]
    elif campaign.setup.weighs_stages:
        again = [stage for stage in campaign.stages if stage.judges_again]
        estimates = [tell_missed(stage, client) for stage in again]
    else:
        estimates = []
    if estimates:
        campaign.folder.write_json(RECALL, estimates)
    return estimates


def read_recall(folder: Folder) -> tuple[dict[str, Any], ...]:
    """What `tell_recall` wrote; empty where it did not."""
    return tuple(folder.read_json(RECALL)) if folder.exists(RECALL) else ()


def recall_text(recall: Mapping[str, Any]) -> str:
    """What `tell_recall` says of a stage, for a person."""
    if "why" in recall:
        return f"not known: {recall['why']}"
    if "chance" in recall and not recall["n_others"]:
        return f"all {recall['n_rows']:,} that can be ranked of {recall['of']} were chosen"
    if "chance" in recall:
        return (
            f"the chance that one of the best {recall['top_n']:,} of {recall['of']} is not among "
            f"the {recall['n_rows']:,} that were chosen is {_percent(recall['chance'])} (by the "
            f"known errors of both stages; {recall['missed']:.1f} of {recall['n_others']:,} others "
            "are expected to belong there)"
        )
    return (
        f"an estimated {recall['recall']:.1%} of the best {recall['top_n']:,} of {recall['of']} "
        f"are among the {recall['n_rows']:,} evaluated here ({recall['level']:.0%} interval "
        f"{recall['low']:.1%} to {recall['high']:.1%}, from an audit of {recall['n_audit']:,})"
    )


def _percent(share: float) -> str:
    """A share with the digits that mean something; never 0 or 100 % of what is not certain."""
    if 0.0 < share < 0.01:
        return "less than 1 %"
    return "more than 99 %" if 0.99 < share <= 1.0 else f"{100.0 * share:.0f} %"


def _recall(stage: CampaignStage, client: "Client") -> dict[str, Any]:
    """What `tell_recall` says of one stage."""
    # Dask takes a second to be there, and most only read what was told
    from screener.campaign.results.scores import best_scores

    funnel, store = stage.setup.funnel, stage.store
    assert funnel is not None
    if stage.is_searched:
        batches, of = store.read_batches(), "the library"
    else:
        batch = store.read_batch()
        assert batch is not None
        batches, of = [batch], f"what stage {stage.previous.name} evaluated"
    top_n = stage.setup.ranking.top if stage.is_last else stage.next.n_chosen
    audit = audit_of(batches[-1])
    best, audited = best_scores(stage, top_n, audit.rows, client)
    n_rows = sum(batch.num_rows for batch in batches)
    known = {"stage": stage.name, "top_n": top_n, "of": of, "n_rows": n_rows}
    known["n_audit"] = len(audit.rows)
    try:
        estimate = estimate_recall(best, audit, audited, top_n, funnel.seed)
    except ConfigError as error:
        return known | {"why": str(error)}
    return known | {
        "recall": estimate.recall,
        "low": estimate.low,
        "high": estimate.high,
        "level": estimate.level,
    }
