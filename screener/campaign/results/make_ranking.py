"""Makes one ranking: the best rows of the last stage, and the files that tell of them.

In the folder of a ranking lie the shortlist's files, `known.parquet` where molecules are marked as
known, and, written last, `ranking.json` with the settings, counts and checksums. Its bytes follow
from the predictions and the settings alone.
"""

import hashlib
import logging
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
from distributed import Client
from numpy.typing import NDArray

from screener.campaign.results.known import follow_known
from screener.campaign.results.provenance import RANKING as FILE
from screener.campaign.results.rankings import ASKED
from screener.campaign.results.segments import statuses
from screener.campaign.results.shortlist import shortlist_table, write_shortlist
from screener.campaign.results.totals import StageTotals
from screener.campaign.settings.differences import asked
from screener.campaign.settings.frozen import open_setup
from screener.campaign.settings.setup import Setup
from screener.campaign.settings.stage import Campaign, CampaignStage
from screener.chemistry.diversity import choose_diverse
from screener.errors import DamagedError, MoleculeError, StoreError
from screener.ranking.objectives import RankingSettings
from screener.ranking.row_status import emptied_by, no_value
from screener.ranking.score_meaning import meaning_of
from screener.ranking.topk import TopK
from screener.records import Structure
from screener.stores.files import Folder
from screener.stores.joined import with_joined
from screener.stores.library import open_library
from screener.stores.mol_ids import mol_ids_of
from screener.stores.runs import with_rows
from screener.stores.structures import StructureStore
from screener.structures.make import read_structures

log = logging.getLogger(__name__)

KNOWN = "known.parquet"


def is_whole(folder: Folder, path: str) -> bool:
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


def make_ranking(campaign: Campaign, path: str, totals: StageTotals, client: Client | None) -> None:
    """Rank the rows of the last stage, which is finished, and write the files of the ranking.

    Args:
        campaign: with the ranking.
        path: folder of the ranking below the campaign's, ends in '/'.
        totals: of the last stage's receipts, with as many of the best as the ranking looks at.
        client: connected, to look at the rows of the last stage on workers where its receipts do
            not tell the best of them; None to do it here.
    Raises:
        DamagedError: a file is missing or broken.
    """
    folder, setup, stage = campaign.folder, campaign.setup, campaign.last
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
    files = write_shortlist(folder, path, table, structures, setup.ranking)
    if setup.known_column is not None:
        folder.write_table(path + KNOWN, follow_known(campaign, set(top.rows.tolist()), client))
    place, meaning = path.split("/")[1], meaning_of(setup.ranking)
    folder.write_json(
        path + FILE,
        {
            **({"name": place} if folder.exists(path + ASKED) else {}),
            "digest": setup.ranking_digest,
            **asked(setup.ranking),
            "score": meaning.name,
            "score_meaning": meaning.sentence,
            "known_column": setup.known_column,
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
        tables.append(no_rows(stage))
    return pa.concat_tables(tables), [of_rows[row] for row in rows.tolist()]


def no_rows(stage: CampaignStage) -> pa.Table:
    """The columns of a stage, from a unit that is stored or else from the bundle."""
    if (receipt := next(stage.store.receipts.all(), None)) is not None:
        return stage.store.read(receipt).slice(0, 0)
    return with_joined(stage.no_predictions, stage.campaign.joined)
