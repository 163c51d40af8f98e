"""How far a campaign is.

Read from the folder alone: receipts, batches, the journal, the lease and the current ranking.
Nothing is locked: it can be asked while the campaign runs, on any machine.
"""

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from screener.campaign.results.provenance import read_ranking
from screener.campaign.results.recall import read_recall
from screener.campaign.results.throughput import Throughput
from screener.campaign.settings.plan import StagePlan
from screener.campaign.settings.stage import Campaign, CampaignStage
from screener.stores.files import Folder
from screener.stores.journal import JournalReader
from screener.stores.lease import Lease
from screener.stores.receipt_sums import sums_of


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
        self._campaign = Campaign.open(folder)
        self._stages = [_StageFollower(stage) for stage in self._campaign.stages]
        self._journal = _Journal(folder)

    @property
    def n_stages(self) -> int:
        """Stages of the campaign."""
        return len(self._stages)

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
            started = journal.started if journal.is_by(owner.host, owner.pid) else {}
            runner = Runner(
                host=owner.host,
                pid=owner.pid,
                last_sign_of_life=owner.last_sign_of_life,
                started=started.get("time"),
                n_workers=journal.n_workers if started else None,
                scheduler=started.get("scheduler"),
                dashboard=started.get("dashboard"),
                memory=dict(journal.memory) if started else {},
                n_tried_again=journal.n_tried_again if started else 0,
                n_workers_lost=journal.n_workers_lost if started else 0,
            )
        stages = []
        for stage in self._stages:
            stage.read()
            begun = journal.stages.get(stage.name)
            stages.append(stage.status(begun, is_running=runner is not None))
        ranking = read_ranking(self._folder)
        return Status(
            folder=self._folder.url,
            library=self._campaign.setup.library,
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

    def __init__(self, stage: CampaignStage) -> None:
        self.name = stage.name
        self.quarantine: Counter[str] = Counter()
        self._stage = stage
        self._receipts = stage.store.receipts
        self._plan: StagePlan | None = None
        self._seen: set[str] = set()
        self._n_units = 0
        self._counts: Counter[str] = Counter()
        self._throughput = Throughput()

    def read(self) -> None:
        if self._plan is None or self._plan.is_open:
            self._plan = self._stage.read_plan()
        if self._plan is None or self._n_units >= self._plan.n_units:
            return
        for sums in sums_of(self._receipts, self._seen):
            self._n_units += len(sums.units)
            self._counts.update(sums.counts)
            self.quarantine.update(sums.quarantine)
            for finished, n_rows in zip(sums.finished, sums.n_in, strict=True):
                self._throughput.add(finished, n_rows)

    def status(self, begun: dict[str, Any] | None, is_running: bool) -> StageStatus:
        """With what the journal says of the last session that began with the stage."""
        plan, n_rows_done = self._plan, self._counts["in"]
        n_rows, n_units = self._stage.n_entering, None
        if plan is not None:
            n_units = self._stage.n_units_expected(plan)
            n_rows = n_rows if plan.is_open else plan.n_rows
        n_left = n_rows - n_rows_done
        rate = overall = None
        if begun is not None and self._throughput.newest is not None:
            since = datetime.fromisoformat(begun["time"]).timestamp()
            seconds = self._throughput.newest - since
            if is_running and n_left:
                rate = self._throughput.rate(time.time(), since)
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
