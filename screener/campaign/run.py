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

import pyarrow as pa
from distributed import Client

from screener.campaign import work
from screener.campaign.config import CampaignConfig
from screener.campaign.events import EventLog
from screener.campaign.monitor import monitored
from screener.campaign.plan import StagePlan
from screener.campaign.provenance import Session, stage_results, versions
from screener.campaign.rank import rank
from screener.campaign.resolve import require_same, resolve
from screener.campaign.setup import Setup, open_setup, stage_plan, write_setup
from screener.campaign.structures import StructureHints
from screener.campaign.tally import Tally
from screener.errors import StoreError
from screener.execution.pools import Pools
from screener.execution.tasks import Completed, Task, run_tasks
from screener.records import Receipt
from screener.stores.files import Folder
from screener.stores.lease import Lease
from screener.stores.structures import StructureStore

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
    require_same(folder.url, open_setup(folder), setup)  # another client may have been faster
    told = list(command or sys.argv)
    with _session(folder, setup, client, told) as (lease, events, session):
        tallies: list[Tally] = []
        n_done = 0
        for index in range(len(setup.stages)):
            if index > 0:
                _choose(folder, setup, index, tallies[-1])
            run = StageRun(folder, setup, index)
            run.tell_start(events)
            for receipt in run.carry_out(client):
                lease.check()
                n_done += 1
                events.unit(receipt)
                if progress is not None:
                    progress(run.progress())
            run.store.sweep(run.tally.n_files)
            tallies.append(run.tally)
            if progress is not None:
                progress(run.progress())
            events.tell_units()
            events.write(
                "stage finished",
                stage=run.store.stage,
                counts=dict(run.tally.counts),
                quarantine=dict(run.tally.quarantine),
            )
        ranking = rank(folder, setup, tallies[-1], changed=n_done > 0)
        events.write("ranked", ranking=setup.ranking_digest, shortlisted=ranking["shortlisted"])
        session.write(stages=stage_results(setup, tallies), ranking=ranking)


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


def _choose(folder: Folder, setup: Setup, index: int, before: Tally) -> None:
    """Write down the rows that enter a stage, unless they were chosen already."""
    store = setup.store(folder, index)
    if store.read_batch() is not None:
        return
    entries = before.top.entries
    store.write_batch(
        pa.table(
            {
                "row": pa.array([entry.row for entry in entries], pa.int64()),
                "mol_id": pa.array([entry.mol_id for entry in entries], pa.string()),
                "score": pa.array([entry.score for entry in entries], pa.float64()),
            }
        )
    )
    log.info("%d rows enter stage %s", len(entries), store.stage)


class StageRun:
    """One stage being carried out: what is done, what is left, what it adds up to."""

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
        self._done: set[str] = set()
        for receipt in self.store.receipts.all():
            self._add(receipt)
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

    def _add(self, receipt: Receipt) -> bool:
        if receipt.unit in self._done:
            return False
        self._done.add(receipt.unit)
        self.tally.add(receipt)
        return True

    def carry_out(self, client: Client) -> Iterator[Receipt]:
        """Do the units that have no receipt; yields each as it is done, in any order."""
        if len(self._done) >= self._plan.n_units:
            return
        pools = Pools(client, patience_seconds=0.0)
        pools.refresh(())
        split = "GPU" in pools.names()
        ready: deque[Task] = deque()  # predictions whose structures are there
        waiting = self._tasks(split)
        while True:
            # run_tasks ends when this iterator does, and structures still under way then lead to
            # more predictions: one more round does those
            for completed in run_tasks(client, _first(ready, waiting)):
                receipt = self._take(completed, ready)
                if receipt is not None and self._add(receipt):
                    yield receipt
            if not ready:
                return

    def _tasks(self, split: bool) -> Iterator[Task]:
        store = StructureStore(self._setup.structures(self._setup.stages[self._index]))
        hints = StructureHints.of(store.receipts.all())
        for unit in self._plan.units():
            if unit.name in self._done:
                continue
            name = f"{self.store.stage}-{unit.name[:12]}"
            there = hints.touching(unit.runs)
            if split:
                yield Task(f"structures-{name}", work.prepare, (self._job, unit, there), "CPU")
            else:
                arguments = (self._job, unit, there, self.tally.floor)
                yield Task(name, work.run_unit, arguments, "CPU")

    def _take(self, completed: Completed, ready: deque[Task]) -> Receipt | None:
        """The receipt of a finished unit; None where its predictions are still to be made."""
        result: Any = completed.result
        if isinstance(result, Receipt):
            return result
        job, unit, _ = completed.task.arguments
        name = completed.task.name.removeprefix("structures-")
        arguments = (job, unit, result, self.tally.floor)
        ready.append(Task(f"predictions-{name}", work.predict, arguments, "GPU"))
        return None

    def progress(self) -> Progress:
        """How far the stage is now."""
        n_rows_done = self.tally.counts["in"]
        seconds = time.monotonic() - self._started
        n_rows_here = n_rows_done - self._n_rows_before
        rate = n_rows_here / seconds if n_rows_here and seconds > 0 else None
        left = (self._plan.n_rows - n_rows_done) / rate if rate else None
        return Progress(
            stage=self.store.stage,
            index=self._index,
            n_stages=len(self._setup.stages),
            n_units=self._plan.n_units,
            n_units_done=self.tally.n_units,
            n_rows=self._plan.n_rows,
            n_rows_done=n_rows_done,
            n_quarantined=self.tally.counts["quarantined"],
            rate=rate,
            seconds_left=left,
        )


def _first(ready: deque[Task], waiting: Iterator[Task]) -> Iterator[Task]:
    """Tasks that are ready before new ones, so that structures do not pile up."""
    while True:
        if ready:
            yield ready.popleft()
        elif (task := next(waiting, None)) is not None:
            yield task
        else:
            return
