"""What became of the molecules that are marked as known: how a reader judges a ranking.

Follows each of them through the stages of a finished campaign. Their places among all ranked
molecules need one pass over the last stage's predictions.
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from screener.campaign.results.shortlist import is_known
from screener.campaign.settings.frozen import Setup, Stage, stage_plan
from screener.campaign.settings.plan import StagePlan
from screener.ranking.objectives import RankingSettings
from screener.ranking.row_status import CANDIDATE, Judged, judge, judge_rules
from screener.ranking.topk import Ranked
from screener.stores.files import Folder
from screener.stores.library import open_library
from screener.stores.predictions import PredictionStore

Judging = Callable[[pa.Table, RankingSettings], Judged]

SCHEMA = pa.schema(
    [
        ("row", pa.int64()),
        ("mol_id", pa.string()),
        ("smiles", pa.string()),
        ("source_id", pa.string()),
        ("known_as", pa.string()),  # the mark itself
        ("stage", pa.string()),  # the last stage that it entered
        # shortlisted, ranked, not selected, filtered, out of domain, quarantined
        ("state", pa.string()),
        ("reason", pa.string()),  # the rule, why outside, or what went wrong
        ("rank", pa.int64()),  # among all ranked molecules, from 1
        ("score", pa.float64()),
    ]
)


@dataclass(frozen=True, slots=True)
class Fate:
    """Where a molecule ended."""

    stage: str  # the last that it entered
    state: str
    reason: str
    score: float | None = None


def follow_known(folder: Folder, setup: Setup, shortlisted: Collection[int]) -> pa.Table:
    """The fate of every known molecule under the ranking of `setup`, in the library's order.

    Args:
        folder: of a campaign whose stages are all finished.
        setup: with a `known_column`.
        shortlisted: rows of the shortlist.
    Returns:
        a table of `SCHEMA`.
    """
    marked = {entry["row"]: entry for entry in _marked(setup)}
    fates = follow(folder, setup, np.array(sorted(marked), dtype=np.int64))
    places = places_of(
        folder,
        setup,
        [
            Ranked(fate.score, marked[row]["mol_id"], row)
            for row, fate in fates.items()
            if fate.state == "ranked" and fate.score is not None
        ],
    )
    table = []
    for row, entry in marked.items():
        fate, place = fates[row], places.get(row)
        table.append(
            entry
            | {
                "stage": fate.stage,
                "state": "shortlisted" if row in shortlisted else fate.state,
                "reason": fate.reason,
                "rank": place,
                "score": fate.score if fate.state == "ranked" else None,
            }
        )
    return pa.Table.from_pylist(table, schema=SCHEMA)


def follow(folder: Folder, setup: Setup, rows: NDArray[np.int64]) -> dict[int, Fate]:
    """Where each of `rows` ended under the ranking of `setup`, before the shortlist is cut.

    Args:
        folder: of a campaign whose stages are all finished.
        setup: the campaign.
        rows: of the library, ascending.
    """
    fates: dict[int, Fate] = {}
    for index, stage in enumerate(setup.stages):
        plan = stage_plan(folder, setup, index)
        assert plan is not None  # finished
        last = index == len(setup.stages) - 1
        settings = setup.ranking if last else setup.acquisition
        state = "ranked" if last else "not selected"
        store, judging = setup.store(folder, index), judging_at(stage)
        for row, fate in _fates(store, plan, judging, settings, rows):
            fates[row] = (
                fate if fate.state != CANDIDATE else Fate(stage.name, state, "", fate.score)
            )
    return fates


def judging_at(stage: Stage) -> Judging:
    """What judges the rows of a stage."""
    return judge_rules if stage.geometry is None else judge


def _marked(setup: Setup) -> Iterator[dict[str, Any]]:
    """The known molecules of the library, block by block."""
    library = open_library(setup.library, setup.library_digest)
    names = {stored: name for name, stored in setup.own_columns.items()}
    column = names[str(setup.known_column)]
    keys = ["row", "mol_id", "smiles", "source_id"]
    for block in library.blocks([*keys, column]):
        for entry in block.filter(is_known(block[column])).to_pylist():
            yield {key: entry[key] for key in keys} | {"known_as": str(entry[column])}


def _fates(
    store: PredictionStore,
    plan: StagePlan,
    judging: Judging,
    settings: RankingSettings,
    rows: NDArray[np.int64],
) -> Iterator[tuple[int, Fate]]:
    """What a stage made of those of `rows` that entered it."""
    wanted = set(rows.tolist())
    for unit in store.stored(plan.places(plan.holding(rows))):
        table = unit.predictions
        judged = judging(table, settings)
        for place, row in enumerate(table["row"].to_pylist()):
            if row in wanted:
                score = float(judged.score[place])
                yield (
                    row,
                    Fate(
                        store.stage,
                        judged.verdict[place],
                        judged.reason[place],
                        None if np.isnan(score) else score,
                    ),
                )
        for record in unit.quarantine.to_pylist() if unit.quarantine is not None else []:
            if record["row"] in wanted:
                reason = f"{record['code']}: {record['message']}"
                yield record["row"], Fate(store.stage, "quarantined", reason)


def places_of(folder: Folder, setup: Setup, ranked: list[Ranked]) -> dict[int, int]:
    """The place of each of `ranked` among all candidates of the last stage, from 1, by row; none
    where they are ranked by fronts."""
    if setup.ranking.by == "pareto":  # of which a molecule alone says nothing
        return {}
    places = dict.fromkeys((entry.row for entry in ranked), 1)
    index = len(setup.stages) - 1
    store, plan = setup.store(folder, index), stage_plan(folder, setup, index)
    if not ranked or plan is None:
        return places
    for unit in store.stored(plan.places(plan.units())):
        table = unit.predictions
        score = judge(table, setup.ranking).score
        mol_ids = np.array(table["mol_id"].to_pylist(), dtype=str)
        for entry in ranked:
            ties = (score == entry.score) & (mol_ids < entry.mol_id)
            places[entry.row] += int(np.count_nonzero((score > entry.score) | ties))
    return places
