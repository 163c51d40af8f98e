"""How many jobs a pool on Slurm should have, and which to give up: decisions, no commands.

A pool of fixed size replaces what ends. One with a minimum and a maximum follows the tasks that are
waiting or running, up at once and down after a while. Jobs that end before a worker of theirs
connects are submitted again more and more rarely.
"""

from dataclasses import dataclass, field
from typing import Literal

from screener.cluster.settings import SlurmPool

IDLE_LOOKS = 6  # so many looks in a row have to find too many jobs
MAX_FAILURES = 3  # in a row
RETRY_SECONDS = 60.0  # after as many; doubles with each further one
MAX_RETRY_SECONDS = 3600.0


@dataclass
class Pool:
    """Jobs that are alike: which there are, and how many there should be."""

    name: str
    resource: Literal["CPU", "GPU"]
    settings: SlurmPool
    jobs: dict[str, bool] = field(default_factory=dict)  # name: whether it has ever connected
    n_failures: int = 0  # in a row
    _retry_at: float = 0.0
    _n_idle_looks: int = 0

    def target(self, n_tasks: int) -> int:
        """Jobs that the pool should have.

        Args:
            n_tasks: that wait for the pool or run there.
        """
        per_job = self.settings.workers_per_job
        if self.settings.workers is not None:
            return -(-self.settings.workers // per_job)
        assert self.settings.minimum is not None
        assert self.settings.maximum is not None
        wanted = min(max(n_tasks, self.settings.minimum), self.settings.maximum)
        return -(-wanted // per_job)

    def n_to_submit(self, n_tasks: int, now: float) -> int:
        """Jobs to submit now; none for a while after failures."""
        if now < self._retry_at:
            return 0
        return max(0, self.target(n_tasks) - len(self.jobs))

    def to_give_up(self, n_tasks: int, busy: set[str]) -> list[str]:
        """Names of jobs to cancel: those that still wait in the queue first, never a busy one."""
        surplus = len(self.jobs) - self.target(n_tasks)
        self._n_idle_looks = self._n_idle_looks + 1 if surplus > 0 else 0
        if self._n_idle_looks < IDLE_LOOKS:
            return []
        idle = sorted(set(self.jobs) - busy, key=lambda name: self.jobs[name])
        return idle[:surplus]

    def saw(self, name: str) -> None:
        """A worker of this job is connected."""
        self.jobs[name] = True
        self.n_failures = 0
        self._retry_at = 0.0

    def ended(self, name: str, now: float) -> bool:
        """Forget a job; returns whether it ended before a worker of it connected."""
        failed = not self.jobs.pop(name)
        if failed:
            self.n_failures += 1
            if self.n_failures >= MAX_FAILURES:
                pause = RETRY_SECONDS * 2.0 ** (self.n_failures - MAX_FAILURES)
                self._retry_at = now + min(pause, MAX_RETRY_SECONDS)
        return failed
