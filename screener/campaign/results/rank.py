"""The ranking of the rows that reached the last stage, and its shortlist.

A ranking lies in `rankings/<digest>/`: the shortlist's three files, `known.parquet` where molecules
are marked as known, and, written last, `ranking.json` with the settings and counts. The campaign's
root holds a copy of the shortlist that was asked for last. Nothing is predicted here.
"""

import hashlib
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from screener.campaign.results.invalidate import forget
from screener.campaign.results.known import follow_known
from screener.campaign.results.provenance import Session
from screener.campaign.results.shortlist import FILES, shortlist_table, write_shortlist
from screener.campaign.results.totals import Tally
from screener.campaign.settings.config import RankingConfig
from screener.campaign.settings.frozen import Setup, asked, open_setup, stage_plan
from screener.campaign.settings.plan import StagePlan
from screener.campaign.settings.resolve import known_column_of
from screener.campaign.settings.user_table import JoinConfig, joined_schema, keep_joined, read_join
from screener.chemistry.diversity import choose_diverse
from screener.errors import ConfigError, DamagedError, MoleculeError, StoreError
from screener.inference.table import no_predictions
from screener.models.bundle import open_bundle
from screener.ranking.columns import check_columns, check_numeric
from screener.ranking.objectives import RankingSettings
from screener.ranking.row_status import Best, emptied_by, judge, no_value, wider
from screener.ranking.topk import TopK
from screener.records import Structure
from screener.stores.files import Folder
from screener.stores.joined import with_joined
from screener.stores.lease import Lease
from screener.stores.library import open_library
from screener.stores.predictions import PredictionStore
from screener.stores.structures import StructureStore
from screener.structures.missing import read_structures

log = logging.getLogger(__name__)

FILE = "ranking.json"
KNOWN = "known.parquet"


def rank_again(
    folder: Folder,
    config: RankingConfig,
    *,
    command: Sequence[str],
    known_column: str | None = None,
    join: JoinConfig | None = None,
) -> tuple[Setup, dict[str, Any]]:
    """Rank a finished campaign by other objectives; nothing is computed again.

    Args:
        folder: of the campaign.
        config: what is wanted now; what it does not say is as in the campaign.
        command: what provenance tells as the command.
        known_column: another own column that marks known molecules.
        join: another table of the user's to rank by.
    Returns:
        the campaign with the new ranking, and what `rank` returns.
    Raises:
        ConfigError: no campaign, not finished, in use, or an unknown column.
    """
    before = open_setup(folder)
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
        for index in range(len(before.stages)):
            joined_schema(_no_rows(folder, before, index).schema, joined)
        setup = setup.model_copy(update={"joined": joined})
    with Lease(folder).held():
        if setup.joined is not None:
            keep_joined(folder, setup.joined, open_library(setup.library, setup.library_digest))
        try:
            schemas = [_no_rows(folder, setup, index).schema for index in range(len(setup.stages))]
            check_columns(setup.ranking, {name for schema in schemas for name in schema.names})
            check_numeric(setup.ranking, schemas[-1])
            session = Session(folder, setup, list(command), n_workers=0)
            ranking = rank(folder, setup)
        except DamagedError as error:
            forget(folder, setup, error)
            raise StoreError(
                f"{error}; resume the campaign with `screener screen` to have it made again"
            ) from error
        session.write(ranking=ranking)
    return setup, ranking


def rank(
    folder: Folder, setup: Setup, tally: Tally | None = None, *, changed: bool = False
) -> dict[str, Any]:
    """Rank the rows of the last stage and write the shortlist.

    Args:
        folder: of the campaign.
        setup: with the ranking that is asked.
        tally: of the last stage's receipts, where the caller has it.
        changed: whether units were done since this ranking may have been made.
    Returns:
        what `ranking.json` says: `digest`, `objectives`, `constraints`, `top`, `counts` (rows of
        the last stage by verdict), `filtered` (rows by rule), `left_out`, `without_spread`
        (objectives that are the same for all candidates), `shortlisted`,
        `chosen_by` (objectives and constraints that chose the rows of the last stage), `files`
        (their checksums).
    Raises:
        ConfigError: the last stage is not finished.
    """
    path = f"rankings/{setup.ranking_digest}/"
    if changed or not _is_whole(folder, path):
        _make(folder, setup, path, tally)
    if chosen_otherwise(folder, setup):
        log.warning(
            "the rows of stage %s were chosen by other objectives (%s): molecules that these would "
            "have chosen may be missing%s; a new campaign chooses again and reuses all structures",
            setup.stages[-1].name,
            ", ".join(asked(setup.acquisition)["objectives"]),
            ", and the recall that was estimated does not apply" if setup.funnel else "",
        )
    for name in FILES:
        folder.write_bytes(name, folder.read_bytes(path + name))
    found: dict[str, Any] = folder.read_json(path + FILE)
    return found


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


def chosen_otherwise(folder: Folder, setup: Setup) -> bool:
    """Whether other objectives or constraints kept rows from a later stage that the ranking of
    `setup` may want there."""
    there, now = asked(setup.acquisition), asked(setup.ranking)
    if not _other_table(folder, setup) and all(
        sorted(there.get(key, ())) == sorted(now.get(key, ())) for key in {*there, *now}
    ):
        return False
    # a row that broke one of these breaks it still
    stands = {*now["constraints"], *map(no_value, setup.ranking.columns)}
    for index in range(len(setup.stages) - 1):
        tally = Tally.of(setup.store(folder, index).receipts.all(), setup.k(index))
        n_wanted = tally.counts["candidates"] + sum(
            n_rows for rule, n_rows in tally.filtered.items() if rule not in stands
        )
        following = stage_plan(folder, setup, index + 1)
        if following is None or n_wanted > following.n_rows:
            return True
    return False


def _make(folder: Folder, setup: Setup, path: str, tally: Tally | None) -> None:
    index = len(setup.stages) - 1
    store = setup.store(folder, index)
    plan = stage_plan(folder, setup, index)
    if tally is None:
        tally = Tally.of(store.receipts.all(), setup.ranking.pool)
    if plan is None or tally.n_units < plan.n_units:
        raise ConfigError(
            f"stage {store.stage} of {folder.url} is not finished; resume the campaign with "
            "`screener screen` first"
        )
    spread = tally.spread
    is_told = asked(setup.acquisition) == asked(setup.ranking) and tally.complete
    if is_told and not _other_table(folder, setup) and setup.ranking.by != "pareto":
        top, filtered, left_out = tally.top, tally.filtered, tally.left_out
        counts = tally.counts
    else:
        top, counts, filtered, left_out, spread = _judge_all(store, plan, setup)
        counts["quarantined"] = tally.counts["quarantined"]
        counts["in"] = tally.counts["in"]
    if not top.entries:
        why = emptied_by(counts, filtered, setup.ranking)
        log.warning("no molecule is left to rank: %s; `screener status --accounts` has more", why)
    idle = _without_spread(setup.ranking, counts, spread)
    for text in idle:
        log.warning(
            "objective %s decides nothing: all %d candidates have the same value",
            text,
            counts["candidates"],
        )
    if setup.ranking.diversity:
        top = _apart(setup, top)
    predictions, structures = _rows(folder, setup, plan, top.rows)
    table = shortlist_table(predictions, top, setup.ranking, setup.known_column)
    files = write_shortlist(folder, path, table, structures)
    if setup.known_column is not None:
        folder.write_table(path + KNOWN, follow_known(folder, setup, set(top.rows.tolist())))
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


def _judge_all(
    store: PredictionStore, plan: StagePlan, setup: Setup
) -> tuple[TopK, Counter[str], Counter[str], set[str], dict[str, list[float]]]:
    """Judge every row of the last stage again, unit by unit."""
    found = Best(setup.ranking, setup.ranking.pool)
    spread: dict[str, list[float]] = {}
    counts: Counter[str] = Counter()
    filtered: Counter[str] = Counter()
    left_out: set[str] = set()
    for unit in store.stored(plan.places(plan.units())):
        judged = judge(unit.predictions, setup.ranking)
        found.add(unit.predictions, judged)
        wider(spread, judged.spread)
        counts.update(judged.counts)
        filtered.update(judged.filtered)
        left_out.update(judged.left_out)
    return found.top, counts, filtered, left_out, spread


def _other_table(folder: Folder, setup: Setup) -> bool:
    """Whether the ranking reads another joined table than the one that chose."""
    return setup.ranked_by_joined != open_setup(folder).acquired_by_joined


def _without_spread(
    settings: RankingSettings, counts: Mapping[str, int], spread: Mapping[str, Sequence[float]]
) -> list[str]:
    """Objectives, as text, whose values are all the same."""
    if counts.get("candidates", 0) < 2:
        return []
    return [
        each.text
        for each in settings.objectives
        if each.column in spread and spread[each.column][0] == spread[each.column][1]
    ]


def _rows(
    folder: Folder, setup: Setup, plan: StagePlan, rows: NDArray[np.int64]
) -> tuple[pa.Table, list[Structure | MoleculeError]]:
    """Predictions of these rows in any order, and their structures in the order of `rows`."""
    store = setup.store(folder, len(setup.stages) - 1)
    structures = StructureStore(setup.structures(setup.stages[-1]))
    tables: list[pa.Table] = []
    found: dict[int, Structure | MoleculeError] = {}
    for unit in store.stored(plan.places(plan.holding(rows))):
        table = unit.predictions
        table = table.filter(pc.is_in(table["row"], pa.array(rows, pa.int64())))
        tables.append(table)
        held = table["row"].to_numpy()
        try:
            units = unit.receipt.details["structure_units"]
            found |= dict(zip(held.tolist(), read_structures(structures, units, held), strict=True))
        except StoreError as error:
            raise DamagedError(
                f"structures of the shortlist are not in the library any more: {error}",
                (unit.receipt.unit,),
            ) from error
    if not tables:  # nobody is ranked
        tables.append(_no_rows(folder, setup, len(setup.stages) - 1))
    return pa.concat_tables(tables), [found[row] for row in rows.tolist()]


def _no_rows(folder: Folder, setup: Setup, index: int) -> pa.Table:
    """The columns of a stage, from a unit that is stored or else from the bundle."""
    store = setup.store(folder, index)
    if (receipt := next(store.receipts.all(), None)) is not None:
        return store.read(receipt).slice(0, 0)
    job = setup.job(folder, index)
    library = open_library(job.library, job.library_digest)
    bundle = open_bundle(job.bundle, job.bundle_digest)
    table = no_predictions(library, bundle, setup.own_columns, setup.stages[index].value_columns)
    return with_joined(table, setup.joined_in(folder))
