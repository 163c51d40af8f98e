"""How far a campaign is, and where every row of the library ended.

Both are read from the folder alone: receipts, batches and the current ranking. Nothing is locked:
they can be asked while the campaign runs.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from screener.campaign import provenance
from screener.campaign.rank import FILE as RANKING
from screener.campaign.setup import Setup, open_setup, stage_plan
from screener.campaign.tally import Tally
from screener.stores.files import Folder
from screener.stores.library import LibraryStore


@dataclass(frozen=True, slots=True)
class StageStatus:
    """How far one stage is."""

    name: str
    n_units: int | None  # None while its rows are not chosen yet
    n_units_done: int
    n_rows: int  # that enter, at most
    n_rows_done: int
    n_quarantined: int
    n_out_of_domain: int
    rate: float | None  # rows per second over the latest units, of all workers together
    seconds_left: float | None  # at that rate

    @property
    def is_finished(self) -> bool:
        """Whether every unit is done."""
        return self.n_units is not None and self.n_units_done >= self.n_units


@dataclass(frozen=True, slots=True)
class Status:
    """How far a campaign is."""

    folder: str
    library: str
    stages: tuple[StageStatus, ...]
    quarantine: Mapping[str, Mapping[str, int]]  # stage -> code -> rows
    shortlisted: int | None  # None before the ranking

    @property
    def is_finished(self) -> bool:
        """Whether every stage is done and ranked."""
        return self.shortlisted is not None and all(stage.is_finished for stage in self.stages)


@dataclass(frozen=True, slots=True)
class StageAccount:
    """What became of the rows that entered a stage; `n_in` is the sum of all others."""

    name: str
    n_in: int
    passed: int  # to the next stage, or to the shortlist
    filtered: Mapping[str, int]  # by rule
    not_selected: int
    out_of_domain: int
    quarantined: int
    not_done: int  # entered, and the campaign is not that far
    outside: Mapping[str, int] = field(default_factory=dict)  # out of domain by reason, most first

    @property
    def is_balanced(self) -> bool:
        """Whether the parts add up to what came in."""
        parts = self.passed + self.not_selected + self.out_of_domain + self.quarantined
        return self.n_in == parts + self.not_done + sum(self.filtered.values())


@dataclass(frozen=True, slots=True)
class Accounts:
    """Where everything that was read ended."""

    n_read: int  # records of the inputs
    n_isomers_added: int  # where one record became several rows
    n_kept: int
    n_duplicates: int
    n_quarantined: int  # by the library
    stages: tuple[StageAccount, ...]
    final: Mapping[str, int] = field(default_factory=dict)  # state -> rows of the library

    @property
    def is_balanced(self) -> bool:
        """Whether nothing is lost or counted twice."""
        return (
            self.n_read + self.n_isomers_added
            == self.n_kept + self.n_duplicates + self.n_quarantined
            and all(stage.is_balanced for stage in self.stages)
            and self.n_kept == self.stages[0].n_in == sum(self.final.values())
            and all(
                before.passed == after.n_in
                for before, after in zip(self.stages, self.stages[1:], strict=False)
            )
        )


def status(folder: Folder) -> Status:
    """How far the campaign in `folder` is.

    Raises:
        ConfigError: the folder holds no campaign.
        StoreError: a receipt is broken.
    """
    setup = open_setup(folder)
    stages = []
    quarantine: dict[str, dict[str, int]] = {}
    for index, stage in enumerate(setup.stages):
        plan = stage_plan(folder, setup, index)
        tally = Tally.of(setup.store(folder, index).receipts.all(), setup.k(index))
        n_rows = setup.n_entering(index) if plan is None else plan.n_rows
        n_left = n_rows - tally.counts["in"]
        stages.append(
            StageStatus(
                name=stage.name,
                n_units=None if plan is None else plan.n_units,
                n_units_done=tally.n_units,
                n_rows=n_rows,
                n_rows_done=tally.counts["in"],
                n_quarantined=tally.counts["quarantined"],
                n_out_of_domain=tally.counts["out_of_domain"],
                rate=tally.rate,
                seconds_left=n_left / tally.rate if tally.rate else None,
            )
        )
        quarantine[stage.name] = dict(tally.quarantine.most_common())
    ranking = _ranking(folder)
    return Status(
        folder=folder.url,
        library=setup.library,
        stages=tuple(stages),
        quarantine=quarantine,
        shortlisted=None if ranking is None else ranking["shortlisted"],
    )


def accounts(folder: Folder) -> Accounts:
    """Where every row ended, under the ranking whose shortlist lies in the campaign's folder.

    Raises:
        ConfigError: the folder holds no campaign.
        StoreError: the library or a receipt cannot be read.
    """
    setup = open_setup(folder)
    totals = LibraryStore.open(setup.library).manifest.totals
    ranking = _ranking(folder)
    entered = setup.n_rows
    stages: list[StageAccount] = []
    for index in range(len(setup.stages)):
        stages.append(_account(folder, setup, index, entered, ranking))
        entered = stages[-1].passed
    final: dict[str, int] = {}
    for account in stages:
        ends = {
            "quarantined": account.quarantined,
            "out of domain": account.out_of_domain,
            "filtered": sum(account.filtered.values()),
            "not selected": account.not_selected,
            "not done": account.not_done,
        }
        final |= {f"{account.name}: {state}": n for state, n in ends.items()}
    final["shortlisted"] = stages[-1].passed
    return Accounts(
        n_read=totals.read,
        n_isomers_added=totals.isomers_added,
        n_kept=totals.kept,
        n_duplicates=totals.duplicates,
        n_quarantined=totals.quarantined,
        stages=tuple(stages),
        final=final,
    )


def _account(
    folder: Folder, setup: Setup, index: int, entered: int, ranking: dict[str, Any] | None
) -> StageAccount:
    tally = Tally.of(setup.store(folder, index).receipts.all(), setup.k(index))
    counts, filtered = dict(tally.counts), dict(tally.filtered)
    last = index == len(setup.stages) - 1
    if last:
        passed = 0
        if ranking is not None:
            counts, filtered = ranking["counts"], ranking["filtered"]
            passed = ranking["shortlisted"]
    else:
        following = setup.store(folder, index + 1).read_batch()
        passed = 0 if following is None else following.num_rows
    # candidates wait for the choice while there is none
    decided = (ranking is not None) if last else (following is not None)
    waiting = 0 if decided else counts.get("candidates", 0)
    return StageAccount(
        name=setup.stages[index].name,
        n_in=entered,
        passed=passed,
        filtered=filtered,
        not_selected=counts.get("candidates", 0) - passed - waiting,
        out_of_domain=counts.get("out_of_domain", 0),
        quarantined=counts.get("quarantined", 0),
        not_done=entered - counts.get("in", 0) + waiting,
        outside=dict(tally.outside.most_common()),
    )


def _ranking(folder: Folder) -> dict[str, Any] | None:
    """What `ranking.json` says of the shortlist at the root; None before there is one."""
    if not folder.exists(provenance.FILE):
        return None
    ranking = folder.read_json(provenance.FILE).get("ranking")
    if ranking is None:
        return None
    found: dict[str, Any] = folder.read_json(f"rankings/{ranking['digest']}/{RANKING}")
    return found
