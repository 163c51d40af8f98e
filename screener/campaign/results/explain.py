"""Why a molecule of the library ended where it did, under the ranking of the current shortlist.

Reads the campaign's folder and the library; predicts nothing. The molecule is looked up in the
columns of the library that can hold what it was called, and followed through the units that it was
in. Only the rank of a molecule below the shortlist needs a pass over the last stage, which reads
the columns that scores are made of: on workers where the stage is large.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from rdkit import Chem

from screener.campaign.results.known import follow, places_of
from screener.campaign.results.provenance import last_ranking
from screener.campaign.results.segments import Connect, workers_of
from screener.campaign.results.shortlist import FILES
from screener.campaign.settings.stage import Campaign
from screener.campaign.settings.user_table import Joined
from screener.chemistry.alerts import alerts, alerts_of
from screener.chemistry.nearest import nearest_known
from screener.chemistry.standardise import StandardiseSettings, standardise
from screener.errors import ConfigError, MoleculeError
from screener.ranking.objectives import RankingSettings
from screener.ranking.reasons import terms
from screener.ranking.topk import Ranked
from screener.stores.files import Folder
from screener.stores.library import LibraryStore, open_library
from screener.stores.quarantine import RAW_CHARACTERS, shortened

_SETTINGS = StandardiseSettings(allow_charged=True)
_MOL_ID_LENGTH, _INCHIKEY_LENGTH = 32, 27  # characters
_KEYS = ["row", "mol_id", "inchikey", "smiles", "source_id"]


def explain(folder: Folder, name: str, connect: Connect | None = None) -> list[tuple[str, str]]:
    """What became of a molecule and why, line by line.

    Args:
        folder: of a finished campaign.
        name: `mol_id`, InChIKey, source id or SMILES.
        connect: gives a client whose workers look at the rows of a large last stage; None to look
            at them here.
    Returns:
        label and text; the first line is `ended`.
    Raises:
        ConfigError: no finished campaign, or no such molecule in the library, its duplicates and
            what it set aside.
    """
    campaign = as_ranked(folder)
    setup = campaign.setup
    library = open_library(setup.library, setup.library_digest)
    names = _names(name)
    lines: list[tuple[str, str]] = []
    for table in library.duplicates_with({"source_id": names, "smiles_input": names}):
        for record in table.to_pylist():
            place = f"{record['kept_source']}:{record['kept_line']}"
            lines.append(("duplicate", f"{record['source']}:{record['line']}, first at {place}"))
            names = [*names, record["mol_id"]]
    molecule = _row(library, names)
    if molecule is None:
        set_aside = _set_aside(library, names)
        if set_aside:
            return set_aside
        raise ConfigError(
            f"no molecule of the library {setup.library} is called {name!r}; give its mol_id, "
            "InChIKey, source id or SMILES"
        )
    row = molecule["row"]
    ended = ends(campaign, {row: molecule["mol_id"]}, connect)[row]
    return [("ended", ended), *lines, *_facts(molecule), *_terms(campaign, row)]


def as_ranked(folder: Folder) -> Campaign:
    """The campaign with the ranking of its current shortlist.

    Raises:
        ConfigError: no campaign, or one without a shortlist.
    """
    campaign = Campaign.open(folder)
    ranking = last_ranking(folder)
    if ranking is None:
        raise ConfigError(f"{folder.url} has no shortlist yet; resume it with `screener screen`")
    settings = RankingSettings.from_mapping(ranking["settings"], f"{folder.url}: ranking")
    joined = ranking.get("joined")
    return campaign.with_setup(
        campaign.setup.model_copy(
            update={"ranking": settings, "joined": joined and Joined.model_validate(joined)}
        )
    )


def ends(campaign: Campaign, mol_ids: Mapping[int, str], connect: Connect | None) -> dict[int, str]:
    """Where molecules of the library ended, in words.

    Args:
        campaign: finished, see `as_ranked`.
        mol_ids: of the molecules, by row.
        connect: gives a client whose workers look at the rows of a large last stage; None to look
            at them here.
    Returns:
        text by row.
    """
    fates = follow(campaign, np.array(sorted(mol_ids), dtype=np.int64))
    listed = campaign.folder.read_table(FILES[0], ["row", "rank", "score"]).to_pylist()
    ranks = {entry["row"]: (entry["rank"], entry["score"]) for entry in listed}
    below = [
        Ranked(fate.score, mol_ids[row], row)
        for row, fate in fates.items()
        if row not in ranks and fate.state == "ranked" and fate.score is not None
    ]
    with workers_of(campaign.last, connect if below else None) as client:
        places = places_of(campaign, below, client)
    texts, ranking = {}, campaign.setup.ranking
    for row, fate in fates.items():
        if row in ranks:
            texts[row] = "shortlisted: rank {} with score {:.4f}".format(*ranks[row])
        elif row in places:
            state = "below the shortlist"
            if ranking.diversity and places[row] <= ranking.pool:
                state = "passed over, too much like better ones"
            texts[row] = f"{state}: rank {places[row]} with score {fate.score:.4f}"
        elif fate.state == "ranked":
            texts[row] = "below the shortlist"
        else:
            reason = f": {fate.reason}" if fate.reason else ""
            texts[row] = f"{fate.state} at {fate.stage}{reason}"
    return texts


def _names(name: str) -> list[str]:
    """As given, and the mol_id where it is a SMILES."""
    try:
        return [name, *(each.mol_id for each in standardise(name, _SETTINGS))]
    except MoleculeError:
        return [name]


def _row(library: LibraryStore, names: list[str]) -> dict[str, Any] | None:
    """The first molecule of the library with one of these names."""
    wanted = {
        "mol_id": [name for name in names if len(name) == _MOL_ID_LENGTH],
        "inchikey": [name for name in names if len(name) == _INCHIKEY_LENGTH],
        "source_id": names,
    }
    rows = next(library.rows_with({k: each for k, each in wanted.items() if each}), None)
    if rows is None:
        return None
    entry: dict[str, Any] = library.read_rows(rows[:1], _KEYS).to_pylist()[0]
    return entry


def _set_aside(library: LibraryStore, names: list[str]) -> list[tuple[str, str]]:
    """What the library set aside under one of these names; empty where there is none."""
    # earlier versions cut long texts without a sign
    raw = [cut for name in names for cut in (shortened(name), name[:RAW_CHARACTERS])]
    wanted = {"source_id": names, "raw": raw, "mol_id": names}
    for table in library.quarantine_with(wanted):
        for record in table.to_pylist():
            where = f"{record['source']}:{record['line']}"
            why = f"{record['code']}: {record['message']}"
            return [
                ("ended", f"set aside by the library ({where}), {why}"),
                ("source_id", record["source_id"] or where),
                ("as given", record["raw"]),
            ]
    return []


def _facts(molecule: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for key in ("smiles", "mol_id", "inchikey", "source_id"):
        yield key, str(molecule[key] or "")
    known, similarity = nearest_known(molecule["smiles"])
    yield "nearest known", f"{known}, Tanimoto similarity {similarity:.2f}"
    raised = alerts_of(Chem.MolFromSmiles(molecule["smiles"]))
    for alert in alerts():
        if alert.name in raised:
            yield f"alert {alert.name}", f"{alert.why} ({alert.source})"


def _terms(campaign: Campaign, row: int) -> Iterator[tuple[str, str]]:
    """Objectives and constraints by the predictions of the last stage that the molecule entered."""
    settings = campaign.setup.ranking
    for stage in reversed(campaign.stages):
        for table in stage.tables(np.array([row], dtype=np.int64)):
            if table.num_rows:
                yield from terms(table, settings, stage.row_status(table, settings))[0]
                return
