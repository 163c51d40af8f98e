"""What became of the molecules that are marked as known, by which readers check a ranking.

Follows each of them through the stages of a finished campaign. Their places among all ranked
molecules need one pass over the last stage's predictions.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from distributed import Client
from numpy.typing import NDArray

from screener.campaign.results.segments import numbers_before
from screener.campaign.results.shortlist import is_known
from screener.campaign.settings.setup import Setup
from screener.campaign.settings.stage import Campaign, CampaignStage
from screener.ranking.row_status import CANDIDATE
from screener.ranking.topk import Ranked
from screener.stores.library import open_library
from screener.stores.plain_columns import plain, readable
from screener.stores.runs import are_among

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
    tie: float = 0.0  # orders equal scores


def follow_known(
    campaign: Campaign, shortlisted: Collection[int], client: Client | None = None
) -> pa.Table:
    """The fate of every known molecule under the campaign's ranking, in the library's order.

    Args:
        campaign: with a `known_column`, all of whose stages are finished.
        shortlisted: rows of the shortlist.
        client: connected, to look at the rows of the last stage on workers; None to do it here.
    Returns:
        a table of `SCHEMA`.
    """
    marked = {entry["row"]: entry for entry in _marked(campaign.setup)}
    fates = follow(campaign, np.array(sorted(marked), dtype=np.int64))
    places = places_of(
        campaign,
        [
            Ranked(fate.score, marked[row]["mol_id"], row, fate.tie)
            for row, fate in fates.items()
            if fate.state == "ranked" and fate.score is not None
        ],
        client,
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


def follow(campaign: Campaign, rows: NDArray[np.int64]) -> dict[int, Fate]:
    """Where each of `rows` ended under the campaign's ranking, before the shortlist is cut.

    Args:
        campaign: whose stages are all finished.
        rows: of the library, ascending.
    """
    fates: dict[int, Fate] = {}
    for stage in campaign.stages:
        fates |= dict(_fates(stage, rows))
    return fates


def _marked(setup: Setup) -> Iterator[dict[str, Any]]:
    """The known molecules of the library, block by block."""
    library = open_library(setup.library, setup.library_digest)
    names = {stored: name for name, stored in setup.own_columns.items()}
    column = names[str(setup.known_column)]
    keys = ["row", "mol_id", "smiles", "source_id"]
    for block in library.blocks([*keys, column]):
        marked = block.filter(is_known(block[column]))
        marks = readable(plain(marked[column])).to_pylist()
        for entry, mark in zip(marked.select(keys).to_pylist(), marks, strict=True):
            yield entry | {"known_as": mark}


def _fates(stage: CampaignStage, rows: NDArray[np.int64]) -> Iterator[tuple[int, Fate]]:
    """What a stage made of those of `rows` that entered it."""
    wanted = set(rows.tolist())
    of_candidates = "ranked" if stage.is_last else "not selected"
    for unit in stage.stored(rows):
        table = unit.predictions
        status = stage.row_status(table, stage.status_settings)
        for place in np.flatnonzero(are_among(table["row"].to_numpy(), rows)).tolist():
            score = float(status.score[place])
            is_candidate = status.code[place] == CANDIDATE
            yield (
                table["row"][place].as_py(),
                Fate(
                    stage.name,
                    of_candidates if is_candidate else status.name(place),
                    status.reason(place),
                    None if np.isnan(score) else score,
                    float(status.tie[place]),
                ),
            )
        for record in unit.quarantine.to_pylist() if unit.quarantine is not None else []:
            if record["row"] in wanted:
                reason = f"{record['code']}: {record['message']}"
                yield record["row"], Fate(stage.name, "quarantined", reason)


def places_of(
    campaign: Campaign, ranked: list[Ranked], client: Client | None = None
) -> dict[int, int]:
    """The place of each of `ranked` among all candidates of the last stage.

    Args:
        campaign: whose stages are all finished.
        ranked: candidates of the last stage.
        client: connected, to look at its rows on workers; None to do it here.
    Returns:
        places from 1 by row; none where they are ranked by fronts.
    """
    settings = campaign.setup.ranking
    if settings.by == "pareto":  # of which a molecule alone says nothing
        return {}
    before = numbers_before(campaign.last, settings, ranked, client)
    return {entry.row: 1 + n for entry, n in zip(ranked, before.tolist(), strict=True)}
