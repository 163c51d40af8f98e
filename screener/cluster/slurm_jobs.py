"""The batch script of a worker on Slurm: from the settings of a pool to dask-jobqueue's job.

One job is one `dask worker` command on one node, with one or several worker processes. It leaves
some time before the wall time is over, so that Slurm never has to kill it.
"""

import os
import shlex
import sys
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from distributed.core import Status
from distributed.security import Security

from screener.cluster import dask_scheduler, unit_worker
from screener.cluster.extras import missing
from screener.cluster.settings import SlurmPool, SlurmSettings

DEATH_SECONDS = 60  # a worker whose scheduler does not answer for so long gives its node back
MAX_MARGIN_SECONDS = 900  # before the wall time, for the units that have begun
MARGIN_SHARE = 0.2  # of a short wall time


def job_class() -> type:
    """dask-jobqueue's job for Slurm, with an end that others can see.

    Raises:
        ConfigError: dask-jobqueue is not installed.
    """
    try:
        slurm = import_module("dask_jobqueue.slurm")
    except ImportError as error:
        raise missing("slurm", error) from error

    class PoolJob(slurm.SLURMJob):  # type: ignore[misc,name-defined]  # it has no types
        submit_command = "sbatch --parsable"  # some sites print a banner with numbers in it

        async def close(self) -> None:
            await super().close()
            self.status = Status.closed

    return PoolJob


def job_options(
    pool: SlurmPool,
    resource: Literal["CPU", "GPU"],
    settings: SlurmSettings,
    security: Security | None,
    job_name: str,
) -> dict[str, Any]:
    """Arguments of dask-jobqueue's `SLURMJob`, all but scheduler and name.

    Args:
        pool: what one job is.
        resource: that each worker declares, once.
        settings: what all jobs share.
        security: TLS, or None.
        job_name: by which Slurm knows all jobs of this cluster.
    """
    options = {
        "--resources": f"{resource}=1",
        "--worker-class": f"{unit_worker.__name__}.UnitWorker",
        **lifetime(pool.walltime_seconds),
        **dask_scheduler.tls_options(security),
    }
    if settings.interface:
        options["--interface"] = settings.interface
    return {
        "job_name": job_name,
        "queue": pool.partition,
        "account": pool.account,
        "walltime": pool.walltime,
        "cores": pool.workers_per_job,
        "processes": pool.workers_per_job,
        "memory": f"{pool.memory_mebibytes * pool.workers_per_job}MiB",
        "job_mem": f"{pool.memory_mebibytes * pool.workers_per_job}M",
        "job_extra_directives": [*([f"--gres={pool.gres}"] if pool.gres else ()), *pool.directives],
        "job_script_prologue": [*settings.prologue, *_environment(resource)],
        "worker_extra_args": [
            "--no-dashboard",
            *(shlex.quote(text) for option in options.items() for text in option),
        ],
        "death_timeout": DEATH_SECONDS,
        "local_directory": '"${TMPDIR:-/tmp}"',
        "log_directory": str(Path(settings.log_folder).absolute()),
        "python": shlex.quote(sys.executable),
        "shebang": "#!/bin/bash",
    }


def lifetime(walltime_seconds: int) -> dict[str, str]:
    """Options of `dask worker` that make it leave before the wall time, not all at one moment."""
    margin = min(MAX_MARGIN_SECONDS, int(MARGIN_SHARE * walltime_seconds))
    return {
        "--lifetime": f"{walltime_seconds - margin}s",
        "--lifetime-stagger": f"{margin // 3}s",
    }


def _environment(resource: str) -> list[str]:
    """Lines of shell: modules are found as here, and workers have Dask's settings from here."""
    variables = {
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        **dask_scheduler.variables(),
    }
    if resource == "CPU":
        variables[unit_worker.VISIBLE] = ""  # no context on a GPU, even by mistake
    return [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
