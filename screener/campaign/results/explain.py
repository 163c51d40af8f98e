"""Why a molecule of the library ended where it did, under a ranking of the campaign.

Reads the campaign's folder and the library; predicts nothing. The molecule is looked up in the
columns of the library that can hold what it was called, and followed through the units that it was
in. Only the rank of a molecule below the shortlist needs a pass over the last stage, which reads
the columns that scores are made of: on workers where the stage is large.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np
from rdkit import Chem

from screener.campaign.results.known import follow, places_of
from screener.campaign.results.rankings import NamedRanking, as_ranked
from screener.campaign.results.segments import Connect, workers_of
from screener.campaign.results.shortlist import FILES
from screener.campaign.settings.stage import Campaign
from screener.chemistry.alerts import alerts, alerts_of
from screener.chemistry.known_names import (
    KnownMolecule,
    has_check_digit,
    is_cas_number,
    known_as,
    names_like,
)
from screener.chemistry.nearest import nearest_known
from screener.chemistry.standardise import StandardiseSettings, standardise
from screener.errors import ConfigError, MoleculeError
from screener.ranking.reasons import terms
from screener.ranking.topk import Ranked
from screener.stores.domain_reasons import in_words, reasons_in
from screener.stores.files import Folder
from screener.stores.library import LibraryStore, open_library
from screener.stores.quarantine import RAW_CHARACTERS, shortened

_SETTINGS = StandardiseSettings(allow_charged=True)
_ISOMERS = StandardiseSettings(enumerate_stereo=16)  # of a known molecule, whose name tells none
_MOL_ID_LENGTH, _INCHIKEY_LENGTH = 32, 27  # characters
_KEYS = ["row", "mol_id", "inchikey", "smiles", "source_id"]


@dataclass(frozen=True, slots=True)
class Explanation:
    """What became of a molecule and why.

    Args:
        lines: for people: label and text; the first is `ended`.
        stage: the last that it entered; empty where it entered none.
        predictions: its row there with all columns, the numbers that the texts rest on.
    """

    lines: list[tuple[str, str]]
    stage: str = ""
    predictions: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The same for programs; why the molecule is outside a domain with the numbers."""
        reasons = reasons_in(self.predictions.get("domain_reasons") or "")
        return {
            "lines": [{"label": label, "text": text} for label, text in self.lines],
            "stage": self.stage,
            "domain": [{"reason": each.sentence, **each.numbers} for each in reasons],
            "predictions": dict(self.predictions),
        }


def explain(
    folder: Folder, name: str, connect: Connect | None = None, ranking: str | None = None
) -> Explanation:
    """What became of a molecule and why.

    Args:
        folder: of a finished campaign.
        name: `mol_id`, InChIKey, source id or SMILES; where the library has none that is called so,
            the name, abbreviation or CAS number of a known molecule.
        connect: gives a client whose workers look at the rows of a large last stage; None to look
            at them here.
        ranking: the name of one; None for the main one.
    Returns:
        lines for people, and the predictions that they rest on.
    Raises:
        ConfigError: no finished campaign, no such ranking, or no such molecule in the library, its
            duplicates and what it set aside.
    """
    campaign, under = as_ranked(folder, ranking)
    setup = campaign.setup
    library = open_library(setup.library, setup.library_digest)
    names = _names(name)
    lines: list[tuple[str, str]] = []
    for table in library.duplicates_with({"source_id": names, "smiles_input": names}):
        for record in table.to_pylist():
            place = f"{record['kept_source']}:{record['kept_line']}"
            lines.append(("duplicate", f"{record['source']}:{record['line']}, first at {place}"))
            names = [*names, record["mol_id"]]
    molecules = _rows(library, names)[:1]
    if not molecules:
        set_aside = _set_aside(library, names)
        if set_aside:
            return Explanation(set_aside)
        known = _known(name, setup.library)
        molecules = _rows(library, _isomers(known), every=True)
        if not molecules:
            raise ConfigError(
                f"no molecule of the library {setup.library} is called {name!r}: it is the known "
                f"molecule {known.name}, {known.smiles}, which is not in it"
            )
        lines.append(("known as", known.name))
    molecule, *others = molecules
    row = molecule["row"]
    if others:
        mol_ids = ", ".join(each["mol_id"] for each in others)
        lines.append(("others of this name", f"{mol_ids}; explain them by these"))
    ended = ends(campaign, under, {row: molecule["mol_id"]}, connect)[row]
    stage, predictions, said = _last(campaign, row)
    about = [
        ("ranking", f"{under.name}{' (the main one)' if under.is_main else ''}"),
        ("score", f"{under.meaning.name}. {under.meaning.sentence}"),
    ]
    return Explanation(
        [("ended", ended), *about, *lines, *_facts(molecule), *said],
        stage=stage,
        predictions=predictions,
    )


def ends(
    campaign: Campaign,
    under: NamedRanking,
    mol_ids: Mapping[int, str],
    connect: Connect | None,
) -> dict[int, str]:
    """Where molecules of the library ended, in words.

    Args:
        campaign: finished, see `as_ranked`.
        under: its ranking.
        mol_ids: of the molecules, by row.
        connect: gives a client whose workers look at the rows of a large last stage; None to look
            at them here.
    Returns:
        text by row.
    """
    fates = follow(campaign, np.array(sorted(mol_ids), dtype=np.int64))
    listed = campaign.folder.read_table(under.path + FILES[0], ["row", "rank", "score"]).to_pylist()
    ranks = {entry["row"]: (entry["rank"], entry["score"]) for entry in listed}
    below = [
        Ranked(fate.score, mol_ids[row], row, fate.tie)
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
            reason = f": {in_words(fate.reason)}" if fate.reason else ""
            texts[row] = f"{fate.state} at {fate.stage}{reason}"
    return texts


def _names(name: str) -> list[str]:
    """As given, and the mol_id where it is a SMILES."""
    try:
        return [name, *(each.mol_id for each in standardise(name, _SETTINGS))]
    except MoleculeError:
        return [name]


def _known(name: str, library: str) -> KnownMolecule:
    """The known molecule of a name.

    Raises:
        ConfigError: there is none, or several.
    """
    found = known_as(name)
    if len(found) == 1:
        return found[0]
    nobody = f"no molecule of the library {library} is called {name!r}"
    if found:
        each = ", ".join(f"{known.name} ({known.smiles})" for known in found)
        raise ConfigError(f"{nobody}, and several known ones are: {each}; give the SMILES")
    if is_cas_number(name):
        wrong = "" if has_check_digit(name) else "; its last digit does not fit, so it is mistyped"
        raise ConfigError(f"{nobody}, and no known one has this CAS number{wrong}; give the SMILES")
    near = names_like(name)
    hint = f". Do you mean {' or '.join(near)}?" if near else ""
    raise ConfigError(
        f"{nobody}, nor is any known one; give its mol_id, InChIKey, source id or SMILES{hint}"
    )


def _isomers(known: KnownMolecule) -> list[str]:
    """The mol_ids of a known molecule: with the stereochemistry that a library chooses, and all."""
    settings = (_SETTINGS, _ISOMERS)
    mol_ids = [each.mol_id for one in settings for each in standardise(known.smiles, one)]
    return list(dict.fromkeys(mol_ids))


def _rows(library: LibraryStore, names: list[str], *, every: bool = False) -> list[dict[str, Any]]:
    """Molecules of the library with one of these names, in its order.

    Args:
        library: to look in.
        names: ids, mol_ids or InChIKeys.
        every: whether to go on after the first shard that has one.
    """
    wanted = {
        "mol_id": [name for name in names if len(name) == _MOL_ID_LENGTH],
        "inchikey": [name for name in names if len(name) == _INCHIKEY_LENGTH],
        "source_id": names,
    }
    found = library.rows_with({k: each for k, each in wanted.items() if each})
    rows = list(found if every else islice(found, 1))
    if not rows:
        return []
    entries: list[dict[str, Any]] = library.read_rows(np.concatenate(rows), _KEYS).to_pylist()
    return entries


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


def _last(campaign: Campaign, row: int) -> tuple[str, dict[str, Any], list[tuple[str, str]]]:
    """The last stage that a molecule entered, its row there, and what objectives, constraints and
    the domain say of it; nothing where it entered none."""
    settings = campaign.setup.ranking
    for stage in reversed(campaign.stages):
        for table in stage.tables(np.array([row], dtype=np.int64)):
            if table.num_rows:
                said = terms(table, settings, stage.row_status(table, settings))[0]
                return stage.name, table.to_pylist()[0], said
    return "", {}, []
