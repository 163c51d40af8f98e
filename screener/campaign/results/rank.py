"""The ranking of the rows that reached the last stage, and its shortlist.

A ranking lies in `rankings/<digest>/`: the shortlist's three files, `known.parquet` where molecules
are marked as known, and, written last, `ranking.json` with the settings and counts. The campaign's
root holds a copy of the shortlist that was asked for last. Nothing is predicted here.
"""

import hashlib
import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from distributed import Client
from numpy.typing import NDArray

from screener.campaign.results.invalidate import invalidate
from screener.campaign.results.known import follow_known
from screener.campaign.results.provenance import RANKING as FILE
from screener.campaign.results.provenance import Session
from screener.campaign.results.segments import Connect, statuses, workers_of
from screener.campaign.results.shortlist import FILES, shortlist_table, write_shortlist
from screener.campaign.results.totals import StageTotals
from screener.campaign.settings.asked_numbers import require_numbers
from screener.campaign.settings.differences import asked
from screener.campaign.settings.frozen import open_setup
from screener.campaign.settings.known_column import known_column_of
from screener.campaign.settings.ranking import RankingConfig
from screener.campaign.settings.setup import Setup
from screener.campaign.settings.stage import Campaign, CampaignStage
from screener.campaign.settings.user_table import JoinConfig, joined_schema, keep_joined, read_join
from screener.chemistry.diversity import choose_diverse
from screener.errors import ConfigError, DamagedError, MoleculeError, StoreError
from screener.ranking.columns import check_columns
from screener.ranking.objectives import RankingSettings
from screener.ranking.row_status import emptied_by, no_value
from screener.ranking.topk import TopK
from screener.records import Structure
from screener.registry.plugins import other_plugins
from screener.stores.files import Folder
from screener.stores.joined import with_joined
from screener.stores.lease import Lease
from screener.stores.library import open_library
from screener.stores.mol_ids import mol_ids_of
from screener.stores.runs import with_rows
from screener.stores.structures import StructureStore
from screener.structures.make import read_structures

log = logging.getLogger(__name__)

KNOWN = "known.parquet"


def rank_again(
    folder: Folder,
    config: RankingConfig,
    *,
    command: Sequence[str],
    known_column: str | None = None,
    join: JoinConfig | None = None,
    connect: Connect | None = None,
) -> tuple[Setup, dict[str, Any]]:
    """Rank a finished campaign by other objectives; nothing is computed again.

    Args:
        folder: of the campaign.
        config: what is wanted now; what it does not say is as in the campaign.
        command: what provenance tells as the command.
        known_column: another own column that marks known molecules.
        join: another table of the user's to rank by.
        connect: gives a client whose workers look at the rows of a large last stage; None to look
            at them here, one segment after the other.
    Returns:
        the campaign with the new ranking, and what `rank` returns.
    Raises:
        ConfigError: no campaign, not finished, in use, or an unknown column.
    """
    before = open_setup(folder)
    for difference in other_plugins(before.plugins):
        log.warning("%s; what was computed with it is ranked as it is", difference)
    setup = before.model_copy(
        update={
            "ranking": config.settings(before.ranking),
            "known_column": known_column_of(known_column, before.own_columns)
            or before.known_column,
        }
    )
    if join is not None:
        library = open_library(before.library, before.library_digest)
        joined, _ = read_join(join, library)
        for stage in Campaign(folder, before).stages:
            joined_schema(_no_rows(stage).schema, joined)
        setup = setup.model_copy(update={"joined": joined})
    campaign = Campaign(folder, setup)
    with Lease(folder).held():
        if setup.joined is not None:
            keep_joined(folder, setup.joined, open_library(setup.library, setup.library_digest))
        try:
            schemas = [_no_rows(stage).schema for stage in campaign.stages]
            check_columns(setup.ranking, {name for schema in schemas for name in schema.names})
            require_numbers(setup, setup.ranking, schemas[-1])
            session = Session(campaign, list(command), n_workers=0)
            with workers_of(campaign.last, connect) as client:
                ranking = rank(campaign, client=client)
        except DamagedError as error:
            invalidate(campaign, error)
            raise StoreError(
                f"{error}; resume the campaign with `screener screen` to have it made again"
            ) from error
        session.write(ranking=ranking)
    return setup, ranking


def rank(
    campaign: Campaign,
    totals: StageTotals | None = None,
    *,
    changed: bool = False,
    client: Client | None = None,
) -> dict[str, Any]:
    """Rank the rows of the last stage and write the shortlist.

    Args:
        campaign: with the ranking that is asked.
        totals: of the last stage's receipts, where the caller has it.
        changed: whether units were done since this ranking may have been made.
        client: connected, to look at the rows of the last stage on workers where its receipts do
            not tell the best of them; None to do it here.
    Returns:
        what `ranking.json` says: `digest`, `objectives`, `constraints`, `top`, `counts` (rows of
        the last stage by status), `filtered` (rows by rule), `left_out`, `without_spread`
        (objectives that are the same for all candidates), `shortlisted`,
        `chosen_by` (objectives and constraints that chose the rows of the last stage), `files`
        (their checksums).
    Raises:
        ConfigError: the last stage is not finished.
    """
    folder, setup = campaign.folder, campaign.setup
    path = f"rankings/{setup.ranking_digest}/"
    if changed or not _is_whole(folder, path):
        _make(campaign, path, totals, client)
    if chosen_otherwise(campaign):
        log.warning(
            "the rows of stage %s were chosen by other objectives (%s): molecules that these would "
            "have chosen may be missing%s; a new campaign chooses again and reuses all structures",
            setup.stages[-1].name,
            ", ".join(asked(setup.acquisition)["objectives"]),
            ", and the recall that was estimated does not apply" if setup.funnel else "",
        )
    for name in FILES:
        folder.write_bytes(name, folder.read_bytes(path + name))
    ranking: dict[str, Any] = folder.read_json(path + FILE)
    return ranking


def _is_whole(folder: Folder, path: str) -> bool:
    """Whether the ranking was made and its files are as they were written."""
    if not folder.exists(path + FILE):
        return False
    try:
        checksums = folder.read_json(path + FILE)["files"]
        return all(
            hashlib.sha256(folder.read_bytes(path + name)).hexdigest() == checksum
            for name, checksum in checksums.items()
        )
    except (StoreError, KeyError, TypeError) as error:
        log.warning("the ranking is made again: %s", error)
        return False


def chosen_otherwise(campaign: Campaign) -> bool:
    """Whether other objectives or constraints kept rows from a later stage that the campaign's
    ranking may want there."""
    setup = campaign.setup
    then, now = asked(setup.acquisition), asked(setup.ranking)
    if not _other_table(campaign) and all(
        sorted(then.get(key, ())) == sorted(now.get(key, ())) for key in {*then, *now}
    ):
        return False
    # a row that broke one of these breaks it still
    stands = {*now["constraints"], *map(no_value, setup.ranking.columns)}
    for stage in campaign.stages[:-1]:
        totals = StageTotals.of(stage.store.receipts.all(), stage.k)
        n_wanted = totals.counts["candidates"] + sum(
            n_rows for rule, n_rows in totals.filtered.items() if rule not in stands
        )
        following = stage.next.read_plan()
        if following is None or n_wanted > following.n_rows:
            return True
    return False


def _make(campaign: Campaign, path: str, totals: StageTotals | None, client: Client | None) -> None:
    """Make the ranking and write it below `path`; other arguments as `rank`."""
    folder, setup, stage = campaign.folder, campaign.setup, campaign.last
    plan = stage.read_plan()
    if totals is None:
        totals = StageTotals.of(stage.store.receipts.all(), setup.ranking.pool)
    if plan is None or totals.n_units < plan.n_units:
        raise ConfigError(
            f"stage {stage.name} of {folder.url} is not finished; resume the campaign with "
            "`screener screen` first"
        )
    value_range = totals.value_range
    are_told = asked(setup.acquisition) == asked(setup.ranking) and totals.complete
    if are_told and not _other_table(campaign) and setup.ranking.by != "pareto":
        top, filtered, left_out = totals.top, totals.filtered, totals.left_out
        counts = totals.counts
    else:
        summary = statuses(stage, setup.ranking, setup.ranking.pool, client)
        top, filtered, left_out = summary.top, summary.filtered, summary.left_out
        counts, value_range = summary.counts, summary.value_range
        counts["quarantined"] = totals.counts["quarantined"]
        counts["in"] = totals.counts["in"]
    if not top.entries:
        why = emptied_by(counts, filtered, setup.ranking)
        log.warning("no molecule is left to rank: %s; `screener status --accounts` has more", why)
    idle = _without_effect(setup.ranking, counts, value_range)
    for text in idle:
        log.warning(
            "objective %s decides nothing: all %d candidates have the same value",
            text,
            counts["candidates"],
        )
    if setup.ranking.diversity:
        top = _apart(setup, top)
    predictions, structures = _rows(stage, top.rows)
    table = shortlist_table(predictions, top, setup.ranking, setup.known_column)
    files = write_shortlist(folder, path, table, structures)
    if setup.known_column is not None:
        folder.write_table(path + KNOWN, follow_known(campaign, set(top.rows.tolist()), client))
    folder.write_json(
        path + FILE,
        {
            "digest": setup.ranking_digest,
            **asked(setup.ranking),
            "settings": setup.ranking.model_dump(mode="json"),
            "joined": None if setup.joined is None else setup.joined.model_dump(mode="json"),
            "counts": dict(counts),
            "filtered": dict(filtered),
            "left_out": sorted(left_out),
            "without_spread": idle,
            "shortlisted": len(top.entries),
            "chosen_by": asked(setup.acquisition),
            "files": files,
        },
    )


def _apart(setup: Setup, best_ones: TopK) -> TopK:
    """Of the best, those that the shortlist keeps apart."""
    library = open_library(setup.library, setup.library_digest)
    ascending = np.sort(best_ones.rows)
    drawn = library.read_rows(ascending, ["row", "smiles"])
    smiles = dict(zip(drawn["row"].to_pylist(), drawn["smiles"].to_pylist(), strict=True))
    settings, entries = setup.ranking, best_ones.entries
    places = choose_diverse(
        [smiles[entry.row] for entry in entries],
        settings.top,
        settings.max_similarity,
        settings.per_scaffold,
    )
    if len(places) < settings.top and len(entries) == settings.pool:
        log.warning(
            "of the best %d molecules only %d are as different as asked for; allow more "
            "similarity, or more of one scaffold, or ask for fewer",
            len(entries),
            len(places),
        )
    return TopK(settings.top, tuple(entries[place] for place in places))


def _other_table(campaign: Campaign) -> bool:
    """Whether the ranking reads another joined table than the one that chose."""
    frozen = open_setup(campaign.folder)
    return campaign.setup.ranked_by_joined != frozen.acquired_by_joined


def _without_effect(
    settings: RankingSettings,
    counts: Mapping[str, int],
    value_range: Mapping[str, Sequence[float]],
) -> list[str]:
    """Objectives, as text, whose values are all the same.

    Args:
        settings: the ranking.
        counts: rows by status.
        value_range: least and largest value of each objective among candidates, by column.
    """
    if counts.get("candidates", 0) < 2:
        return []
    return [
        each.text
        for each in settings.objectives
        if each.column in value_range and value_range[each.column][0] == value_range[each.column][1]
    ]


def _rows(
    stage: CampaignStage, rows: NDArray[np.int64]
) -> tuple[pa.Table, list[Structure | MoleculeError]]:
    """Predictions of these rows in any order, and their structures in the order of `rows`."""
    structures = StructureStore(stage.structures)
    tables: list[pa.Table] = []
    of_rows: dict[int, Structure | MoleculeError] = {}
    ascending = np.sort(rows)
    for unit in stage.stored(ascending):
        table = with_rows(unit.predictions, ascending)
        tables.append(table)
        held = table["row"].to_numpy()
        try:
            units = unit.receipt.details["structure_units"]
            keys = mol_ids_of(table["mol_id"].to_pylist())
            outcomes = read_structures(structures, units, keys)
        except StoreError as error:
            raise DamagedError(
                f"structures of the shortlist are not in the library any more: {error}",
                (unit.receipt.unit,),
            ) from error
        of_rows |= dict(zip(held.tolist(), outcomes, strict=True))
    if not tables:  # nobody is ranked
        tables.append(_no_rows(stage))
    return pa.concat_tables(tables), [of_rows[row] for row in rows.tolist()]


def _no_rows(stage: CampaignStage) -> pa.Table:
    """The columns of a stage, from a unit that is stored or else from the bundle."""
    if (receipt := next(stage.store.receipts.all(), None)) is not None:
        return stage.store.read(receipt).slice(0, 0)
    return with_joined(stage.no_predictions, stage.campaign.joined)
