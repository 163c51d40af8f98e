"""Jobs of workers on Slurm: turns the settings of a pool into options of dask-jobqueue's job.

One job is one `dask worker` command on one node, with one or several worker processes. The workers
leave some time before the wall time is over, so that Slurm does not have to kill them.
"""

import os
import shlex
import sys
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

import dask
from distributed.core import Status
from distributed.security import Security

from screener.cluster import dask_config, dask_scheduler, job_main, unit_worker
from screener.cluster.extras import missing
from screener.cluster.settings import SlurmPool, SlurmSettings

DEATH_SECONDS = 60  # a worker ends when its scheduler has not answered for so long
MAX_MARGIN_SECONDS = 900  # workers leave so long before the wall time, to finish their units,
MARGIN_SHARE = 0.2  # or this share of it, whichever is shorter


def job_class() -> type:
    """dask-jobqueue's class of Slurm jobs, changed so that a closed job has the status `closed`.

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
    dask_settings: Mapping[str, Any],
) -> dict[str, Any]:
    """Arguments of dask-jobqueue's `SLURMJob`, except the scheduler and the name.

    Args:
        pool: settings of the jobs of one pool.
        resource: the resource of which each worker declares one unit.
        settings: settings that all jobs share.
        security: TLS for the workers; None for none.
        job_name: name that all jobs of this cluster have in Slurm.
        dask_settings: Dask's settings for the workers, by name.
    Returns:
        keyword arguments by name.
    """
    options = {
        "--resources": f"{resource}=1",
        "--worker-class": f"{unit_worker.__name__}.UnitWorker",
        **lifetime(pool.walltime_seconds),
        **dask_scheduler.tls_options(security),
    }
    if pool.workers_per_job > 1:
        options["--nworkers"] = str(pool.workers_per_job)
    if settings.interface:
        options["--interface"] = settings.interface
    temporary = dask.config.get("temporary-directory", None)
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
        "job_script_prologue": [*settings.prologue, *_environment(resource, dask_settings)],
        "worker_command": job_main.__name__,
        "worker_extra_args": [
            "--nanny",
            "--no-dashboard",
            *(shlex.quote(text) for option in options.items() for text in option),
        ],
        "death_timeout": DEATH_SECONDS,
        "local_directory": '"${TMPDIR:-/tmp}"' if temporary is None else shlex.quote(temporary),
        "log_directory": str(Path(settings.log_folder).absolute()),
        "python": shlex.quote(sys.executable),
        "shebang": "#!/bin/bash",
    }


def lifetime(walltime_seconds: int) -> dict[str, str]:
    """Options of `dask worker` that make workers leave before the wall time, one after another."""
    margin = min(MAX_MARGIN_SECONDS, int(MARGIN_SHARE * walltime_seconds))
    return {
        "--lifetime": f"{walltime_seconds - margin}s",
        "--lifetime-stagger": f"{margin // 3}s",
    }


def _environment(resource: str, dask_settings: Mapping[str, Any]) -> list[str]:
    """Lines of shell that give workers this process's module path and Dask settings."""
    variables = {
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        **dask_config.inherited(dask_settings, {}),
    }
    if resource == "CPU":
        variables[unit_worker.VISIBLE] = (
            ""  # hides the GPUs, so that no library uses one by mistake
        )
    return [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
