"""A connected Dask client, whatever stands behind it.

Either a scheduler that is running already, by its address or scheduler file, or worker processes on
this machine, reachable from this machine only.
"""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dask.system import CPU_COUNT
from distributed import Client
from distributed.versions import VersionMismatchWarning

from screener.cluster.local import local_cluster
from screener.errors import ConfigError

log = logging.getLogger(__name__)

CONNECT_SECONDS = 10


@contextmanager
def connect(scheduler: str | None, workers: int | None) -> Iterator[Client]:
    """Connect to a running scheduler, or start worker processes here for as long as the context.

    Args:
        scheduler: address such as `tcp://host:8786`, or path of a scheduler file; None starts
            processes on this machine.
        workers: number of processes, one thread each; None for one per CPU that this process may
            use. Says nothing about a cluster that is running already.
    Yields:
        A client; `client.dashboard_link` shows the work.
    Raises:
        ConfigError: nothing answers at the address, or the processes do not start.
    """
    if scheduler is not None:
        with _running(scheduler) as client:
            yield client
    else:
        with local_cluster(workers if workers is not None else CPU_COUNT) as client:
            yield client


@contextmanager
def _running(scheduler: str) -> Iterator[Client]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", VersionMismatchWarning)
        try:
            if scheduler.endswith(".json"):
                if not Path(scheduler).is_file():
                    raise ConfigError(f"there is no scheduler file {scheduler}")
                client = Client(scheduler_file=scheduler, timeout=CONNECT_SECONDS)
            else:
                client = Client(scheduler, timeout=CONNECT_SECONDS)
        except (OSError, ValueError, ImportError) as error:
            raise ConfigError(
                f"no Dask scheduler answers at {scheduler} ({error}). Check the address, that "
                "`dask scheduler` runs there with the same versions of dask and Python, and that "
                "no firewall is in between; or leave the option out to use this machine"
            ) from error
    for warning in caught:
        log.warning("%s", warning.message)
    with client:
        yield client
