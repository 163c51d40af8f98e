"""A connected Dask client, whatever stands behind it.

Either a scheduler that is running already, by its address or scheduler file, or worker processes on
this machine, reachable from this machine only.
"""

import asyncio
import json
import logging
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from dask.system import CPU_COUNT
from distributed import Client
from distributed.core import rpc
from distributed.security import Security
from distributed.versions import VersionMismatchWarning

from screener.cluster.local import local_cluster
from screener.errors import ConfigError

log = logging.getLogger(__name__)

CONNECT_SECONDS = 8.0  # each, for the first answer and for the client that follows it


@contextmanager
def connect(scheduler: str | None, workers: int | None) -> Iterator[Client]:
    """Connect to a running scheduler, or start worker processes here for as long as the context.

    Args:
        scheduler: address such as `tcp://host:8786`, or path of a scheduler file (`.json`); None
            starts processes on this machine.
        workers: number of processes, one thread each; None for one per CPU that this process may
            use. Says nothing about a cluster that is running already.
    Yields:
        A client; `client.dashboard_link` shows the work.
    Raises:
        ConfigError: nothing answers at the address, or the processes do not start.
    """
    if scheduler is None:
        with local_cluster(workers if workers is not None else CPU_COUNT) as client:
            yield client
    else:
        with _running(scheduler) as client:
            yield client


@contextmanager
def _running(scheduler: str) -> Iterator[Client]:
    address = _address_in(Path(scheduler)) if scheduler.endswith(".json") else scheduler
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", VersionMismatchWarning)
        try:
            with ThreadPoolExecutor(1) as executor:  # a notebook has a running loop in this thread
                kind = executor.submit(asyncio.run, _kind_of_server(address)).result()
            if kind != "Scheduler":
                raise ConfigError(f"{address} is the address of a {kind}, not of a scheduler")
            client = Client(address, timeout=CONNECT_SECONDS)
        except (OSError, ValueError, TypeError, ImportError, MemoryError) as error:
            # whatever another program says may read as the length of a message of exabytes
            reason = f"{type(error).__name__}: {error}" if str(error) else "no answer"
            raise ConfigError(
                f"no Dask scheduler answers at {scheduler} ({reason}). Check the address, that "
                "`dask scheduler` runs there with the same versions of dask and Python, and that "
                "no firewall is in between; or leave the option out to use this machine"
            ) from error
    for warning in caught:
        log.warning("%s", warning.message)
    with client:
        yield client


async def _kind_of_server(address: str) -> str:
    """`Scheduler`, or what else answers; `Client` itself would wait for ever for a mute server."""
    credentials = Security().get_connection_args("client")

    async def ask() -> str:
        async with rpc(address, connection_args=credentials) as server:
            return str((await server.identity())["type"])

    return await asyncio.wait_for(ask(), CONNECT_SECONDS)


def _address_in(file: Path) -> str:
    try:
        return str(json.loads(file.read_text())["address"])
    except FileNotFoundError as error:
        raise ConfigError(f"there is no scheduler file {file}; is the scheduler up?") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{file} is not a scheduler file: {error!r}") from error
