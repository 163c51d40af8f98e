"""A bounded window of tasks in flight on a Dask cluster.

Tasks are taken from an iterator only when there is room for them, and their results are handed on
and released at once. The memory of client and scheduler therefore does not grow with the number of
tasks, and when a worker dies, Dask suspects only the few tasks that were queued on it.

A task that is lost with a worker or a connection is submitted again. An exception that the task
itself raises is raised here. A worker that hangs cannot be told from one that is busy; so when no
other task is left to start and one takes far longer than all others, it is started on another
worker as well. The first of the two to end counts, and the worker that was late is restarted.
"""

import logging
import time
import uuid
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any

import dask
from dask.utils import parse_timedelta
from distributed import Client, Future, KilledWorker
from distributed.comm import CommClosedError
from distributed.scheduler import NoValidWorkerError

from screener.errors import ScreenerError
from screener.execution.pools import Pools, Resource
from screener.execution.scheduler_spans import forget_submissions
from screener.waiting import Wait

log = logging.getLogger(__name__)

MAX_ATTEMPTS = 3
TICK_SECONDS = 0.5
GATHER_SECONDS = 10.0  # results are small; longer means that the worker which holds it is gone
RECONNECT_SECONDS = 10.0
RESTART_SECONDS = 30.0
FORGET_EVERY = 2000  # tasks; the scheduler keeps about half a kilobyte of each
NO_WORKERS_SECONDS = 300.0
# a task is late once it has taken this many seconds, and this many times the longest so far
LATE_SECONDS = 30.0
LATE_FACTOR = 3.0

_INFRASTRUCTURE = (
    KilledWorker,
    NoValidWorkerError,
    CommClosedError,
    ConnectionError,
    TimeoutError,
    CancelledError,
)


@dataclass(frozen=True, slots=True)
class Task:
    """One call of an importable function on a worker; running it twice must be harmless."""

    name: str  # shown on the dashboard and in errors
    function: Callable[..., Any]
    arguments: tuple[Any, ...] = ()
    resource: Resource | None = None  # the pool that it needs once workers declare pools


@dataclass(frozen=True, slots=True)
class Completed:
    """A task and what its function returned."""

    task: Task
    result: Any


@dataclass(frozen=True, slots=True)
class _Attempt:
    task: Task
    number: int
    pool: Resource | None
    future: Future
    started: float  # when it was submitted
    is_second: bool = False  # whether an earlier attempt at the same task is still running


def run_tasks(
    client: Client,
    tasks: Iterable[Task],
    *,
    window_per_slot: int = 3,
    wait_for_workers_seconds: float | None = None,
) -> Iterator[Completed]:
    """Carry out tasks, at most `window_per_slot` in flight per worker thread.

    Args:
        client: a connected, synchronous client.
        tasks: the tasks, taken one by one as there is room; may be endless.
        window_per_slot: tasks in flight per thread of the pool that they need.
        wait_for_workers_seconds: how long a pool that is needed may be without a worker; by default
            Dask's own `no-workers-timeout`, which clusters with queues set to days.
    Yields:
        the completed tasks, in order of completion. Closing the generator cancels those in flight.
    Raises:
        ConfigError: a pool that is needed had no worker for too long.
        ScreenerError: the scheduler is lost, or a task was lost with its worker several times.
        Exception: whatever a task's function raises.
    """
    if wait_for_workers_seconds is None:
        said = dask.config.get("distributed.scheduler.no-workers-timeout")
        wait_for_workers_seconds = parse_timedelta(said) if said else NO_WORKERS_SECONDS
    window = _Window(client, iter(tasks), window_per_slot, wait_for_workers_seconds)
    try:
        while window.fill():
            if completed := window.next():
                yield completed
                window.goes_on()
            else:
                window.tell_if_due()
    finally:
        window.cancel()


def ready_first(ready: deque[Task], waiting: Iterator[Task]) -> Iterator[Task]:
    """Tasks for `run_tasks` in two steps, where the end of a first task makes a second one ready.

    Second tasks go before new first ones, so that finished first steps do not pile up: while the
    pool of the second step is full, `run_tasks` holds the next second task and starts nothing new.

    Args:
        ready: second tasks; the caller appends to it whenever a first task ends.
        waiting: first tasks.
    Yields:
        the next task; the iterator ends once both are empty.
    """
    while True:
        if ready:
            yield ready.popleft()
        elif (task := next(waiting, None)) is not None:
            yield task
        else:
            return


class _Window:
    def __init__(
        self, client: Client, tasks: Iterator[Task], per_slot: int, patience_seconds: float
    ) -> None:
        self._client = client
        self._tasks = tasks
        self._per_slot = per_slot
        self._pools = Pools(client, patience_seconds)
        self._held: Task | None = None  # taken from `tasks`, but its pool turned out to be full
        self._flying: dict[str, _Attempt] = {}
        self._in_flight: Counter[Resource | None] = Counter()
        self._done: SimpleQueue[tuple[Future, float]] = SimpleQueue()  # with the time of the end
        self._longest = 0.0  # seconds from submission to result
        self._next_look = 0.0  # for late tasks
        self._n_submitted = 0
        self._wait = Wait(
            "the next task to end",
            "Large molecules take minutes; a worker that died is replaced, and one that hangs gets "
            "its task taken away.",
        )

    def goes_on(self) -> None:
        """Wait for the next task from now on; what the caller did meanwhile does not count."""
        self._wait.begin()

    def tell_if_due(self) -> None:
        """Give a notice where no task has ended for long, and for longer than any has taken."""
        if not self._wait.is_long or self._wait.seconds < self._longest:
            return
        if not self._flying or not self._pools.are_complete:  # pools tell of themselves
            return
        oldest = min(self._flying.values(), key=lambda attempt: attempt.started)
        n_workers = len(self._pools.workers(None))
        self._wait.tell_if_due(
            f"{len(self._flying)} are with {n_workers} workers, {oldest.task.name} for "
            f"{time.monotonic() - oldest.started:.0f} s; dashboard {self._client.dashboard_link}"
        )

    def fill(self) -> bool:
        """Submit until the window is full; False when nothing is left to do or to wait for."""
        self._require_client()
        wanted = {attempt.task.resource for attempt in self._flying.values()}
        if self._pull():
            assert self._held is not None
            wanted.add(self._held.resource)
        self._pools.refresh(wanted)
        while self._pull():
            assert self._held is not None
            if not self._has_room(self._pools.of(self._held.resource)):
                break
            self._submit(self._held, 1)
            self._held = None
        if self._held is None and self._flying:
            self._repeat_late()
        return bool(self._flying) or self._held is not None

    def _pull(self) -> bool:
        """Hold the next task, unless every pool is full anyway; False when none is held."""
        if self._held is None and not (self._flying and self._is_full()):
            self._held = next(self._tasks, None)
        return self._held is not None

    def _has_room(self, pool: Resource | None) -> bool:
        return self._in_flight[pool] < self._per_slot * self._pools.slots(pool)

    def _is_full(self) -> bool:
        return not any(map(self._has_room, self._pools.names()))

    def next(self) -> Completed | None:
        """Wait a moment for one task; None if none has ended yet or it needs another attempt."""
        try:
            future, ended = self._done.get(timeout=TICK_SECONDS)
        except Empty:
            return None
        attempt = self._flying.pop(future.key, None)
        if attempt is None:  # another attempt at the same task was faster
            return None
        self._in_flight[attempt.pool] -= 1
        others = [each for each in self._flying.values() if each.task is attempt.task]
        try:
            result = future.result(timeout=GATHER_SECONDS)
        except _INFRASTRUCTURE as error:
            if not others:
                self._again(attempt, error)
            return None
        finally:
            future.release()
        if others:
            self._give_up(others)
        self._longest = max(self._longest, ended - attempt.started)
        return Completed(attempt.task, result)

    def _again(self, attempt: _Attempt, error: Exception) -> None:
        reason = f"{type(error).__name__}: {error}"
        if attempt.number == MAX_ATTEMPTS:
            raise ScreenerError(
                f"task {attempt.task.name} was lost {MAX_ATTEMPTS} times, last by {reason}. "
                "Look at the workers' logs (memory, walltime, node failures), then run the same "
                "command again: what is done is kept"
            ) from error
        self._require_client()
        fields = {"task": attempt.task.name, "attempt": attempt.number + 1, "reason": reason}
        log.warning(
            *("task %s is submitted again after %s", attempt.task.name, reason),
            extra={"event": "tried again", "fields": fields},
        )
        self._submit(attempt.task, attempt.number + 1)

    def _give_up(self, attempts: list[_Attempt]) -> None:
        """Cancel the other attempts at a task that is done, and restart workers late with it."""
        placed = self._client.processing().items()
        late = {attempt.future.key for attempt in attempts if not attempt.is_second}
        hanging = [address for address, keys in placed if late.intersection(keys)]
        for attempt in attempts:
            self._flying.pop(attempt.future.key)
            self._in_flight[attempt.pool] -= 1
            attempt.future.cancel()
        if hanging:
            log.warning("workers that may hang are started again: %s", ", ".join(hanging))
            # a worker without a nanny cannot be restarted and stays as it is
            with suppress(ValueError, OSError):
                self._client.restart_workers(
                    hanging, timeout=RESTART_SECONDS, raise_for_error=False
                )

    def _repeat_late(self) -> None:
        """Start late tasks a second time; called when no other task is left to start."""
        now = time.monotonic()
        if now < self._next_look:
            return
        self._next_look = now + TICK_SECONDS
        limit = max(LATE_SECONDS, LATE_FACTOR * self._longest)
        late = [each for each in self._flying.values() if now - each.started > limit]
        twice = {id(each.task) for each in self._flying.values() if each.is_second}
        for attempt in late:
            elsewhere = self._elsewhere(attempt)
            if id(attempt.task) in twice or not elsewhere or not self._has_room(attempt.pool):
                continue
            log.warning(
                "task %s has taken %.0f s, the longest of the others %.0f s: it is started on "
                "another worker as well",
                attempt.task.name,
                now - attempt.started,
                self._longest,
            )
            self._submit(attempt.task, attempt.number, elsewhere)

    def _elsewhere(self, late: _Attempt) -> list[str]:
        """The workers of its pool, except the one that the late attempt runs on."""
        placed = self._client.processing().items()
        its_own = {address for address, keys in placed if late.future.key in keys}
        return [each for each in self._pools.workers(late.pool) if each not in its_own]

    def _submit(self, task: Task, number: int, elsewhere: list[str] | None = None) -> None:
        pool = self._pools.of(task.resource)
        future = self._client.submit(
            task.function,
            *task.arguments,
            key=f"{task.name}-{uuid.uuid4().hex}",  # a new key, so that Dask reuses no older result
            pure=False,
            resources={pool: 1} if pool is not None else None,
            workers=elsewhere,
            allow_other_workers=elsewhere is not None,
        )
        self._flying[future.key] = _Attempt(
            task, number, pool, future, time.monotonic(), is_second=elsewhere is not None
        )
        self._in_flight[pool] += 1
        self._n_submitted += 1
        if self._n_submitted % FORGET_EVERY == 0:
            forget_submissions(self._client)
        future.add_done_callback(lambda done: self._done.put((done, time.monotonic())))

    def _require_client(self) -> None:
        """Wait a moment for a lost connection to come back.

        Raises:
            ScreenerError: it did not come back.
        """
        deadline = time.monotonic() + RECONNECT_SECONDS
        while self._client.status == "connecting" and time.monotonic() < deadline:
            time.sleep(0.1)
        if self._client.status != "running":
            raise ScreenerError(
                "the connection to the Dask scheduler is lost. Once a scheduler runs again, "
                "run the same command: what is done is kept"
            )

    def cancel(self) -> None:
        """Cancel all tasks in flight; functions that have begun run to their end on the workers,
        and their results are dropped."""
        futures = [attempt.future for attempt in self._flying.values()]
        self._flying.clear()
        if futures and self._client.status == "running":
            # if the scheduler is gone too, the error that is being raised already matters more
            with suppress(OSError, CancelledError):
                self._client.cancel(futures)
