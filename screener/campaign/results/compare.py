"""What entered and left between two rankings, of two campaigns or of one, and why.

A molecule that only one shortlist holds is looked up in the other campaign: whether its library has
it, and where it ended there. Campaigns on the same library know each other's rows; otherwise the
`mol_id` column of the other library is looked through. Predicts nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from screener.campaign.results.explain import ends
from screener.campaign.results.rankings import NamedRanking, as_ranked
from screener.campaign.results.segments import Connect
from screener.campaign.results.shortlist import FILES
from screener.campaign.settings.differences import asked, differences
from screener.campaign.settings.setup import Setup
from screener.campaign.settings.stage import Campaign
from screener.ranking.objectives import RankingSettings
from screener.stores.files import Folder
from screener.stores.library import LibraryStore, open_library

_SHOWN = ["row", "mol_id", "rank", "smiles", "source_id"]


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
    """Two rankings, before and after."""

    settings: tuple[str, ...]  # what was asked or computed otherwise, a line each
    entered: tuple[Change, ...]  # in the order of the second shortlist
    left: tuple[Change, ...]  # in the order of the first
    moved: tuple[Change, ...]  # in both with another rank, in the order of the second
    n_unmoved: int


def compare(
    before: Folder,
    after: Folder,
    connect: Connect | None = None,
    *,
    ranking_before: str | None = None,
    ranking_after: str | None = None,
) -> Comparison:
    """Compare the shortlists of two campaigns, or two rankings of one.

    Args:
        before, after: folders of finished campaigns; they may be the same.
        connect: gives a client whose workers look at the rows of large last stages; None to look
            at them here.
        ranking_before, ranking_after: names of rankings; None for the main ones.
    Returns:
        see `Comparison`.
    Raises:
        ConfigError: one of them is no campaign, or has no shortlist or no such ranking.
        StoreError: a library cannot be read.
    """
    (earlier, then), (later, now) = (
        as_ranked(before, ranking_before),
        as_ranked(after, ranking_after),
    )
    first, second = _shortlist(before, then), _shortlist(after, now)
    lost = {mol_id: row for mol_id, row in first.items() if mol_id not in second}
    new = {mol_id: row for mol_id, row in second.items() if mol_id not in first}
    same_library = earlier.setup.library_digest == later.setup.library_digest
    why_new = _ends(earlier, then, new, connect, same_library=same_library)
    why_lost = _ends(later, now, lost, connect, same_library=same_library)
    kept = [(first[mol_id], row) for mol_id, row in second.items() if mol_id in first]
    moved = [pair for pair in kept if pair[0]["rank"] != pair[1]["rank"]]
    return Comparison(
        settings=tuple(differences(_settings(earlier.setup), _settings(later.setup))),
        entered=tuple(_change(row, None, row["rank"], why_new[key]) for key, row in new.items()),
        left=tuple(_change(row, row["rank"], None, why_lost[key]) for key, row in lost.items()),
        moved=tuple(_change(to, was["rank"], to["rank"], "") for was, to in moved),
        n_unmoved=len(kept) - len(moved),
    )


def _settings(setup: Setup) -> dict[str, Any]:
    return {**setup.compute, "ranking": {**asked(setup.ranking), **_size(setup.ranking)}}


def _size(ranking: RankingSettings) -> dict[str, float]:
    return {"top": ranking.top, **ranking.diversity}


def _shortlist(folder: Folder, ranking: NamedRanking) -> dict[str, dict[str, Any]]:
    """The shortlist's rows by mol_id, in its order."""
    rows = folder.read_table(ranking.path + FILES[0], _SHOWN).to_pylist()
    return {row["mol_id"]: row for row in rows}


def _change(row: dict[str, Any], before: int | None, after: int | None, why: str) -> Change:
    return Change(row["mol_id"], row["smiles"], row["source_id"] or "", before, after, why)


def _ends(
    campaign: Campaign,
    under: NamedRanking,
    molecules: Mapping[str, Mapping[str, Any]],
    connect: Connect | None,
    *,
    same_library: bool,
) -> dict[str, str]:
    """Where molecules ended in a campaign, by mol_id.

    Args:
        campaign: finished, with its ranking.
        under: that ranking.
        molecules: rows of the other shortlist, by mol_id.
        connect: see `compare`.
        same_library: whether both campaigns screen the same library.
    """
    if not molecules:
        return {}
    if same_library:
        of_rows = {row["row"]: mol_id for mol_id, row in molecules.items()}
        return {of_rows[row]: text for row, text in ends(campaign, under, of_rows, connect).items()}
    library = open_library(campaign.setup.library, campaign.setup.library_digest)
    of_rows = _rows_of(library, list(molecules))
    texts = {of_rows[row]: text for row, text in ends(campaign, under, of_rows, connect).items()}
    absent = [mol_id for mol_id in molecules if mol_id not in texts]
    texts |= dict.fromkeys(absent, "not in the library")
    for table in library.quarantine_with({"mol_id": absent}) if absent else ():
        for record in table.to_pylist():
            texts[record["mol_id"]] = f"set aside by the library, {record['code']}"
    return texts


def _rows_of(library: LibraryStore, mol_ids: list[str]) -> dict[int, str]:
    """The molecules that a library has, by row; looks no further once it has all of them."""
    of_rows: dict[int, str] = {}
    for rows in library.rows_with({"mol_id": mol_ids}):
        names = library.read_rows(rows, ["mol_id"])["mol_id"].to_pylist()
        of_rows |= dict(zip(rows.tolist(), names, strict=True))
        if len(of_rows) == len(mol_ids):
            break
    return of_rows
