"""The chance that one of the best did not become a finalist, where no audit was drawn.

What a stage evaluated and did not pass on has values with known errors, and so has what the next
stage would make of them (`screener.ranking.between_stages`). From both follows how likely each of
these molecules would have been among the best there. Where the finalists, which both stages judged,
show that the stages differ by more than that, the errors are stretched accordingly.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
from distributed import Client
from numpy.typing import NDArray

from screener.campaign.results.segments import every_segment, over_segments
from screener.campaign.settings.stage import CampaignStage
from screener.execution.threads import one_thread
from screener.models.uncertainty.conformal import COVERAGE, FEWEST
from screener.ranking.between_stages import LaterStage, half_ranges, later_chance
from screener.ranking.columns import left_out
from screener.ranking.objectives import RankingSettings
from screener.ranking.row_status import row_status
from screener.stores.runs import are_among

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """Rows that two stages judged.

    Args:
        scores: float64 (n,), of the candidates at the later stage.
        ratios: by column, float64 (m,), differences between the stages in units of half their 90 %
            range, of rows for which the later value counts.
    """

    scores: FloatArray
    ratios: dict[str, FloatArray]


def tell_missed(stage: CampaignStage, client: Client | None) -> dict[str, Any]:
    """The chance that one of the best of what the stage before evaluated did not enter a stage.

    Args:
        stage: finished; the one before predicts as well.
        client: connected; None to look at the rows here.
    Returns:
        `stage`, `top_n`, `of`, `n_rows` (that entered), and `n_others` (candidates that did not),
        `missed` (how many of these are expected among the best), `chance` (that at least one is)
        and `stretch` (factors on the errors, by column), or `why` it is not known.
    """
    setup, before = stage.setup, stage.previous
    n_rows = stage.plan.n_rows
    told: dict[str, Any] = {"stage": stage.name, "of": f"what stage {before.name} evaluated"}
    told["n_rows"] = n_rows
    top_n = setup.ranking.top if stage.is_last else stage.next.n_chosen
    if not n_rows:
        return told | {"why": "no molecule was left to choose"}
    if setup.acquisition.by != "value":
        return told | {"why": f"finalists were chosen by {setup.acquisition.by}"}
    settings = _common(stage)
    later = stage.later_stage
    parts = list(
        over_segments(stage, client, judged_segment, every_segment(stage, settings, later))
    )
    scores = np.sort(np.concatenate([np.empty(0), *(part.scores for part in parts)]))[::-1]
    if not len(scores):
        return told | {"why": "no finalist is ranked"}
    top_n = min(top_n, len(scores))
    stretch = {}
    for name in sorted({name for part in parts for name in part.ratios}):
        ratios = np.concatenate([part.ratios[name] for part in parts if name in part.ratios])
        if len(ratios) >= FEWEST:
            stretch[name] = max(1.0, float(np.quantile(ratios, COVERAGE)))
    later = replace(later, stretch=stretch)
    arguments = every_segment(before, settings, later, float(scores[top_n - 1]))
    others = list(over_segments(before, client, missed_in_segment, arguments))
    # fsum is exact: the sum is the same in whatever order the segments come
    return told | {
        "top_n": top_n,
        "n_others": sum(part[0] for part in others),
        "missed": math.fsum(part[1] for part in others),
        "chance": 0.0 - math.expm1(math.fsum(part[2] for part in others)),  # never -0.0
        "stretch": stretch,
    }


def judged_segment(
    stage: CampaignStage, number: int, settings: RankingSettings, later: LaterStage
) -> Judged:
    """What one segment of the later stage says; see `Judged`.

    Args:
        stage: the later one.
        number: of the segment in its plan.
        settings: objectives that both stages can answer.
        later: what the cards say of it.
    Returns:
        scores of its candidates, and how far the stages differ.
    """
    one_thread()
    scores, ratios = [np.empty(0)], dict[str, list[FloatArray]]()
    for stored in stage.stored_segment(number):
        table = stored.predictions
        score = row_status(table, settings).score
        scores.append(score[np.isfinite(score)])
        for name, values in _ratios(stage, table, later):
            ratios.setdefault(name, []).append(values)
    return Judged(np.concatenate(scores), {n: np.concatenate(each) for n, each in ratios.items()})


def _ratios(
    stage: CampaignStage, table: pa.Table, later: LaterStage
) -> Iterator[tuple[str, FloatArray]]:
    rows = np.sort(table["row"].to_numpy())
    if not len(rows):
        return
    earlier = pa.concat_tables(stage.previous.tables(rows), promote_options="default")
    place = {row: index for index, row in enumerate(earlier["row"].to_pylist())}
    earlier = earlier.take(pa.array([place[row] for row in table["row"].to_pylist()], pa.int64()))
    for name, half in half_ranges(earlier, later).items():
        if name not in table.column_names:
            continue
        values = (some[name].to_numpy(zero_copy_only=False) for some in (table, earlier))
        difference = np.abs(np.subtract(*(np.asarray(each, np.float64) for each in values)))
        kept = np.isfinite(difference) & (half > 0.0)
        yield name, difference[kept] / half[kept]


def missed_in_segment(
    before: CampaignStage,
    number: int,
    settings: RankingSettings,
    later: LaterStage,
    threshold: float,
) -> tuple[int, float, float]:
    """What one segment of the earlier stage may have had for the best.

    Args:
        before: the earlier stage.
        number: of the segment in its plan.
        settings: objectives that both stages can answer.
        later: what is known of the later one.
        threshold: score of the last of the best there.
    Returns:
        candidates that did not become finalists, how many of them are expected at or above the
        threshold, and the logarithm of the chance that none is.
    """
    one_thread()
    batch = before.next.store.read_batch()
    assert batch is not None
    chosen = np.sort(batch["row"].to_numpy())
    n_others, expected, logarithms = 0, [0.0], [0.0]
    for stored in before.stored_segment(number):
        table = stored.predictions
        status = row_status(table, settings)
        is_other = np.isfinite(status.score) & ~are_among(table["row"].to_numpy(), chosen)
        chances = later_chance(table, settings, later, threshold)[is_other]
        n_others += int(is_other.sum())
        expected.append(math.fsum(chances))
        # a chance of 1 that is certain only as far as numbers go
        logarithms.append(math.fsum(np.log1p(-np.minimum(chances, 1.0 - 1e-12))))
    return n_others, math.fsum(expected), math.fsum(logarithms)


def _common(stage: CampaignStage) -> RankingSettings:
    """The acquisition, without the objectives that one of the two stages cannot answer."""
    settings = stage.setup.acquisition
    missing: set[str] = set()
    for each in (stage.previous, stage):
        names = next(iter(each.stored())).predictions.column_names
        missing |= set(left_out(settings, names))
    kept = tuple(each for each in settings.objectives if each.text not in missing)
    return settings.model_copy(update={"objectives": kept})
