"""Everything a report shows, read from the folders of a campaign and of its library.

Reads stored files only: the frozen configuration, provenance, receipts, the shortlist of a
ranking and what became of the known molecules. The time it gives is that of the campaign's
last session, so the same folder gives the same bytes.
"""

import logging
import shlex
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pyarrow as pa

from screener.campaign.results.accounts import Accounts, accounts
from screener.campaign.results.make_ranking import KNOWN, chosen_otherwise
from screener.campaign.results.provenance import read_provenance
from screener.campaign.results.rankings import NamedRanking, as_ranked
from screener.campaign.results.recall import read_recall, recall_text
from screener.campaign.results.status import status
from screener.campaign.results.totals import StageTotals
from screener.campaign.settings.setup import Setup
from screener.campaign.settings.stage import Campaign
from screener.errors import StoreError
from screener.ranking.between_stages import DISAGREE
from screener.ranking.columns import with_numbers
from screener.ranking.objectives import RankingSettings
from screener.report.content import (
    KnownMolecule,
    Molecule,
    QuarantineReason,
    ReportContent,
    Stage,
    Value,
)
from screener.report.html import render_report
from screener.report.labels import corrected
from screener.stores.files import Folder
from screener.stores.library import LibraryStore
from screener.stores.predictions import with_names_of_now

log = logging.getLogger(__name__)

FILE = "report.html"
_MARKS = {"1", "1.0", "true", "yes", "x"}  # mark a known molecule without naming it


def write_report(folder: Folder, name: str | None = None) -> str:
    """Write the report of a ranking; that of the main one into the campaign's folder.

    Args:
        folder: of the campaign.
        name: of the ranking; None for the main one.
    Returns:
        the path of the report below the campaign's folder.
    Raises:
        ConfigError: the folder holds no campaign, or it has no such ranking.
        StoreError: a file cannot be read or written.
    """
    campaign, under = as_ranked(folder, name)
    path = FILE if under.is_main else under.path + FILE
    folder.write_bytes(path, render_report(_collected(campaign, under)).encode())
    log.info("wrote %s/%s", folder.url, path)
    return path


def write_reports(folder: Folder, ranking: NamedRanking) -> None:
    """Write the report of the main ranking, and that of another one.

    Args:
        folder: of the campaign.
        ranking: the one that was made.
    Raises:
        StoreError: a file cannot be read or written.
    """
    write_report(folder)
    if not ranking.is_main:
        write_report(folder, ranking.name)


def collect(folder: Folder, name: str | None = None) -> ReportContent:
    """What the report of a campaign holds.

    Args:
        folder: of the campaign.
        name: of a ranking; None for the main one.
    Raises:
        ConfigError: the folder holds no campaign, or it has no such ranking.
        StoreError: a file cannot be read.
    """
    return _collected(*as_ranked(folder, name))


def _collected(campaign: Campaign, under: NamedRanking) -> ReportContent:
    folder, setup = campaign.folder, campaign.setup
    ranking, settings, path = under.told, under.settings, under.path
    provenance = read_provenance(folder)
    library = LibraryStore.open(setup.library)
    known = folder.read_table(path + KNOWN).to_pylist() if folder.exists(path + KNOWN) else []
    marks = {entry["row"]: _mark(entry) for entry in known}
    rows = with_names_of_now(folder.read_table(f"{path}shortlist.parquet"))
    ended = accounts(folder, under.name)
    finished = provenance["sessions"][-1].get("finished", "")
    return ReportContent(
        title=folder.url.rstrip("/").rsplit("/", 1)[-1],
        written=finished if under.is_main else under.made or finished,
        ranking_name=under.name,
        is_main=under.is_main,
        library=setup.library,
        library_digest=setup.library_digest,
        accounts=ended,
        ranking=settings,
        stages=_stages(setup, provenance, ranking),
        n_ranked=ranking["counts"].get("candidates", 0),
        shortlist=tuple(
            _molecule(row, settings, marks) for row in with_numbers(rows, settings).to_pylist()
        ),
        known=tuple(_known(entry, marks) for entry in known),
        quarantine=tuple(_quarantine(campaign, library)),
        provenance=tuple(_provenance(provenance, under)),
        warnings=tuple(_warnings(campaign, settings, ranking, ended)),
        recall=tuple(
            f"Stage {recall['stage']}: {recall_text(recall)}." for recall in read_recall(folder)
        ),
    )


def _stages(
    setup: Setup, provenance: Mapping[str, Any], ranking: Mapping[str, Any]
) -> tuple[Stage, ...]:
    left_out = {stage["name"]: stage["left_out"] for stage in provenance.get("stages", [])}
    left_out[setup.stages[-1].name] = ranking["left_out"]
    return tuple(
        Stage(
            name=stage.name,
            level=stage.level,
            n_conformers=None if stage.geometry is None else stage.geometry.n_conformers,
            bundle=stage.bundle,
            bundle_digest=stage.bundle_digest,
            left_out=tuple(left_out.get(stage.name, ())),
        )
        for stage in setup.stages
    )


def _molecule(
    row: Mapping[str, Any], settings: RankingSettings, marks: Mapping[int, str]
) -> Molecule:
    columns = [objective.column for objective in settings.objectives]
    return Molecule(
        rank=row["rank"],
        score=row["score"],
        name=row["source_id"] or row["mol_id"],
        mol_id=row["mol_id"],
        smiles=row["smiles"],
        values={column: _value(row, column) for column in columns if column in row},
        known_as=marks.get(row["row"], ""),
        notes=tuple(_notes(row, settings)),
    )


def _notes(row: Mapping[str, Any], settings: RankingSettings) -> Iterator[str]:
    """What stands below the values; older shortlists do not have it."""
    for column in dict.fromkeys(each.column for each in settings.constraints):
        margin = row.get(f"margin_{column}")
        if margin is not None:
            rules = [each.text for each in settings.constraints if each.column == column]
            met = "met" if margin >= 0 else "broken"
            yield f"{' and '.join(rules)}: {met} by {abs(margin):.3g}"
    if row.get(DISAGREE):
        yield f"the two stages disagree on {row[DISAGREE]}"
    if row.get("alerts_raised"):
        yield f"alerts: {row['alerts_raised']}"
    if row.get("nearest_known"):
        similarity = row["nearest_known_similarity"]
        yield f"nearest known: {row['nearest_known']} (similarity {similarity:.2f})"


def _value(row: Mapping[str, Any], column: str) -> Value:
    low, low_name = corrected(row, column)
    return Value(
        value=row[column],
        lo90=row.get(f"{column}_lo90"),
        hi90=row.get(f"{column}_hi90"),
        low=low,
        low_name=low_name,
        delta=row.get(f"{column}_delta"),
        desirability=row.get(f"desirability_{column}"),
    )


def _mark(entry: Mapping[str, Any]) -> str:
    """The name of a known molecule: its mark, unless that is a mere tick."""
    mark = str(entry["known_as"]).strip()
    return str(entry["source_id"] or entry["mol_id"]) if mark.lower() in _MARKS else mark


def _known(entry: Mapping[str, Any], marks: Mapping[int, str]) -> KnownMolecule:
    return KnownMolecule(
        known_as=marks[entry["row"]],
        name=entry["source_id"] or entry["mol_id"],
        smiles=entry["smiles"],
        state=entry["state"],
        stage=entry["stage"],
        rank=entry["rank"],
        reason=entry["reason"] or "",
    )


def _quarantine(campaign: Campaign, library: LibraryStore) -> Iterator[QuarantineReason]:
    """Reasons stage by stage, the most frequent first, each with its first molecule."""
    counts: Mapping[str, int] = library.manifest.totals.quarantined_by_code
    first = _first_of_each(library.quarantine(), counts)
    for code, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        record = first[code]
        place = f"{record['source']}:{record['line']}" if record["source"] else ""
        parts = dict.fromkeys((record["source_id"], place, record["raw"]))  # an id may be the place
        example = "  ".join(part for part in parts if part)
        yield QuarantineReason("library", code, count, record["message"], example)
    by_stage = status(campaign.folder).quarantine
    for stage in campaign.stages:
        counts = by_stage[stage.name]
        first = _first_of_each(stage.store.quarantine(), counts)
        for code, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
            row = first[code]["row"]
            (kept,) = library.read_range(row, row + 1, ["source_id", "smiles"]).to_pylist()
            example = f"{kept['source_id']}  {kept['smiles']}"
            yield QuarantineReason(stage.name, code, count, first[code]["message"], example)


def _first_of_each(
    tables: Iterable[pa.Table], counts: Mapping[str, int]
) -> dict[str, dict[str, Any]]:
    """The first record of each code; reads no further than needed.

    Raises:
        StoreError: a code that was counted has no record.
    """
    first: dict[str, dict[str, Any]] = {}
    if not counts:
        return first
    for table in tables:
        for record in table.to_pylist():
            first.setdefault(record["code"], record)
        if len(first) == len(counts):
            return first
    raise StoreError(
        f"no record is there of what was set aside as {', '.join(counts.keys() - first.keys())}: "
        "a file of the quarantine is missing"
    )


def _provenance(provenance: Mapping[str, Any], under: NamedRanking) -> Iterator[tuple[str, str]]:
    sessions = provenance["sessions"]
    for command in dict.fromkeys(shlex.join(session["command"]) for session in sessions):
        yield "command", command  # resumed by the same one, told once
    yield "started", sessions[0]["started"]
    yield "finished", sessions[-1].get("finished", "")
    yield "sessions", str(len(sessions))
    yield "machines", "; ".join(dict.fromkeys(f"{s['host']}, {s['machine']}" for s in sessions))
    yield "worker threads", str(max(session["worker_threads"] for session in sessions))
    for stage in provenance.get("stages", []):
        if stage["geometry"] is None:
            yield f"work at {stage['name']}", f"{stage['task_seconds']} s of tasks"
            continue
        made, seconds = stage["structures_made"], stage["task_seconds"]
        yield (
            f"work at {stage['name']}",
            f"{made} structures made, others reused; {seconds} s of tasks",
        )
    yield "compute digest", provenance["digests"]["compute"]
    yield "ranking", under.name + (" (the main one)" if under.is_main else "")
    if under.made:
        yield "ranked", f"{under.made} by {shlex.join(under.command)}"
    yield "ranking digest", under.told["digest"]
    for stage, structures in provenance["digests"]["structures"].items():
        yield f"structures at {stage}", structures
    yield "seeds", provenance["seeds"]
    yield (
        "versions",
        ", ".join(f"{name} {version}" for name, version in provenance["versions"].items()),
    )


def _warnings(
    campaign: Campaign,
    settings: RankingSettings,
    ranking: Mapping[str, Any],
    ended: Accounts,
) -> Iterator[str]:
    setup = campaign.setup
    if chosen_otherwise(campaign):
        chosen_by = ", ".join(ranking["chosen_by"]["objectives"])
        yield (
            f"The rows of stage {setup.stages[-1].name} were chosen by other objectives "
            f"({chosen_by}): molecules that the present ones would have chosen may be missing"
            + (", and the recall that was estimated does not apply." if setup.funnel else ".")
        )
    yield from _disagreements(campaign)
    for text in ranking.get("without_spread", ()):
        yield f"Objective {text} decides nothing: all candidates have the same value."
    if ranking["shortlisted"] < settings.top:
        yield (
            f"{settings.top} molecules were asked for and only {ranking['shortlisted']} could be "
            "ranked"
            + (" and are as different as asked for" if settings.diversity else "")
            + "; the accounts below tell why."
        )
    if not ended.is_balanced:
        yield "The accounts do not add up: this is a fault of the program, please report it."


def _disagreements(campaign: Campaign) -> Iterator[str]:
    for stage in campaign.stages[1:]:
        totals = StageTotals.of(stage.store.receipts.all(), stage.k)
        counts = dict(totals.disagree)
        if n_rows := counts.pop("rows", 0):
            columns = ", ".join(f"{name} {counts[name]:,}" for name in sorted(counts))
            yield (
                f"Of {totals.counts['in']:,} molecules that stage {stage.name} judged again, "
                f"{n_rows:,} have a 90 % interval that shares no value with that of stage "
                f"{stage.previous.name} ({columns}); the column {DISAGREE} names them."
            )
