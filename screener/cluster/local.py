"""A Dask cluster of processes on this machine.

The scheduler runs in this process. For each group of equal workers one further process is started,
and the workers of the group are forked from a child of that (see `worker_main`).
`distributed.LocalCluster` would start workers through multiprocessing, which imports the caller's
script again in each worker and fails in scripts without an `if __name__ == "__main__"` guard;
starting a command does not.
"""

import logging
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import dask
from distributed import Client, LocalCluster, Nanny
from distributed.security import Security

from screener.cluster import dask_config, dask_scheduler, unit_worker, worker_main
from screener.errors import ConfigError
from screener.waiting import waiting

START_SECONDS = 120.0
_TEMPORARY = "temporary-directory"
_END_SECONDS = 5.0

# log when a worker dies; errors of tasks are raised here anyway; the rest is Dask's own affairs
_LOGGING = {
    "distributed": "error",
    "distributed.nanny": "warning",
    "distributed.worker": "critical",
}
# workers are ended abruptly; the process that then cleans up their semaphores warns about it
_QUIET = ("-W", "ignore:resource_tracker:UserWarning")


@dataclass(frozen=True, slots=True)
class Group:
    """A group of equal worker processes, each with one thread."""

    n_workers: int
    name: str | None = None  # workers are called NAME-0, NAME-1, ...
    resource: str | None = None  # the resource of which each declares one unit
    environment: Mapping[str, str] = field(default_factory=dict)


@contextmanager
def local_cluster(
    groups: Sequence[Group], host: str, security: Security | None, preload: str
) -> Iterator[Client]:
    """A scheduler and workers that live as long as the context.

    Args:
        groups: the groups of workers to start.
        host: address of this machine to listen on.
        security: TLS for scheduler, workers and client; None for none.
        preload: module that is imported once for all workers of a group.
    Yields:
        a client of the scheduler, once all workers are connected.
    Raises:
        ConfigError: a process does not start.
    """
    n_workers = sum(group.n_workers for group in groups)
    with (
        dask_scheduler.configured() as settings,
        _scratch() as scratch,
        _scheduler(host, security) as cluster,
        _client(cluster) as client,
        ExitStack() as stack,
    ):
        dask_scheduler.warn_if_open(cluster.scheduler_address)
        environment = {
            **dask_config.other_variables(os.environ),
            **dask_config.inherited(settings, _LOGGING),
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        }
        options = {
            "--nthreads": "1",
            "--host": host,
            "--local-directory": scratch,
            "--death-timeout": f"{START_SECONDS:g}",
            "--worker-class": f"{unit_worker.__name__}.UnitWorker",
            **dask_scheduler.tls_options(security),
        }
        processes = [
            stack.enter_context(
                _workers(cluster.scheduler_address, group, options, preload, environment)
            )
            for group in groups
        ]
        _wait(client, n_workers, processes)
        yield client


@contextmanager
def _scratch() -> Iterator[str]:
    """A folder for what Dask writes, in Dask's `temporary-directory` where that is configured."""
    place = dask.config.get(_TEMPORARY, None)
    try:
        if place is not None:
            os.makedirs(place, exist_ok=True)
        folder = tempfile.TemporaryDirectory(
            prefix="screener-", dir=place, ignore_cleanup_errors=True
        )
    except (OSError, TypeError) as error:
        raise ConfigError(
            f"no temporary folder can be made: {error}{dask_config.suspects((_TEMPORARY,))}"
        ) from error
    with folder as path:
        yield path


def _client(cluster: LocalCluster) -> Client:
    try:
        with waiting(
            "the client to connect to the scheduler in this process",
            "Should it not end, see whether a firewall on this machine is in between.",
        ):
            return Client(cluster)
    except (OSError, ValueError, TypeError, ImportError, RuntimeError) as error:
        raise ConfigError(
            f"the scheduler in this process cannot be reached: {error}{dask_config.suspects()}"
        ) from error


def _scheduler(host: str, security: Security | None) -> LocalCluster:
    with warnings.catch_warnings():  # the port may still be taken between the two
        warnings.filterwarnings("ignore", r"Port \d+ is already in use", UserWarning)
        try:
            with waiting(
                f"a scheduler to start at {host}",
                "Check that it is an address of this machine; `ip -brief address` lists them.",
            ):
                return LocalCluster(
                    n_workers=0,
                    host=host,
                    protocol=dask_scheduler.protocol_of(security) + "://",
                    security=security,
                    dashboard_address=dask_scheduler.dashboard_address(),
                    silence_logs=logging.ERROR,
                )
        except (OSError, RuntimeError, ValueError, TypeError) as error:
            raise ConfigError(
                f"no scheduler starts at {host}: {error}. Check that it is an address of this "
                "machine, and the files of TLS where [cluster] names some"
                f"{dask_config.suspects()}"
            ) from error


@contextmanager
def _workers(
    address: str,
    group: Group,
    options: Mapping[str, str],
    preload: str,
    environment: Mapping[str, str],
) -> Iterator["subprocess.Popen[bytes]"]:
    options = {**options, "--nworkers": str(group.n_workers)}
    if group.name is not None:
        options["--name"] = group.name
    if group.resource is not None:
        options["--resources"] = f"{group.resource}=1"
    arguments = [preload, address, "--no-dashboard"]
    arguments += [text for option in options.items() for text in option]
    try:
        process = subprocess.Popen(
            [sys.executable, "-P", *_QUIET, "-m", worker_main.__name__, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            env={**environment, **group.environment},
            start_new_session=True,  # so that ctrl-C reaches this process alone
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


def _wait(client: Client, n_workers: int, processes: Sequence["subprocess.Popen[bytes]"]) -> None:
    deadline = time.monotonic() + START_SECONDS
    n_connected = 0
    with waiting(
        f"{n_workers} worker processes to start on this machine",
        "Python and its libraries are read from disk once for all of them, which takes long on a "
        f"network file system that has not read them before; the command gives up after "
        f"{START_SECONDS:g} s. Should the machine be short of cores or memory, ask for fewer with "
        "--workers.",
        lambda: f"{n_connected} connected so far",
    ):
        while (n_connected := len(client.nthreads())) < n_workers or not _nannies_run(client):
            for process in processes:
                if process.poll() is not None:
                    raise ConfigError(
                        f"the worker processes ended with exit code {process.returncode} before "
                        "they connected; what they said is on standard error"
                        f"{dask_config.suspects()}"
                    )
            if time.monotonic() > deadline:
                raise ConfigError(
                    f"{n_connected} of {n_workers} worker processes connected within "
                    f"{START_SECONDS:g} s; ask for fewer with --workers{dask_config.suspects()}"
                )
            time.sleep(0.05)


def _nannies_run(client: Client) -> bool:
    """Whether every nanny has seen its worker start; before that it would not restart it."""
    return all(status == "running" for status in client.run(_status, nanny=True).values())


def _status(dask_worker: Nanny) -> str:
    return str(dask_worker.status.value)
