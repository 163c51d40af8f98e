"""What a report holds: plain values, collected by `screener.report.collect`, rendered by `html`.

Texts are as they stand in the user's files; escaping is the renderer's business.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from screener.campaign.results.accounts import Accounts
from screener.ranking.objectives import RankingSettings


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage as it was configured."""

    name: str
    level: str  # of geometry, or `2d`
    n_conformers: int | None
    bundle: str
    bundle_digest: str
    left_out: tuple[str, ...]  # objectives and constraints without a column here, as text


@dataclass(frozen=True, slots=True)
class Value:
    """One quantity of one molecule, all in the column's unit; None where missing."""

    value: float | None
    lo90: float | None = None
    hi90: float | None = None
    low: float | None = None  # the low-fidelity value that a correction was added to
    low_name: str = ""  # its level of theory
    delta: float | None = None  # that correction
    desirability: float | None = None  # 0 to 1


@dataclass(frozen=True, slots=True)
class Molecule:
    """One row of the shortlist."""

    rank: int
    score: float
    name: str  # the source id, or the mol_id where the input gave none
    mol_id: str
    smiles: str
    values: Mapping[str, Value]  # by column, one per objective
    known_as: str = ""  # empty unless it is marked as known
    notes: tuple[str, ...] = ()  # constraints with their margins, alerts, the nearest known one


@dataclass(frozen=True, slots=True)
class KnownMolecule:
    """A molecule marked as known, and where it ended."""

    known_as: str
    name: str
    smiles: str
    state: str  # as in `screener.campaign.results.known`
    stage: str  # the last stage that it entered
    rank: int | None  # among all ranked molecules
    reason: str  # which rule, why outside the domain, or what went wrong; may be empty


@dataclass(frozen=True, slots=True)
class QuarantineReason:
    """Why molecules were set aside, with the first of them."""

    stage: str
    code: str
    count: int
    message: str
    example: str  # SMILES or raw input text


@dataclass(frozen=True, slots=True)
class ReportContent:
    """Everything that stands in a report."""

    title: str
    written: str  # time, ISO 8601
    library: str
    library_digest: str
    accounts: Accounts
    ranking: RankingSettings
    ranking_name: str
    is_main: bool  # whether it is the campaign's main ranking
    stages: tuple[Stage, ...]
    n_ranked: int
    shortlist: tuple[Molecule, ...]  # best first
    known: tuple[KnownMolecule, ...]
    quarantine: tuple[QuarantineReason, ...]
    provenance: tuple[tuple[str, str], ...]  # label, value
    warnings: tuple[str, ...] = ()
    recall: tuple[str, ...] = ()  # of a funnel, by stage, in words
