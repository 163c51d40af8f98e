"""Decides how many jobs a pool on Slurm should have, and which to cancel; runs no commands.

A pool of fixed size replaces jobs that ended. A pool with a minimum and a maximum follows the
number of waiting and running tasks: it grows at once and shrinks after a while. Jobs that end
before one of their workers connects have failed; after several failures in a row, the pauses before
the next job become longer and longer.
"""

from dataclasses import dataclass, field
from typing import Literal

from screener.cluster.settings import SlurmPool

IDLE_LOOKS = 6  # a pool shrinks after it had too many jobs at so many looks in a row
MAX_FAILURES = 3  # failures in a row before the first pause
RETRY_SECONDS = 60.0  # the first pause; doubles with each further failure
MAX_RETRY_SECONDS = 3600.0


@dataclass
class Pool:
    """A pool of equal jobs: those it has, and how many it should have."""

    name: str
    resource: Literal["CPU", "GPU"]
    settings: SlurmPool
    jobs: dict[str, bool] = field(default_factory=dict)  # name: whether a worker ever connected
    n_failures: int = 0  # in a row
    _retry_at: float = 0.0
    _n_idle_looks: int = 0

    def target(self, n_tasks: int) -> int:
        """How many jobs the pool should have.

        Args:
            n_tasks: number of tasks that wait for the pool or run in it.
        """
        per_job = self.settings.workers_per_job
        if self.settings.workers is not None:
            return -(-self.settings.workers // per_job)
        assert self.settings.minimum is not None
        assert self.settings.maximum is not None
        wanted = min(max(n_tasks, self.settings.minimum), self.settings.maximum)
        return -(-wanted // per_job)

    def n_to_submit(self, n_tasks: int, now: float) -> int:
        """How many jobs to submit now; none during a pause after failures.

        Args:
            n_tasks: number of tasks that wait for the pool or run in it.
            now: monotonic time, seconds.
        """
        if now < self._retry_at:
            return 0
        return max(0, self.target(n_tasks) - len(self.jobs))

    def to_give_up(self, n_tasks: int, busy: set[str]) -> list[str]:
        """Names of jobs to cancel; those that still wait in the queue come first.

        Args:
            n_tasks: number of tasks that wait for the pool or run in it.
            busy: names of jobs with a worker that has tasks; these are never cancelled.
        """
        surplus = len(self.jobs) - self.target(n_tasks)
        self._n_idle_looks = self._n_idle_looks + 1 if surplus > 0 else 0
        if self._n_idle_looks < IDLE_LOOKS:
            return []
        idle = sorted(set(self.jobs) - busy, key=lambda name: self.jobs[name])
        return idle[:surplus]

    def saw(self, name: str) -> None:
        """Note that a worker of this job is connected."""
        self.jobs[name] = True
        self.n_failures = 0
        self._retry_at = 0.0

    def ended(self, name: str, now: float) -> bool:
        """Drop a job that has ended.

        Args:
            name: name of the job.
            now: monotonic time, seconds.
        Returns:
            whether it failed, which means that it ended before a worker of it connected.
        """
        failed = not self.jobs.pop(name)
        if failed:
            self.n_failures += 1
            if self.n_failures >= MAX_FAILURES:
                pause = RETRY_SECONDS * 2.0 ** (self.n_failures - MAX_FAILURES)
                self._retry_at = now + min(pause, MAX_RETRY_SECONDS)
        return failed
