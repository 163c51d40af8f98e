"""Carry out a campaign: stage after stage on a Dask cluster, then the ranking.

The truth is in the folder. A unit with a receipt is done and everything else is not, so the same
call again, after any kind of end, does what is missing and gives the same shortlist.
"""

import logging
import os
import socket
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from distributed import Client

from screener.campaign.driver.events import EventLog
from screener.campaign.driver.finalists import choose
from screener.campaign.driver.monitor import monitored
from screener.campaign.driver.search import CampaignSearch
from screener.campaign.results.invalidate import forget
from screener.campaign.results.provenance import Session, stage_results, versions
from screener.campaign.results.rank import rank
from screener.campaign.results.recall import tell_recall
from screener.campaign.results.totals import Tally
from screener.campaign.settings.config import CampaignConfig
from screener.campaign.settings.frozen import (
    Setup,
    n_units_expected,
    open_setup,
    stage_plan,
    write_setup,
)
from screener.campaign.settings.plan import StagePlan, Unit, segment_name
from screener.campaign.settings.resolve import require_same, resolve
from screener.campaign.tasks import predict, prefilter
from screener.errors import DamagedError, StoreError
from screener.execution.pools import Pools
from screener.execution.tasks import Completed, Task, ready_first, run_tasks
from screener.records import Receipt
from screener.stores.files import Folder
from screener.stores.lease import Lease
from screener.stores.structures import StructureStore
from screener.structures.missing import Prepared, StructureHints

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a stage is, counted from receipts."""

    stage: str
    index: int  # from 0
    n_stages: int
    n_units: int
    n_units_done: int
    n_rows: int
    n_rows_done: int
    n_quarantined: int
    rate: float | None  # rows per second in this session
    seconds_left: float | None


def run_campaign(
    config: CampaignConfig,
    client: Client,
    *,
    progress: Callable[[Progress], None] | None = None,
    command: Sequence[str] | None = None,
) -> tuple[Folder, Setup]:
    """Run or resume a campaign to its shortlist.

    Args:
        config: what is asked.
        client: connected; its workers see the library and the campaign at the same URLs.
        progress: called after every unit.
        command: what provenance tells as the command.
    Returns:
        the campaign's folder and what it was run with.
    Raises:
        ConfigError: it cannot start as asked; nothing is written.
        StoreError: a file cannot be read or written.
        ScreenerError: workers were lost again and again.
    """
    folder, setup = resolve(config)
    carry_out(folder, setup, client, progress=progress, command=command)
    return folder, setup


def carry_out(
    folder: Folder,
    setup: Setup,
    client: Client,
    *,
    progress: Callable[[Progress], None] | None = None,
    command: Sequence[str] | None = None,
) -> None:
    """Run or resume a campaign that `resolve` has decided; arguments and errors as above."""
    setup.require_writable(folder)
    write_setup(folder, setup)
    frozen = open_setup(folder)
    require_same(folder.url, frozen, setup)  # another client may have been faster
    setup = setup.laid_out_as(frozen)
    told = list(command or sys.argv)
    with _session(folder, setup, client, told) as (lease, events, session):
        is_new = False
        while True:
            try:
                tallies: list[Tally] = []
                for index in range(len(setup.stages)):
                    for run in _rounds(folder, setup, index, tallies, client, events):
                        run.tell_start(events)
                        for receipt in run.carry_out(client):
                            lease.check()
                            is_new = True
                            events.unit(receipt)
                            if progress is not None:
                                progress(run.progress())
                        if progress is not None:
                            progress(run.progress())
                    run.store.sweep()
                    run.tell_end(events)
                    tallies.append(run.tally)
                recall = [] if setup.funnel is None else tell_recall(folder, setup)
                ranking = rank(folder, setup, tallies[-1], changed=is_new)
                break
            except DamagedError as error:
                log.warning("%s; it is made again", error)
                forget(folder, setup, error)
        events.write("ranked", ranking=setup.ranking_digest, shortlisted=ranking["shortlisted"])
        results = {"recall": recall} if recall else {}
        session.write(stages=stage_results(setup, tallies), ranking=ranking, **results)


@contextmanager
def _session(
    folder: Folder, setup: Setup, client: Client, command: list[str]
) -> Iterator[tuple[Lease, EventLog, Session]]:
    """Own the folder, and tell in it who does so with what."""
    threads = client.nthreads()
    with Lease(folder).held() as lease, EventLog(folder) as events:
        session = Session(folder, setup, command, sum(threads.values()))
        session.write()
        if (before := lease.taken_from) is not None:
            events.write(
                "lease taken over",
                level="WARNING",
                host=before.host,
                pid=before.pid,
                last_sign_of_life=before.last_sign_of_life,
            )
        events.write(
            "started",
            command=command,
            host=socket.gethostname(),
            pid=os.getpid(),
            versions=versions(),
            compute=setup.compute_digest,
            ranking=setup.ranking_digest,
            n_workers=len(threads),
            n_threads=sum(threads.values()),
            cluster=None if client.cluster is None else type(client.cluster).__name__,
            scheduler=client.scheduler.address,
            dashboard=client.dashboard_link,
        )
        with monitored(client, events):
            yield lease, events, session


def _rounds(
    folder: Folder,
    setup: Setup,
    index: int,
    before: list[Tally],
    client: Client,
    events: EventLog,
) -> Iterator["StageRun"]:
    """A stage to be carried out: once, or as often as a search has chosen more of its rows."""
    if setup.is_searched(index):
        search = CampaignSearch(folder, setup, client, before[-1], events)
        for _ in search.rounds():
            yield StageRun(folder, setup, index)
        return
    if index > 0:
        choose(folder, setup, index, before[-1].top.entries)
    yield StageRun(folder, setup, index)


class StageRun:
    """One stage being carried out: what is done, what is left, what it adds up to.

    What is remembered of a unit is a bit, and of a segment a number.
    """

    def __init__(self, folder: Folder, setup: Setup, index: int) -> None:
        self.store = setup.store(folder, index)
        self.tally = Tally(setup.k(index))
        plan = stage_plan(folder, setup, index)
        if plan is None:
            raise StoreError(f"the rows of stage {self.store.stage} are not chosen yet")
        self._plan: StagePlan = plan
        self._setup = setup
        self._index = index
        self._job = setup.job(folder, index)
        self._done = np.zeros(plan.n_units, dtype=bool)
        # units to go before a segment can be joined; the last, smaller one never is
        self._to_join = np.full(plan.n_units // plan.segment_units, plan.segment_units)
        self._again: set[int] = set()  # counted already, and to be done again: damaged files
        self._ready: deque[Task] = deque()  # what follows from what is done, before new units
        for receipt in self.store.receipts.all(forget_broken=True):
            self._add(receipt)
        for name in self.store.receipts.joined():
            self._to_join[int(name)] = -1
        for number in np.flatnonzero(self._to_join == 0).tolist():
            self._ready.append(self._join(number))
        self._started = time.monotonic()
        self._n_rows_before = self.tally.counts["in"]

    def tell_start(self, events: EventLog) -> None:
        """Write down where this session begins with the stage, if anything is left of it."""
        if self.tally.n_units < self._plan.n_units:
            events.write(
                "stage started",
                stage=self.store.stage,
                n_units=self._plan.n_units,
                n_rows=self._plan.n_rows,
                n_units_done=self.tally.n_units,
                n_rows_done=self._n_rows_before,
            )

    def tell_end(self, events: EventLog) -> None:
        """Write down what the stage adds up to."""
        events.tell_units()
        events.write(
            "stage finished",
            stage=self.store.stage,
            counts=dict(self.tally.counts),
            quarantine=dict(self.tally.quarantine),
        )

    def _add(self, receipt: Receipt) -> bool:
        """Count a unit; False where it was counted before."""
        index = receipt.details["index"]
        is_new = not self._done[index]
        if is_new:
            self._done[index] = True
            self.tally.add(receipt)
        if is_new or index in self._again:
            self._again.discard(index)
            number = self._plan.segment_of(index)
            if number < len(self._to_join):
                self._to_join[number] -= 1
        return is_new

    def _join(self, number: int) -> Task:
        units = tuple(unit.name for unit in self._plan.segment(number))
        arguments = (self._job, segment_name(number), units)
        return Task(f"join-{self.store.stage}-{number:08d}", predict.join, arguments, "CPU")

    def carry_out(self, client: Client) -> Iterator[Receipt]:
        """Do the units that have no receipt; yields each as it is done, in any order."""
        if self._done.all() and not self._ready:
            return
        pools = Pools(client, patience_seconds=0.0)
        pools.refresh(())
        split = "GPU" in pools.names()
        waiting = self._tasks(split)
        while True:
            # run_tasks ends when this iterator does, and what is still under way then may lead to
            # more; one more round does that
            for completed in run_tasks(client, ready_first(self._ready, waiting)):
                receipt = self._take(completed, split)
                if receipt is not None and self._add(receipt):
                    yield receipt
                if receipt is not None:
                    self._join_if_done(self._plan.segment_of(receipt.details["index"]))
            if not self._ready:
                return

    def _join_if_done(self, number: int) -> None:
        if number < len(self._to_join) and self._to_join[number] == 0:
            self._to_join[number] = -1
            self._ready.append(self._join(number))

    def _tasks(self, split: bool) -> Iterator[Task]:
        if self._done.all():
            return
        hints = self._hints()
        for unit in self._plan.units():
            if not self._done[unit.index]:
                yield self._task(unit, hints.touching(unit.runs), split)

    def _hints(self) -> StructureHints:
        if self._job.geometry is None:
            return StructureHints.of(())
        return StructureHints.of(StructureStore(Folder(self._job.structures)).receipts.all())

    def _task(self, unit: Unit, there: tuple[str, ...], split: bool) -> Task:
        name = f"{self.store.stage}-{unit.name[:12]}"
        if self._job.geometry is None:
            return Task(name, prefilter.screen, (self._job, unit), "CPU")
        if split:
            return Task(f"structures-{name}", predict.prepare, (self._job, unit, there), "CPU")
        arguments = (self._job, unit, there, self.tally.floor)
        return Task(name, predict.run_unit, arguments, "CPU")

    def _take(self, completed: Completed, split: bool) -> Receipt | None:
        """The receipt of a finished unit; None where the task was another step."""
        result: Any = completed.result
        if isinstance(result, Receipt):
            return result
        if isinstance(result, Prepared):
            job, unit, _ = completed.task.arguments
            name = completed.task.name.removeprefix("structures-")
            arguments = (job, unit, result, self.tally.floor)
            self._ready.append(Task(f"predictions-{name}", predict.predict, arguments, "GPU"))
            return None
        _, segment, _ = completed.task.arguments
        if damaged := set(result):
            units = [unit for unit in self._plan.segment(int(segment)) if unit.name in damaged]
            self._to_join[int(segment)] = len(units)
            self._again.update(unit.index for unit in units)
            hints = self._hints()
            self._ready.extend(self._task(unit, hints.touching(unit.runs), split) for unit in units)
        return None

    def progress(self) -> Progress:
        """How far the stage is now."""
        n_rows_done = self.tally.counts["in"]
        seconds = time.monotonic() - self._started
        n_rows_here = n_rows_done - self._n_rows_before
        rate = n_rows_here / seconds if n_rows_here and seconds > 0 else None
        n_rows = self._plan.n_rows
        if self._plan.is_open:
            n_rows = self._setup.n_entering(self._index)
        left = (n_rows - n_rows_done) / rate if rate else None
        return Progress(
            stage=self.store.stage,
            index=self._index,
            n_stages=len(self._setup.stages),
            n_units=n_units_expected(self._setup, self._plan),
            n_units_done=self.tally.n_units,
            n_rows=n_rows,
            n_rows_done=n_rows_done,
            n_quarantined=self.tally.counts["quarantined"],
            rate=rate,
            seconds_left=left,
        )
