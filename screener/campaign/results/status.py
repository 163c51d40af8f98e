"""How far a campaign is, and where every row of the library ended.

Both are read from the folder alone: receipts, batches, the journal, the lease and the current
ranking. Nothing is locked: they can be asked while the campaign runs, on any machine.
"""

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from screener.campaign.results import provenance
from screener.campaign.results.rank import FILE as RANKING
from screener.campaign.results.recall import read_recall
from screener.campaign.results.throughput import Pace
from screener.campaign.results.totals import Tally
from screener.campaign.settings.frozen import Setup, n_units_expected, open_setup, stage_plan
from screener.campaign.settings.plan import StagePlan
from screener.stores.files import Folder
from screener.stores.journal import JournalReader
from screener.stores.lease import Lease
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
    rate: float | None  # rows per second over the last minute, of all workers; None if nobody runs
    rate_overall: float | None  # the same since the last session that worked here began with it
    seconds_left: float | None  # at the first rate, or at the other while that cannot be told

    @property
    def is_finished(self) -> bool:
        """Whether every unit is done."""
        return self.n_units is not None and self.n_units_done >= self.n_units


@dataclass(frozen=True, slots=True)
class Runner:
    """The client that runs a campaign at present, as lease and journal tell it."""

    host: str
    pid: int
    last_sign_of_life: str  # UTC, ISO 8601
    started: str | None  # the same; None until its first event is seen, like all that follows
    n_workers: int | None
    scheduler: str | None
    dashboard: str | None  # address of Dask's dashboard
    memory: Mapping[str, int | None]  # bytes, as `execution.observe.memory` names them
    n_tried_again: int  # tasks that were lost with their worker or its connection
    n_workers_lost: int  # workers that left unasked


@dataclass(frozen=True, slots=True)
class Status:
    """How far a campaign is."""

    folder: str
    library: str
    stages: tuple[StageStatus, ...]
    quarantine: Mapping[str, Mapping[str, int]]  # stage -> code -> rows
    shortlisted: int | None  # None before the ranking
    recall: tuple[Mapping[str, Any], ...]  # of a funnel that is finished, by stage
    runner: Runner | None  # None when nobody runs it
    command: tuple[str, ...]  # of the last session
    stopped: str | None  # why the last session ended, where it could still tell

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
    return Follower(folder).look()


class Follower:
    """Looks at a campaign again and again; reads no receipt and no event twice.

    Raises:
        ConfigError: the folder holds no campaign.
    """

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._setup = open_setup(folder)
        self._stages = [_StageFollower(folder, self._setup, i) for i in range(self.n_stages)]
        self._journal = _Journal(folder)

    @property
    def n_stages(self) -> int:
        """Stages of the campaign."""
        return len(self._setup.stages)

    def look(self) -> Status:
        """How far the campaign is now.

        Raises:
            StoreError: a receipt is broken.
        """
        owner = Lease(self._folder).owner()
        journal = self._journal
        journal.read()
        runner = None
        if owner is not None and not owner.is_free():
            told = journal.started if journal.is_by(owner.host, owner.pid) else {}
            runner = Runner(
                host=owner.host,
                pid=owner.pid,
                last_sign_of_life=owner.last_sign_of_life,
                started=told.get("time"),
                n_workers=journal.n_workers if told else None,
                scheduler=told.get("scheduler"),
                dashboard=told.get("dashboard"),
                memory=dict(journal.memory) if told else {},
                n_tried_again=journal.n_tried_again if told else 0,
                n_workers_lost=journal.n_workers_lost if told else 0,
            )
        stages = []
        for stage in self._stages:
            stage.read()
            begun = journal.stages.get(stage.name)
            stages.append(stage.status(begun, is_running=runner is not None))
        ranking = _ranking(self._folder)
        return Status(
            folder=self._folder.url,
            library=self._setup.library,
            stages=tuple(stages),
            quarantine={each.name: dict(each.quarantine.most_common()) for each in self._stages},
            shortlisted=None if ranking is None else ranking["shortlisted"],
            recall=read_recall(self._folder),
            runner=runner,
            command=tuple(journal.started.get("command", ())),
            stopped=None if runner is not None else journal.stopped,
        )


class _StageFollower:
    """What the receipts of one stage add up to, so far as they have been read."""

    def __init__(self, folder: Folder, setup: Setup, index: int) -> None:
        self.name = setup.stages[index].name
        self.quarantine: Counter[str] = Counter()
        self._folder = folder
        self._setup = setup
        self._index = index
        self._receipts = setup.store(folder, index).receipts
        self._plan: StagePlan | None = None
        self._seen: set[str] = set()
        self._n_units = 0
        self._counts: Counter[str] = Counter()
        self._pace = Pace()

    def read(self) -> None:
        if self._plan is None or self._plan.is_open:
            self._plan = stage_plan(self._folder, self._setup, self._index)
        if self._plan is None or self._n_units >= self._plan.n_units:
            return
        for receipt in self._receipts.all(seen=self._seen):
            self._n_units += 1
            self._counts.update(receipt.counts)
            self.quarantine.update(receipt.details["quarantine"])
            self._pace.add(receipt.details["finished"], receipt.counts["in"])

    def status(self, begun: dict[str, Any] | None, is_running: bool) -> StageStatus:
        """With what the journal says of the last session that began with the stage."""
        plan, n_rows_done = self._plan, self._counts["in"]
        n_rows, n_units = self._setup.n_entering(self._index), None
        if plan is not None:
            n_units = n_units_expected(self._setup, plan)
            n_rows = n_rows if plan.is_open else plan.n_rows
        n_left = n_rows - n_rows_done
        rate = overall = None
        if begun is not None and self._pace.newest is not None:
            since = datetime.fromisoformat(begun["time"]).timestamp()
            seconds = self._pace.newest - since
            if is_running and n_left:
                rate = self._pace.rate(time.time(), since)
            if seconds > 0:
                overall = (n_rows_done - begun["n_rows_done"]) / seconds
        speed = rate or overall
        return StageStatus(
            name=self.name,
            n_units=n_units,
            n_units_done=self._n_units,
            n_rows=n_rows,
            n_rows_done=n_rows_done,
            n_quarantined=self._counts["quarantined"],
            n_out_of_domain=self._counts["out_of_domain"],
            rate=rate,
            rate_overall=overall,
            seconds_left=n_left / speed if speed and is_running else None,
        )


class _Journal:
    """What the journal says of the last session."""

    def __init__(self, folder: Folder) -> None:
        self._reader = JournalReader(folder)
        self.started: dict[str, Any] = {}
        self.stages: dict[str, dict[str, Any]] = {}  # `stage started`, of whatever session
        self.memory: dict[str, int | None] = {}
        self.stopped: str | None = None
        self.n_workers = 0
        self.n_tried_again = 0
        self.n_workers_lost = 0

    def is_by(self, host: str, pid: int) -> bool:
        """Whether the last session is that of this process."""
        return (self.started.get("host"), self.started.get("pid")) == (host, pid)

    def read(self) -> None:
        for event in self._reader.new():
            match event.get("event"):
                case "started":
                    self.started, self.stopped, self.memory = event, None, {}
                    self.n_workers = event["n_workers"]
                    self.n_tried_again = self.n_workers_lost = 0
                case "stage started":
                    self.stages[event["stage"]] = event
                case "memory":
                    self.n_workers = event["n_workers"]
                    self.memory = {
                        name: value for name, value in event.items() if name.endswith("_bytes")
                    }
                case "tried again":
                    self.n_tried_again += 1
                case "worker left":
                    self.n_workers_lost += not event["expected"]
                case "stopped":
                    self.stopped = event["reason"]


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
        following = stage_plan(folder, setup, index + 1)
        passed = 0 if following is None else following.n_rows
    # candidates wait for the choice while there is none
    decided = ranking is not None if last else following is not None and not following.is_open
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
    ranking = provenance.last_ranking(folder)
    if ranking is None:
        return None
    found: dict[str, Any] = folder.read_json(f"rankings/{ranking['digest']}/{RANKING}")
    return found
