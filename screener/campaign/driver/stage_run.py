"""One stage while it is carried out: what is done, what is left, what it adds up to.

Units without a receipt become tasks, and the units of a segment whose last receipt has come are
compacted. What is remembered of a unit is a bit, and of a segment a number.
"""

import logging
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from distributed import Client

from screener.campaign.driver.events import EventLog
from screener.campaign.results.totals import StageTotals
from screener.campaign.settings.plan import Unit, segment_name
from screener.campaign.settings.stage import CampaignStage
from screener.campaign.tasks import predict, prefilter
from screener.execution.pools import Pools
from screener.execution.tasks import Completed, Task, ready_first, run_tasks
from screener.records import Receipt
from screener.stores.files import Folder
from screener.stores.structures import StructureStore
from screener.structures.convert import former_digest
from screener.structures.index_tasks import on, update_index
from screener.structures.make import Prepared
from screener.structures.recipe_store import write_about

log = logging.getLogger(__name__)

_IS_COMPACTED = -1  # in place of the number of units that a segment waits for


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


class StageRun:
    """One stage being carried out.

    Args:
        stage: whose rows are chosen, or the first of them where they are searched for.
    Raises:
        StoreError: none of its rows is chosen yet.
    """

    def __init__(self, stage: CampaignStage) -> None:
        self.stage = stage
        self.store = stage.store
        self.totals = StageTotals(stage.k)
        self._job = stage.job
        self._plan = stage.plan
        self._done = np.zeros(0, dtype=bool)
        # units that are missing before a segment can be compacted; the last, smaller one never is
        self._n_missing = np.zeros(0, dtype=np.int64)
        self._make_room()
        self._repeated: set[int] = set()  # counted already, and done again: their files are damaged
        self._ready: deque[Task] = deque()  # what follows from what is done, before new units
        self._has_index = stage.is_drawn  # of the structures that are there
        for receipt in self.store.receipts.all(invalidate_broken=True):
            self._add(receipt)
        for name in self.store.receipts.compacted():
            self._n_missing[int(name)] = _IS_COMPACTED
        for number in np.flatnonzero(self._n_missing == 0).tolist():
            self._ready.append(self._compaction(number))
        self._begin()

    def take_new_batches(self) -> None:
        """Go on with the rows that a search has chosen since; what is done is not read again."""
        self._plan = self.stage.plan
        self._make_room()
        self._begin()

    def _begin(self) -> None:
        self._started = time.monotonic()
        self._n_rows_before = self.totals.counts["in"]

    def _make_room(self) -> None:
        """Room for the units and segments that the plan has by now."""
        plan = self._plan
        done = np.zeros(plan.n_units, dtype=bool)
        done[: len(self._done)] = self._done
        self._done = done
        size = plan.segment_units
        n_before, n_segments = len(self._n_missing), plan.n_units // size
        whole = done[n_before * size : n_segments * size].reshape(-1, size)
        self._n_missing = np.concatenate([self._n_missing, size - whole.sum(axis=1)])

    def tell_start(self, events: EventLog) -> None:
        """Write down where this session begins with the stage, if anything is left of it."""
        if self.totals.n_units < self._plan.n_units:
            events.write(
                "stage started",
                stage=self.stage.name,
                n_units=self._plan.n_units,
                n_rows=self._plan.n_rows,
                n_units_done=self.totals.n_units,
                n_rows_done=self._n_rows_before,
            )

    def tell_end(self, events: EventLog) -> None:
        """Write down what the stage adds up to."""
        events.tell_units()
        events.write(
            "stage finished",
            stage=self.stage.name,
            counts=dict(self.totals.counts),
            quarantine=dict(self.totals.quarantine),
        )

    def _add(self, receipt: Receipt) -> bool:
        """Count a unit; False where it was counted before."""
        index = receipt.details["index"]
        is_new = not self._done[index]
        if is_new:
            self._done[index] = True
            self.totals.add(receipt)
        if is_new or index in self._repeated:
            self._repeated.discard(index)
            number = self._plan.segment_of(index)
            if number < len(self._n_missing):
                self._n_missing[number] -= 1
        return is_new

    def _compaction(self, number: int) -> Task:
        units = tuple(unit.name for unit in self._plan.segment(number))
        arguments = (self._job, segment_name(number), units)
        return Task(f"compact-{self.stage.name}-{number:08d}", predict.compact, arguments, "CPU")

    def carry_out(self, client: Client) -> Iterator[Receipt]:
        """Do the units that have no receipt; yields each as it is done, in any order."""
        if self._done.all() and not self._ready:
            return
        pools = Pools(client, patience_seconds=0.0)
        pools.refresh(())
        split = "GPU" in pools.names()
        self._update_index(client)
        waiting = self._tasks(split)
        while True:
            # run_tasks ends when this iterator does, and what is still under way then may lead to
            # more; one more round does that
            for completed in run_tasks(client, ready_first(self._ready, waiting)):
                receipt = self._take(completed, split)
                if receipt is not None and self._add(receipt):
                    yield receipt
                if receipt is not None:
                    self._compact_if_done(self._plan.segment_of(receipt.details["index"]))
            if not self._ready:
                return

    def _update_index(self, client: Client) -> None:
        """Have tasks find the structures that others made; once, since a search chooses rows of
        which it has made none."""
        if self._has_index or self._done.all():
            return
        setup = self.stage.setup
        former = former_digest(setup.library_digest, self.stage.recipe)
        if Folder(setup.library).exists(f"structures/{former}"):
            log.warning(
                "the library has structures of an earlier version for stage %s, which are not used "
                "as they are; screener library convert %s --campaign %s makes them usable",
                self.stage.name,
                setup.library,
                self.stage.folder.url,
            )
        store = StructureStore(self.stage.structures)
        write_about(self.stage.recipe, store)
        update_index(on(client), store)
        self._has_index = True

    def _compact_if_done(self, number: int) -> None:
        if number < len(self._n_missing) and self._n_missing[number] == 0:
            self._n_missing[number] = _IS_COMPACTED
            self._ready.append(self._compaction(number))

    def _tasks(self, split: bool) -> Iterator[Task]:
        if self._done.all():
            return
        for unit in self._plan.units(np.flatnonzero(~self._done).tolist()):
            yield self._task(unit, split)

    def _task(self, unit: Unit, split: bool) -> Task:
        name = f"{self.stage.name}-{unit.name[:12]}"
        if self.stage.is_drawn:
            return Task(name, prefilter.screen, (self._job, unit), "CPU")
        if split:
            return Task(f"structures-{name}", predict.prepare, (self._job, unit), "CPU")
        arguments = (self._job, unit, self.totals.floor)
        return Task(name, predict.run_unit, arguments, "CPU")

    def _take(self, completed: Completed, split: bool) -> Receipt | None:
        """The receipt of a finished unit; None where the task was another step."""
        result: Any = completed.result
        if isinstance(result, Receipt):
            return result
        if isinstance(result, Prepared):
            job, unit = completed.task.arguments
            name = completed.task.name.removeprefix("structures-")
            arguments = (job, unit, result, self.totals.floor)
            self._ready.append(Task(f"predictions-{name}", predict.predict, arguments, "GPU"))
            return None
        _, segment, _ = completed.task.arguments
        if damaged := set(result):
            units = [unit for unit in self._plan.segment(int(segment)) if unit.name in damaged]
            self._n_missing[int(segment)] = len(units)
            self._repeated.update(unit.index for unit in units)
            self._ready.extend(self._task(unit, split) for unit in units)
        return None

    def progress(self) -> Progress:
        """How far the stage is now."""
        n_rows_done = self.totals.counts["in"]
        seconds = time.monotonic() - self._started
        n_rows_here = n_rows_done - self._n_rows_before
        rate = n_rows_here / seconds if n_rows_here and seconds > 0 else None
        n_rows = self.stage.n_entering if self._plan.is_open else self._plan.n_rows
        left = (n_rows - n_rows_done) / rate if rate else None
        return Progress(
            stage=self.stage.name,
            index=self.stage.index,
            n_stages=len(self.stage.setup.stages),
            n_units=self.stage.n_units_expected(self._plan),
            n_units_done=self.totals.n_units,
            n_rows=n_rows,
            n_rows_done=n_rows_done,
            n_quarantined=self.totals.counts["quarantined"],
            rate=rate,
            seconds_left=left,
        )
