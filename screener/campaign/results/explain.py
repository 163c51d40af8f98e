"""Why a molecule of the library ended where it did, under the ranking of the current shortlist.

Reads the campaign's folder and the library; predicts nothing.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from rdkit import Chem

from screener.campaign.results import provenance
from screener.campaign.results.known import follow, judging_at, places_of
from screener.campaign.results.shortlist import FILES
from screener.campaign.settings.frozen import Setup, open_setup, stage_plan
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

_SETTINGS = StandardiseSettings(allow_charged=True)
_KEYS = ["row", "mol_id", "inchikey", "smiles", "source_id"]


def explain(folder: Folder, name: str) -> list[tuple[str, str]]:
    """What became of a molecule and why, line by line.

    Args:
        folder: of a finished campaign.
        name: `mol_id`, InChIKey, source id or SMILES.
    Returns:
        label and text; the first line is `ended`.
    Raises:
        ConfigError: no finished campaign, or no such molecule in the library, its duplicates and
            what it set aside.
    """
    setup = as_ranked(folder)
    library = open_library(setup.library, setup.library_digest)
    names = _names(name)
    lines: list[tuple[str, str]] = []
    for table in library.duplicates():
        for record in table.filter(
            _is_any(table, ["source_id", "smiles_input"], names)
        ).to_pylist():
            place = f"{record['kept_source']}:{record['kept_line']}"
            lines.append(("duplicate", f"{record['source']}:{record['line']}, first at {place}"))
            names = [*names, record["mol_id"]]
    found = _row(library, names)
    if found is None:
        for table in library.quarantine():
            for record in table.filter(_is_any(table, ["raw", "mol_id"], names)).to_pylist():
                where = f"{record['source']}:{record['line']}"
                said = f"{record['code']}: {record['message']}"
                return [("ended", f"set aside by the library ({where}), {said}")]
        raise ConfigError(
            f"no molecule of the library {setup.library} is called {name!r}; give its mol_id, "
            "InChIKey, source id or SMILES"
        )
    ended = ends(folder, setup, {found["row"]: found["mol_id"]})[found["row"]]
    return [("ended", ended), *lines, *_facts(found), *_terms(folder, setup, found)]


def as_ranked(folder: Folder) -> Setup:
    """The campaign with the ranking of its current shortlist.

    Raises:
        ConfigError: no campaign, or one without a shortlist.
    """
    setup = open_setup(folder)
    told = provenance.last_ranking(folder)
    if told is None:
        raise ConfigError(f"{folder.url} has no shortlist yet; resume it with `screener screen`")
    settings = RankingSettings.from_mapping(told["settings"], f"{folder.url}: ranking")
    joined = told.get("joined")
    return setup.model_copy(
        update={"ranking": settings, "joined": joined and Joined.model_validate(joined)}
    )


def ends(folder: Folder, setup: Setup, mol_ids: Mapping[int, str]) -> dict[int, str]:
    """Where molecules of the library ended, by row, in words.

    Args:
        folder: of a finished campaign.
        setup: see `as_ranked`.
        mol_ids: of the molecules, by row.
    """
    fates = follow(folder, setup, np.array(sorted(mol_ids), dtype=np.int64))
    ranked = [
        Ranked(fate.score, mol_ids[row], row)
        for row, fate in fates.items()
        if fate.state == "ranked" and fate.score is not None
    ]
    places = places_of(folder, setup, ranked)
    listed = folder.read_table(FILES[0]).select(["row", "rank", "score"]).to_pylist()
    ranks = {entry["row"]: (entry["rank"], entry["score"]) for entry in listed}
    texts = {}
    for row, fate in fates.items():
        if row in ranks:
            texts[row] = "shortlisted: rank {} with score {:.4f}".format(*ranks[row])
        elif row in places:
            state = "below the shortlist"
            if setup.ranking.diversity and places[row] <= setup.ranking.pool:
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


def _is_any(table: pa.Table, columns: list[str], names: list[str]) -> pa.ChunkedArray:
    wanted = pa.array(names, pa.string())
    masks = [pc.is_in(table[column], wanted) for column in columns]
    result = masks[0]
    for mask in masks[1:]:
        result = pc.or_(result, mask)
    return result


def _row(library: LibraryStore, names: list[str]) -> dict[str, Any] | None:
    for block in library.blocks(_KEYS):
        hits = block.filter(_is_any(block, ["mol_id", "inchikey", "source_id"], names))
        if hits.num_rows:
            entry: dict[str, Any] = hits.slice(0, 1).to_pylist()[0]
            return entry
    return None


def _facts(found: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for key in ("smiles", "mol_id", "inchikey", "source_id"):
        yield key, str(found[key] or "")
    known, similarity = nearest_known(found["smiles"])
    yield "nearest known", f"{known}, Tanimoto similarity {similarity:.2f}"
    raised = alerts_of(Chem.MolFromSmiles(found["smiles"]))
    for alert in alerts():
        if alert.name in raised:
            yield f"alert {alert.name}", f"{alert.why} ({alert.source})"


def _terms(folder: Folder, setup: Setup, found: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Objectives and constraints by the predictions of the last stage that the molecule entered."""
    rows = np.array([found["row"]], dtype=np.int64)
    for index in reversed(range(len(setup.stages))):
        plan = stage_plan(folder, setup, index)
        assert plan is not None  # finished
        for unit in setup.store(folder, index).stored(plan.places(plan.holding(rows))):
            table = unit.predictions.filter(pc.equal(unit.predictions["row"], found["row"]))
            if table.num_rows:
                judged = judging_at(setup.stages[index])(table, setup.ranking)
                yield from terms(table, setup.ranking, judged)[0]
                return
