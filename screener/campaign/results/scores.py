"""Scores of the rows of a stage by what is stored of them, on workers, segment by segment.

Of each segment the columns that scores are made of are read; scores travel, predictions do not.
"""

from collections.abc import Mapping

import numpy as np
from distributed import Client
from numpy.typing import NDArray

from screener.campaign.results.segments import every_segment, over_segments, stored_scores
from screener.campaign.settings.stage import CampaignStage
from screener.execution.threads import one_thread
from screener.stores.runs import are_among

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_NONE = np.empty(0, np.int64)


def scores_of_candidates(stage: CampaignStage, client: Client) -> tuple[IntArray, FloatArray]:
    """The candidates of a stage by the campaign's acquisition.

    Args:
        stage: finished.
        client: connected.
    Returns:
        their rows, int64 (n,), ascending, and their scores, float64 (n,).
    Raises:
        DamagedError: a file is missing or broken.
    """
    parts = [
        _candidates(*part)
        for part in over_segments(stage, client, scores_of_segment, every_segment(stage))
    ]
    rows = np.concatenate([_NONE, *(part[0] for part in parts)])
    scores = np.concatenate([np.empty(0), *(part[1] for part in parts)])
    order = np.argsort(rows)
    return rows[order], scores[order]


def best_scores(
    stage: CampaignStage, k: int, rows: IntArray, client: Client
) -> tuple[FloatArray, FloatArray]:
    """The best scores of a stage by the campaign's acquisition, and those of some of its rows.

    Args:
        stage: finished.
        k: how many of the best.
        rows: int64 (n,), of the stage, in any order.
        client: connected.
    Returns:
        float64 (at most k,), descending, without NaN; float64 (n,), in the order of `rows`, NaN for
        rows that are no candidates or were set aside.
    Raises:
        DamagedError: a file is missing or broken.
    """
    wanted = every_segment(stage, _NONE, k)
    wanted |= {number: (held, k) for number, held in _by_segment(stage, rows).items()}
    parts = list(over_segments(stage, client, best_of_segment, wanted))
    best = np.sort(np.concatenate([np.empty(0), *(part[0] for part in parts)]))[::-1][:k]
    scores, order = np.full(len(rows), np.nan), np.argsort(rows)
    for _, held, of_held in parts:
        scores[order[np.searchsorted(rows, held, sorter=order)]] = of_held
    return best, scores


def mol_ids_of_rows(stage: CampaignStage, rows: IntArray, client: Client) -> list[str]:
    """The `mol_id`s of rows of a stage.

    Args:
        stage: finished.
        rows: int64 (n,), in any order.
        client: connected.
    Returns:
        (n,), in that order.
    Raises:
        DamagedError: a file is missing or broken.
    """
    wanted = {number: (held,) for number, held in _by_segment(stage, rows).items()}
    mol_ids: dict[int, str] = {}
    for part in over_segments(stage, client, mol_ids_of_segment, wanted):
        mol_ids |= part
    return [mol_ids[row] for row in rows.tolist()]


def scores_of_segment(stage: CampaignStage, number: int) -> tuple[IntArray, FloatArray]:
    """Rows of a segment, int64 (n,), and their scores, float64 (n,), NaN for no candidates."""
    one_thread()
    rows, scores = [_NONE], [np.empty(0)]
    for stored in stage.segment_columns(number):
        rows.append(stored.read(["row"])["row"].to_numpy())
        scores.append(stored_scores(stored, stage.setup.acquisition)[0])
    return np.concatenate(rows), np.concatenate(scores)


def best_of_segment(
    stage: CampaignStage, number: int, rows: IntArray, k: int
) -> tuple[FloatArray, IntArray, FloatArray]:
    """The best scores of a segment, and those of some of its rows.

    Args:
        stage: that is finished.
        number: of the segment in its plan.
        rows: int64 (n,), ascending.
        k: how many of the best.
    Returns:
        float64 (at most k,), in any order; `rows` as they are stored, int64 (n,); their scores,
        float64 (n,).
    """
    held, scores = scores_of_segment(stage, number)
    _, best = _candidates(held, scores)
    is_wanted = are_among(held, rows)
    return np.sort(best)[::-1][:k], held[is_wanted], scores[is_wanted]


def mol_ids_of_segment(stage: CampaignStage, number: int, rows: IntArray) -> dict[int, str]:
    """The `mol_id`s of some rows of a segment.

    Args:
        stage: that is finished.
        number: of the segment in its plan.
        rows: int64 (n,), ascending.
    Returns:
        (n,), by row.
    """
    mol_ids: dict[int, str] = {}
    for stored in stage.segment_columns(number):
        table = stored.read(["row", "mol_id"])
        held = table["row"].to_numpy()
        is_wanted = are_among(held, rows)
        wanted = table["mol_id"].filter(is_wanted).to_pylist()
        mol_ids |= dict(zip(held[is_wanted].tolist(), wanted, strict=True))
    return mol_ids


def _candidates(rows: IntArray, scores: FloatArray) -> tuple[IntArray, FloatArray]:
    is_candidate = np.isfinite(scores)
    return rows[is_candidate], scores[is_candidate]


def _by_segment(stage: CampaignStage, rows: IntArray) -> Mapping[int, IntArray]:
    """Rows, ascending, by the number of the segment that holds them."""
    plan, ascending = stage.plan, np.sort(rows)
    held: dict[int, list[IntArray]] = {}
    for unit in plan.holding(ascending):
        of_unit = unit.rows
        of_segment = held.setdefault(plan.segment_of(unit.index), [])
        of_segment.append(of_unit[are_among(of_unit, ascending)])
    return {number: np.sort(np.concatenate(parts)) for number, parts in held.items()}
