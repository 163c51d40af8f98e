"""Pools of workers: which workers a task may use, how many slots they have, which are missing.

Workers may declare the resources `CPU` and `GPU`. Once any worker declares `GPU`, each task is sent
to the pool of workers that declare what the task asks for, and if that pool has no worker yet, it
is waited for, but not for ever. If no worker declares a task's resource, the task may run anywhere.
"""

import logging
import time
from collections.abc import Iterable
from typing import Any, Literal

from distributed import Client

from screener.errors import ConfigError
from screener.waiting import Wait

log = logging.getLogger(__name__)

Resource = Literal["CPU", "GPU"]
RESOURCES: tuple[Resource, ...] = ("CPU", "GPU")

REFRESH_SECONDS = 5.0  # asking a scheduler about a thousand workers is some work for it
REFRESH_SECONDS_WHEN_MISSING = 0.5


class Pools:
    """The workers of a cluster, as of the last `refresh`.

    Args:
        client: a connected client.
        patience_seconds: how long a pool that is needed may be without a worker.
    """

    def __init__(self, client: Client, patience_seconds: float) -> None:
        self._client = client
        self._patience_seconds = patience_seconds
        self._slots: dict[Resource | None, int] = {}
        self._workers: dict[Resource | None, list[str]] = {}  # addresses
        self._declared: set[Resource] = (
            set()
        )  # by any worker so far; never shrinks, so routing is stable
        self._missing: dict[Resource | None, Wait] = {}
        self._next_look = 0.0

    def of(self, resource: Resource | None) -> Resource | None:
        """The pool for a task that asks for `resource`; None means all workers."""
        if resource in self._declared or "GPU" in self._declared:
            return resource
        return None

    def names(self) -> list[Resource | None]:
        """The pools that tasks are sent to at present."""
        return list(dict.fromkeys(map(self.of, (None, *RESOURCES))))

    def slots(self, pool: Resource | None) -> int:
        """Worker threads of the pool."""
        return self._slots.get(pool, 0)

    def workers(self, pool: Resource | None) -> list[str]:
        """Addresses of the workers of the pool."""
        return self._workers.get(pool, [])

    @property
    def are_complete(self) -> bool:
        """Whether no pool that was needed at the last `refresh` is without a worker."""
        return not self._missing

    def refresh(self, resources: Iterable[Resource | None]) -> None:
        """Ask the scheduler about its workers, at most every few seconds.

        Args:
            resources: the resources that tasks need at present.
        Raises:
            ConfigError: one of these resources has been without a worker for too long.
        """
        now = time.monotonic()
        if now < self._next_look:
            return
        try:
            workers = self._client.scheduler_info(n_workers=-1)["workers"]
        except OSError as error:  # the caller watches the connection
            log.debug("the scheduler did not answer: %s", error)
            return
        self._count(
            {
                address: worker
                for address, worker in workers.items()
                if worker.get("status") == "running"
            }
        )
        missing = {pool for pool in map(self.of, resources) if not self.slots(pool)}
        self._next_look = now + (REFRESH_SECONDS_WHEN_MISSING if missing else REFRESH_SECONDS)
        self._missing = {
            pool: self._missing.get(pool) or Wait(f"a {_worker_of(pool)} to connect", "")
            for pool in missing
        }
        for pool, wait in self._missing.items():
            if wait.seconds > self._patience_seconds:
                raise ConfigError(
                    f"no {_worker_of(pool)} was connected to the scheduler at {self._address} for "
                    f"{self._patience_seconds:g} s; start one with: {self._how_to_start(pool)}"
                )
            wait.tell_if_due(f"{self.slots(None)} worker threads in all", self._what_to_do(pool))

    def _count(self, workers: dict[str, dict[str, Any]]) -> None:
        self._slots = {None: sum(worker["nthreads"] for worker in workers.values())}
        self._workers = {None: list(workers)}
        for resource in RESOURCES:
            slots = {
                address: min(worker["nthreads"], int(worker["resources"].get(resource, 0)))
                for address, worker in workers.items()
            }
            self._slots[resource] = sum(slots.values())
            self._workers[resource] = [address for address, n in slots.items() if n]
            if self._slots[resource]:
                self._declared.add(resource)

    @property
    def _address(self) -> str:
        return str(self._client.scheduler.address)

    def _what_to_do(self, pool: Resource | None) -> str:
        if self._client.cluster is not None:  # ours, which replaces what it loses
            return (
                "Workers that are lost are replaced by themselves. Should none come, the same "
                "command later goes on from here."
            )
        return f"Start one with: {self._how_to_start(pool)}"

    def _how_to_start(self, pool: Resource | None) -> str:
        option = "" if pool is None else f' --resources "{pool}=1"'
        return f"dask worker {self._address} --nthreads 1{option}"


def _worker_of(pool: Resource | None) -> str:
    return "worker" if pool is None else f"worker that declares {pool}"
