"""Observes a cluster while it works: memory of its processes, workers that join and leave.

Only the scheduler is asked, which knows this from the workers' heartbeats. Workers are not
disturbed.
"""

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from statistics import median
from typing import Any

import psutil
from distributed import Client

Seen = Callable[[str, dict[str, Any]], None]  # name of the event, its fields


def memory(client: Client) -> dict[str, Any]:
    """Resident memory of the cluster's processes, in bytes.

    Returns:
        `client_bytes`; `scheduler_bytes`, None where the scheduler lives in this process;
        `n_workers`; `worker_min_bytes`, `worker_median_bytes` and `worker_max_bytes` over the
        worker processes, without the child processes that do their chemistry, None without workers.
    Raises:
        OSError: the scheduler does not answer.
    """
    # `scheduler_info` answers from a cache that another thread may just have emptied
    workers = client.sync(client.scheduler.identity, n_workers=-1)["workers"].values()
    sizes = [each["metrics"]["memory"] for each in workers if "memory" in each["metrics"]]
    host, pid, scheduler_bytes = client.run_on_scheduler(_own_memory())
    is_here = (host, pid) == (socket.gethostname(), os.getpid())
    return {
        "client_bytes": psutil.Process().memory_info().rss,
        "scheduler_bytes": None if is_here else scheduler_bytes,
        "n_workers": len(sizes),
        "worker_min_bytes": min(sizes, default=None),
        "worker_median_bytes": int(median(sizes)) if sizes else None,
        "worker_max_bytes": max(sizes, default=None),
    }


def _own_memory() -> Callable[[], tuple[str, int, int]]:
    """A local function, which is pickled by value: the scheduler may not have this package."""

    def ask() -> tuple[str, int, int]:
        import os
        import socket

        import psutil

        return socket.gethostname(), os.getpid(), psutil.Process().memory_info().rss

    return ask


@contextmanager
def watched_workers(client: Client, seen: Seen) -> Iterator[None]:
    """Report workers that join and leave while the context is open.

    Args:
        client: a connected client.
        seen: called in the client's own thread with the name of the event (`worker joined` or
            `worker left`) and its fields.
    """

    def handle(event: tuple[float, Any]) -> None:
        _, message = event
        match message:
            case {"action": "add-worker", "worker": address}:
                seen("worker joined", {"worker": address})
            case {"action": "remove-worker", "worker": address, "expected": expected}:
                seen("worker left", {"worker": address, "expected": bool(expected)})

    client.subscribe_topic("all", handle)
    try:
        yield
    finally:
        if client.status == "running":
            with suppress(OSError, ValueError):  # the connection may end at the same time
                client.unsubscribe_topic("all")
