"""A search in a campaign: the stage `2d` is what it chooses from, and workers ask its surrogate.

Every batch is written down before its first task, so a campaign that is resumed goes on with the
batches that are there and chooses the next one as it would have been chosen.
"""

import logging
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
from distributed import Client
from numpy.typing import NDArray

from screener.campaign.driver.events import EventLog
from screener.campaign.results.scores import scores_of
from screener.campaign.results.totals import StageTotals
from screener.campaign.settings.batches import audit_of, is_audit, with_audit
from screener.campaign.settings.stage import Campaign, CampaignStage
from screener.campaign.tasks import surrogate
from screener.campaign.tasks.surrogate import Fitted, SearchJob
from screener.errors import ConfigError
from screener.execution.tasks import Task, run_tasks
from screener.funnel.acquisition import Chooser
from screener.funnel.projection import N_FOR_PROJECTION
from screener.funnel.search import Batch, Search
from screener.ranking.row_status import emptied_by

log = logging.getLogger(__name__)

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


class CampaignSearch:
    """The search of a campaign whose stage `2d` is finished.

    Args:
        stage: whose rows are searched for.
        client: connected.
        drawings: what the receipts of `2d` add up to.
        events: the journal.
    Raises:
        ConfigError: `2d` lets nobody pass, or too few for what the budget is divided into.
    """

    def __init__(
        self, stage: CampaignStage, client: Client, drawings: StageTotals, events: EventLog
    ) -> None:
        setup = stage.setup
        assert setup.funnel is not None
        n_candidates = drawings.counts["candidates"]
        if n_candidates == 0:
            why = emptied_by(drawings.counts, drawings.filtered, setup.acquisition)
            raise ConfigError(f"no molecule is left to search among: {why}")
        self._stage, self._store, self._events = stage, stage.store, events
        job = SearchJob(stage.folder.url, setup.compute_digest)
        segments = _Segments(client, job, stage.campaign)
        if n_candidates < setup.funnel.budget:
            log.warning(
                "%d molecules are left to choose from, fewer than the budget of %d",
                n_candidates,
                setup.funnel.budget,
            )
        self._search = Search(segments, setup.funnel, n_candidates)
        self._batches = list(map(_read, self._store.read_batches()))
        self._n_told = 0

    def rounds(self) -> Iterator[None]:
        """Yields whenever rows are there to be evaluated; they have to be before it goes on."""
        if self._batches:
            yield
        while True:
            self._tell()
            batch = self._search.ask()
            if batch is None:
                return
            number = len(self._batches)
            self._store.write_batch(_table(batch), number)
            self._events.write(
                "batch chosen",
                stage=self._store.stage,
                number=number,
                n_rows=len(batch.rows),
                is_audit=batch.audit is not None,
            )
            self._batches.append(batch)
            yield

    def _tell(self) -> None:
        for batch in self._batches[self._n_told :]:
            scores = scores_of(self._stage, batch.rows)
            self._search.tell(batch, scores)
        self._n_told = len(self._batches)


def _table(batch: Batch) -> pa.Table:
    table = pa.table({"row": pa.array(batch.rows, pa.int64())})
    return table if batch.audit is None else with_audit(table, batch.audit)


def _read(table: pa.Table) -> Batch:
    return Batch(table["row"].to_numpy(), audit_of(table) if is_audit(table) else None)


class _Segments:
    """The candidates (`screener.funnel.search.Candidates`), a task for each segment of `2d`."""

    def __init__(self, client: Client, job: SearchJob, campaign: Campaign) -> None:
        self._client, self._job = client, job
        setup = campaign.setup
        rows_each = setup.stages[0].unit_rows * setup.stages[0].segment_units
        self._starts = range(0, setup.n_rows, rows_each)
        self._rows_each = rows_each
        self._projection: str | None = None
        self._fitted: Fitted | None = None

    def draw(self, n: int) -> IntArray:
        tasks = (
            Task(f"draw-{segment:08d}", surrogate.draw, (self._job, segment, n), "CPU")
            for segment in range(len(self._starts))
        )
        rows, order = np.empty(0, np.int64), np.empty(0)
        for some, keys in self._done(tasks):
            rows, order = np.concatenate([rows, some]), np.concatenate([order, keys])
            first = np.argsort(order, kind="stable")[:n]
            rows, order = rows[first], order[first]
        return rows

    def fit(self, number: int) -> None:
        if self._projection is None:
            sample = self.draw(N_FOR_PROJECTION)
            self._projection = self._alone("project", surrogate.project, sample)
        checksum = self._alone(f"fit-{number:05d}", surrogate.fit, number, self._projection)
        self._fitted = Fitted(number, checksum, self._projection)

    def choose(self, number: int, taken: IntArray, size: int) -> IntArray:
        merged: Chooser | None = None
        for chooser in self._asked("choose", surrogate.choose, taken, size):
            if merged is None:
                merged = chooser
            else:
                merged.merge(chooser)
        if merged is None:
            raise ConfigError("no molecule is left to choose from")
        return merged.rows()

    def gain(self, number: int, rows: IntArray, threshold: float) -> float:
        found: float = self._alone(
            f"gain-{number:05d}", surrogate.gain, self._fitted, np.sort(rows), threshold
        )
        return found

    def promise(self, number: int, taken: IntArray) -> tuple[IntArray, FloatArray]:
        parts = sorted(
            self._asked("promise", surrogate.promise, taken),
            key=lambda part: part[0][0] if len(part[0]) else -1,
        )
        return (
            np.concatenate([rows for rows, _ in parts]),
            np.concatenate([values for _, values in parts]),
        )

    def _asked(
        self, name: str, function: Callable[..., Any], taken: IntArray, *more: Any
    ) -> Iterator[Any]:
        """What each segment answers, in any order."""
        assert self._fitted is not None
        tasks = (
            Task(
                f"{name}-{self._fitted.number:05d}-{segment:08d}",
                function,
                (self._job, self._fitted, segment, self._within(taken, start), *more),
                "CPU",
            )
            for segment, start in enumerate(self._starts)
        )
        return self._done(tasks)

    def _within(self, taken: IntArray, start: int) -> IntArray:
        ends = np.searchsorted(taken, [start, start + self._rows_each])
        return taken[ends[0] : ends[1]]

    def _alone(self, name: str, function: Callable[..., Any], *arguments: Any) -> Any:
        task = Task(name, function, (self._job, *arguments), "CPU")
        (result,) = self._done(iter([task]))
        return result

    def _done(self, tasks: Iterator[Task]) -> Iterator[Any]:
        return (completed.result for completed in run_tasks(self._client, tasks))
