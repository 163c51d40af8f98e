"""Slurm jobs as workers, in several pools under one scheduler.

A cluster of dask-jobqueue has jobs of one kind only. Here its job class is used with other options
for each pool. Instead of its scaling, a keeper looks at Slurm and the scheduler every few seconds:
it replaces jobs that ended (wall time, `scancel`, a failed node), and adapts a pool with a minimum
and a maximum to the number of waiting tasks. The scheduler runs in this process; jobs that outlive
it end by themselves.
"""

import asyncio
import logging
import subprocess
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from distributed import Client, Scheduler, SpecCluster
from distributed.core import Status
from distributed.security import Security

from screener.cluster import dask_config, dask_scheduler
from screener.cluster.settings import SlurmSettings
from screener.cluster.slurm_jobs import job_class, job_options
from screener.cluster.slurm_pool import MAX_FAILURES, Pool
from screener.errors import ConfigError
from screener.waiting import Wait, waiting

log = logging.getLogger(__name__)

LOOK_SECONDS = 10.0  # between two questions to Slurm; more would burden it
COMMAND_SECONDS = 60.0
LOG_LINES = 5
# a queue may be long, and the campaign continues by itself once jobs start again
NO_WORKERS_TIMEOUT = "14 days"
_ANSWERS = "`sinfo` says whether Slurm's controller answers; it may be busy or down."


@contextmanager
def slurm_cluster(settings: SlurmSettings, security: Security | None) -> Iterator[Client]:
    """A scheduler in this process and workers in Slurm jobs, for as long as the context.

    The context is entered once every pool has a worker, however long that takes.

    Args:
        settings: pools and addresses.
        security: TLS for scheduler, workers and client; None for none.
    Yields:
        a client of the scheduler.
    Raises:
        ConfigError: Slurm refuses a job, jobs end before their workers connect, or dask-jobqueue or
            Slurm's commands are missing.
    """
    job = job_class()
    Path(settings.log_folder).mkdir(parents=True, exist_ok=True)
    more = {"distributed.scheduler.no-workers-timeout": NO_WORKERS_TIMEOUT}
    with dask_scheduler.configured(more) as ours, ExitStack() as stack:
        try:
            with waiting("Slurm to take the first jobs (`sbatch`)", _ANSWERS):
                cluster = SlurmCluster(settings, job, security, ours)
                stack.callback(_close, cluster)
                client = stack.enter_context(Client(cluster))
        except (OSError, RuntimeError, ValueError) as error:
            raise ConfigError(
                f"the Slurm cluster does not start: {error}\nCheck partition, account, memory and "
                "walltime in [cluster] (`sinfo` and `scontrol show partition` tell what there "
                f"is), and that `sbatch` works on this machine{dask_config.suspects()}"
            ) from error
        dask_scheduler.warn_if_open(cluster.scheduler_address)
        _wait(cluster)
        yield client


def _close(cluster: "SlurmCluster") -> None:
    with waiting("Slurm to cancel the jobs (`scancel`)", _ANSWERS):
        cluster.close()


def _wait(cluster: "SlurmCluster") -> None:
    wait = Wait(
        "Slurm to start workers",
        f"`squeue --name={cluster.name}` shows their jobs and why they wait, `sinfo` what is free; "
        "a smaller walltime or memory in [cluster] often starts sooner.",
    )
    while missing := [pool.name for pool in cluster.pools if not cluster.n_running(pool)]:
        if cluster.failure:
            raise ConfigError(cluster.failure)
        wait.tell_if_due(f"the pool {' and the pool '.join(missing)} has none")
        time.sleep(0.2)


class SlurmCluster(SpecCluster):  # type: ignore[misc]  # distributed has no types
    """A Dask cluster whose workers are Slurm jobs of several pools.

    Args:
        settings: pools and addresses.
        job: class of the jobs, from `job_class`.
        security: TLS for scheduler, workers and client; None for none.
        dask_settings: Dask's settings for the workers, by name.
    Raises:
        RuntimeError: one of the first jobs cannot be submitted; those submitted are cancelled.
    """

    def __init__(
        self,
        settings: SlurmSettings,
        job: type,
        security: Security | None,
        dask_settings: Mapping[str, Any],
    ) -> None:
        name = f"screener-{uuid.uuid4().hex[:8]}"
        self.pools = [Pool("cpu", "CPU", settings.cpu)]
        if settings.gpu is not None:
            self.pools.append(Pool("gpu", "GPU", settings.gpu))
        self.failure = ""  # why a pool gets no worker; empty while there is no reason to doubt
        self._specs = {
            pool.name: {
                "cls": job,
                "options": job_options(
                    pool.settings, pool.resource, settings, security, name, dask_settings
                ),
            }
            for pool in self.pools
        }
        self._logs = Path(settings.log_folder)
        self._n_submitted = 0
        self._keeper: asyncio.Task[None] | None = None
        where = {"host": settings.host} if settings.host else {"interface": settings.interface}
        super().__init__(
            workers={
                job_name: spec
                for pool in self.pools
                for job_name, spec in self._new_jobs(pool, pool.n_to_submit(0, 0.0)).items()
            },
            scheduler={
                "cls": Scheduler,
                "options": {
                    **where,
                    "port": 0,
                    "protocol": dask_scheduler.protocol_of(security) + "://",
                    "security": security,
                    "dashboard_address": dask_scheduler.dashboard_address(),
                },
            },
            security=security,
            silence_logs=logging.ERROR,
            name=name,
        )
        self.sync(self._start_keeper)

    def n_running(self, pool: Pool) -> int:
        """How many workers of the pool accept tasks at present."""
        return sum(
            job in pool.jobs and worker.status == Status.running for job, worker in self._workers()
        )

    def _new_jobs(self, pool: Pool, number: int) -> dict[str, dict[str, Any]]:
        names = [f"{pool.name}-{self._n_submitted + i}" for i in range(number)]
        self._n_submitted += number
        pool.jobs.update(dict.fromkeys(names, False))
        return dict.fromkeys(names, self._specs[pool.name])

    def _workers(self) -> list[tuple[str, Any]]:
        """All workers that the scheduler knows, each with the name of its job."""
        jobs = {name for pool in self.pools for name in pool.jobs}
        workers = [(str(worker.name), worker) for worker in self.scheduler.workers.values()]
        return [
            (name if name in jobs else name.rpartition("-")[0], worker) for name, worker in workers
        ]

    async def _start_keeper(self) -> None:
        self._keeper = asyncio.create_task(self._keep())

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                await self._look()
            except (OSError, RuntimeError, subprocess.SubprocessError) as error:
                log.warning("Slurm does not do as asked and is asked again: %s", error)

    async def _look(self) -> None:
        """Drop jobs that have ended, then submit or cancel jobs until each pool has its size."""
        alive = await known_jobs(self.name)
        workers = self._workers()
        for pool in self.pools:
            for job, _ in workers:
                if job in pool.jobs:
                    pool.saw(job)
            for name in [name for name in pool.jobs if self._has_ended(name, alive)]:
                self._forget(pool, name)
            n_tasks = self._n_tasks(pool)
            busy = {job for job, worker in workers if worker.processing}
            await self._give_up(pool, pool.to_give_up(n_tasks, busy))
            self.worker_spec.update(
                self._new_jobs(pool, pool.n_to_submit(n_tasks, time.monotonic()))
            )
        await self  # submits and cancels

    def _has_ended(self, name: str, alive: set[str]) -> bool:
        job = self.workers.get(name)  # None: Dask lost its workers and cancelled it
        return job is None or job.job_id not in alive

    def _forget(self, pool: Pool, name: str) -> None:
        job = self.workers.pop(name, None)
        self.worker_spec.pop(name, None)
        if not pool.ended(name, time.monotonic()):
            log.info("worker %s has left with its Slurm job and is replaced", name)
            return
        self.failure = _describe_failure(self._logs, self.name, pool, job and job.job_id)
        if pool.n_failures < MAX_FAILURES:
            self.failure = ""  # a single failure may be chance
        else:
            log.warning("%s", self.failure)

    async def _give_up(self, pool: Pool, names: list[str]) -> None:
        addresses = [worker.address for job, worker in self._workers() if job in names]
        if addresses:
            await self.scheduler.retire_workers(workers=addresses)
        for name in names:
            del pool.jobs[name], self.worker_spec[name]

    def _n_tasks(self, pool: Pool) -> int:
        """How many tasks wait for the pool or run in it; tasks without a resource count for CPU."""
        states = ("processing", "no-worker", "queued")
        return sum(
            task.state in states and pool.resource in (task.resource_restrictions or {"CPU": 1})
            for task in self.scheduler.tasks.values()
        )

    async def _close(self) -> None:
        if self._keeper is not None:
            self._keeper.cancel()
        await super()._close()
        # a job may have been submitted while the keeper was cancelled
        with suppress(OSError, RuntimeError, subprocess.SubprocessError):
            await _output("scancel", f"--name={self.name}")


async def known_jobs(name: str) -> set[str]:
    """Ids of the jobs of this name that are waiting or running.

    Raises:
        OSError, RuntimeError, subprocess.SubprocessError: Slurm does not answer.
    """
    return set((await _output("squeue", "--noheader", f"--name={name}", "--format=%i")).split())


async def _output(*command: str) -> str:
    def run() -> str:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{command[0]}: {done.stderr.strip()}")
        return done.stdout

    return await asyncio.to_thread(run)


def _describe_failure(logs: Path, name: str, pool: Pool, job_id: str | None) -> str:
    file = logs / f"{name}-{job_id}.err"
    try:
        last = file.read_text(errors="replace").strip().splitlines()[-LOG_LINES:]
    except OSError:
        last = ["(it wrote no log)"]
    return (
        f"{pool.n_failures} Slurm jobs in a row of the pool {pool.name} ended before a worker "
        f"connected. The last, {job_id}, says in {file}:\n" + "\n".join(last)
    )
