"""A connected Dask client for any kind of cluster.

The client is connected to a scheduler that is already running, named by its address or scheduler
file, or to a cluster that is started from settings and ends with the context. The modules for Slurm
and Kubernetes are imported only when they are needed, because the packages they use are optional.
"""

import asyncio
import json
import logging
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import dask
import distributed
from dask.system import CPU_COUNT
from distributed import Client
from distributed.core import rpc
from distributed.security import Security
from distributed.versions import VersionMismatchWarning

from screener.cluster import dask_config, dask_scheduler
from screener.cluster.cuda import cuda_groups
from screener.cluster.dask_scheduler import security_of, warn_if_open
from screener.cluster.local import Group, local_cluster
from screener.cluster.settings import (
    AddressSettings,
    ClusterSettings,
    CudaSettings,
    KubernetesSettings,
    LocalSettings,
)
from screener.errors import ConfigError
from screener.waiting import waiting

log = logging.getLogger(__name__)

CONNECT_SECONDS = 8.0  # for the first answer, and once more for connecting the client
# what a person configures that decides how a client talks to a scheduler of somebody else's
_TALK = ("distributed.comm", "distributed.client")


def connect(
    settings: ClusterSettings, preload: str = distributed.__name__
) -> AbstractContextManager[Client]:
    """Connect to a running scheduler, or start a cluster that lives as long as the context.

    Args:
        settings: from `read_cluster`, `parse_cluster`, or a class of `screener.cluster.settings`.
        preload: module of the tasks that will come; workers on this machine start with it imported,
            all others import it with the first task.
    Returns:
        a context that yields a client; `client.dashboard_link` is the address of the dashboard.
    Raises:
        ConfigError: here or on entering the context: nothing answers at the address, workers do not
            start, or a package is missing. The message says what to do.
    """
    if isinstance(settings, KubernetesSettings):
        from screener.cluster.kubernetes import kubernetes_cluster

        return kubernetes_cluster(settings)
    security = security_of(settings)
    if isinstance(settings, AddressSettings):
        return _running(settings.address, security)
    if isinstance(settings, LocalSettings):
        groups = [Group(settings.workers or CPU_COUNT)]
        return local_cluster(groups, settings.host, security, preload)
    if isinstance(settings, CudaSettings):
        return local_cluster(cuda_groups(settings), settings.host, security, preload)
    from screener.cluster.slurm import slurm_cluster

    return slurm_cluster(settings, security)


@contextmanager
def _running(scheduler: str, security: Security | None) -> Iterator[Client]:
    address = _address_in(Path(scheduler)) if scheduler.endswith(".json") else scheduler
    with (
        warnings.catch_warnings(record=True) as caught,
        waiting(
            f"a scheduler to answer at {scheduler}",
            "Check the address, and that the name of the machine is known here.",
        ),
    ):
        warnings.simplefilter("always", VersionMismatchWarning)
        try:
            security = security or Security()  # takes TLS files from Dask's own configuration
            with ThreadPoolExecutor(1) as executor:  # in a notebook this thread has a running loop
                kind = executor.submit(asyncio.run, _kind_of_server(address, security)).result()
            if kind != "Scheduler":
                raise ConfigError(f"{address} is the address of a {kind}, not of a scheduler")
            client = Client(address, timeout=CONNECT_SECONDS, security=security)
        except (OSError, ValueError, TypeError, ImportError, MemoryError, RuntimeError) as error:
            # MemoryError: the answer of another program can look like a length of exabytes
            reason = f"{type(error).__name__}: {error}" if str(error) else "no answer"
            raise ConfigError(
                f"no Dask scheduler answers at {scheduler} ({reason}). Check the address, that "
                "`dask scheduler` runs there with the same versions of dask and Python, that both "
                "sides or neither use TLS, and that no firewall is in between; or leave the option "
                f"out to use this machine{dask_config.suspects(_TALK)}"
            ) from error
    for warning in caught:
        log.warning("%s", warning.message)
    warn_if_open(address)
    link = dask_scheduler.link_or(dask_scheduler.OWN_LINK)
    with dask.config.set({dask_scheduler.LINK: link}), client:
        yield client


async def _kind_of_server(address: str, security: Security) -> str:
    """The kind of server at an address, such as `Scheduler`.

    `Client` would wait for ever for a server that accepts the connection and never answers.
    """
    credentials = security.get_connection_args("client")

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
