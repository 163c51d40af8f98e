"""What entered and left between the shortlists of two campaigns, and why.

A molecule that only one shortlist holds is looked up in the other campaign: whether its library has
it, and where it ended there. Reads the folders and libraries of both; predicts nothing.
"""

from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from screener.campaign.results.explain import as_ranked, ends
from screener.campaign.results.shortlist import FILES
from screener.campaign.settings.differences import asked, differences
from screener.campaign.settings.setup import Setup
from screener.campaign.settings.stage import Campaign
from screener.ranking.objectives import RankingSettings
from screener.stores.files import Folder
from screener.stores.library import open_library

_SHOWN = ["mol_id", "rank", "smiles", "source_id"]


@dataclass(frozen=True, slots=True)
class Change:
    """One molecule whose place differs between two shortlists."""

    mol_id: str
    smiles: str
    source_id: str
    rank_before: int | None  # None where it was in no shortlist
    rank_after: int | None
    why: str  # where it ended in the campaign that does not shortlist it; empty if both do


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two campaigns, before and after."""

    settings: tuple[str, ...]  # what was asked or computed otherwise, a line each
    entered: tuple[Change, ...]  # in the order of the second shortlist
    left: tuple[Change, ...]  # in the order of the first
    moved: tuple[Change, ...]  # in both with another rank, in the order of the second
    n_unmoved: int


def compare(before: Folder, after: Folder) -> Comparison:
    """Compare the current shortlists of two campaigns.

    Raises:
        ConfigError: one of them is no campaign or has no shortlist.
        StoreError: a library cannot be read.
    """
    earlier, later = as_ranked(before), as_ranked(after)
    first, second = _shortlist(before), _shortlist(after)
    lost = {mol_id: row for mol_id, row in first.items() if mol_id not in second}
    new = {mol_id: row for mol_id, row in second.items() if mol_id not in first}
    why_new = _ends(earlier, list(new))
    why_lost = _ends(later, list(lost))
    kept = [(first[mol_id], row) for mol_id, row in second.items() if mol_id in first]
    moved = [pair for pair in kept if pair[0]["rank"] != pair[1]["rank"]]
    return Comparison(
        settings=tuple(differences(_settings(earlier.setup), _settings(later.setup))),
        entered=tuple(_change(row, None, row["rank"], why_new[key]) for key, row in new.items()),
        left=tuple(_change(row, row["rank"], None, why_lost[key]) for key, row in lost.items()),
        moved=tuple(_change(now, then["rank"], now["rank"], "") for then, now in moved),
        n_unmoved=len(kept) - len(moved),
    )


def _settings(setup: Setup) -> dict[str, Any]:
    return {**setup.compute, "ranking": {**asked(setup.ranking), **_size(setup.ranking)}}


def _size(ranking: RankingSettings) -> dict[str, float]:
    return {"top": ranking.top, **ranking.diversity}


def _shortlist(folder: Folder) -> dict[str, dict[str, Any]]:
    """The shortlist's rows by mol_id, in its order."""
    rows = folder.read_table(FILES[0]).select(_SHOWN).to_pylist()
    return {row["mol_id"]: row for row in rows}


def _change(row: dict[str, Any], before: int | None, after: int | None, why: str) -> Change:
    return Change(row["mol_id"], row["smiles"], row["source_id"] or "", before, after, why)


def _ends(campaign: Campaign, mol_ids: list[str]) -> dict[str, str]:
    """Where molecules ended in a campaign, by mol_id."""
    if not mol_ids:
        return {}
    of_rows: dict[int, str] = {}
    aside: dict[str, str] = {}
    library = open_library(campaign.setup.library, campaign.setup.library_digest)
    wanted = pa.array(mol_ids, pa.string())
    for block in library.blocks(["row", "mol_id"]):
        hits = block.filter(pc.is_in(block["mol_id"], wanted))
        of_rows |= dict(zip(hits["row"].to_pylist(), hits["mol_id"].to_pylist(), strict=True))
    for table in library.quarantine():
        for record in table.filter(pc.is_in(table["mol_id"], wanted)).to_pylist():
            aside[record["mol_id"]] = f"set aside by the library, {record['code']}"
    texts = {of_rows[row]: text for row, text in ends(campaign, of_rows).items()}
    missing = dict.fromkeys(mol_ids, "not in the library")
    return missing | aside | texts
