"""A Dask cluster of processes on this machine, reachable from this machine only.

The scheduler lives in this process, the workers below one other process. `distributed.LocalCluster`
starts workers through multiprocessing, which imports the caller's script once more in each of them
and so fails in scripts without an `if __name__ == "__main__"` guard; a command line does not.
"""

import logging
import os
import socket
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import dask
from distributed import Client, LocalCluster, Nanny

from screener.cluster import worker_main
from screener.errors import ConfigError

LOOPBACK = "127.0.0.1"
DASHBOARD_PORT = 8787  # Dask's usual one
START_SECONDS = 120.0
_END_SECONDS = 5.0

_SETTINGS = {
    "distributed.scheduler.allowed-failures": 3,
    "distributed.scheduler.worker-ttl": "5 minutes",  # chemistry that holds the GIL is no death
    "distributed.scheduler.no-workers-timeout": "10 minutes",
    # both take some percent of a core from chemistry, and a task is one call into it
    "distributed.admin.tick.interval": "500ms",
    "distributed.worker.profile.enabled": False,
}
# a worker that dies is news; what tasks raise is raised again here; the rest is Dask by itself
_LOGGING = {
    "distributed": "error",
    "distributed.nanny": "warning",
    "distributed.worker": "critical",
}
# workers end at once, and their semaphores are cleaned up by a process that makes a fuss of it
_QUIET = ("-W", "ignore:resource_tracker:UserWarning")


@contextmanager
def local_cluster(n_workers: int) -> Iterator[Client]:
    """Scheduler and workers for as long as the context.

    Args:
        n_workers: processes, one thread each.
    Raises:
        ConfigError: the processes do not start.
    """
    with (
        dask.config.set(_SETTINGS),
        tempfile.TemporaryDirectory(prefix="screener-", ignore_cleanup_errors=True) as scratch,
        _scheduler() as cluster,
        Client(cluster) as client,
        _workers(cluster.scheduler_address, n_workers, scratch) as process,
    ):
        _wait(client, n_workers, process)
        yield client


def _scheduler() -> LocalCluster:
    with warnings.catch_warnings():  # the port may still be taken between the two
        warnings.filterwarnings("ignore", r"Port \d+ is already in use", UserWarning)
        return LocalCluster(
            n_workers=0,
            host=LOOPBACK,
            dashboard_address=f"{LOOPBACK}:{_dashboard_port()}",
            silence_logs=logging.ERROR,
        )


@contextmanager
def _workers(address: str, n_workers: int, scratch: str) -> Iterator["subprocess.Popen[bytes]"]:
    options = {
        "--nworkers": str(n_workers),
        "--nthreads": "1",
        "--host": LOOPBACK,
        "--local-directory": scratch,
        "--death-timeout": f"{START_SECONDS:g}",
    }
    arguments = ["--no-dashboard", *(text for option in options.items() for text in option)]
    try:
        process = subprocess.Popen(
            [sys.executable, "-P", *_QUIET, "-m", worker_main.__name__, address, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
                "DASK_INTERNAL_INHERIT_CONFIG": dask.config.serialize(
                    {**dask.config.config, "logging": _LOGGING}
                ),
            },
            start_new_session=True,  # ctrl-C is for this process to act on
        )
    except OSError as error:
        raise ConfigError(
            f"cannot start worker processes ({error}); free memory, processes or open files on "
            "this machine, or give the address of a running cluster with --scheduler"
        ) from error
    assert process.stdin is not None
    try:
        yield process
    finally:
        process.stdin.close()
        try:
            process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(client: Client, n_workers: int, process: "subprocess.Popen[bytes]") -> None:
    waited = 0.0
    while len(client.nthreads()) < n_workers or not _nannies_run(client):
        if process.poll() is not None:
            raise ConfigError(
                f"the worker processes ended with exit code {process.returncode} before they "
                "connected; what they said is on standard error"
            )
        if waited > START_SECONDS:
            raise ConfigError(
                f"{len(client.nthreads())} of {n_workers} worker processes connected within "
                f"{START_SECONDS:g} s; ask for fewer with --workers"
            )
        time.sleep(0.05)
        waited += 0.05


def _nannies_run(client: Client) -> bool:
    """Whether all have seen their workers start: one whose worker dies before that gives up."""
    return all(status == "running" for status in client.run(_status, nanny=True).values())


def _status(dask_worker: Nanny) -> str:
    return str(dask_worker.status.value)


def _dashboard_port() -> int:
    """Dask's usual port, or any free one where that is taken."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, DASHBOARD_PORT))
        except OSError:
            return 0
    return DASHBOARD_PORT
