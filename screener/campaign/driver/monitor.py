"""Keeps a campaign's journal going while the client waits for workers.

A thread tells what has waited in the journal and takes a sample of memory now and then; workers
that join and leave are told as it happens.
"""

import logging
import threading
import time
from collections.abc import Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue
from typing import Any

from distributed import Client

from screener.campaign.driver.events import EventLog
from screener.errors import StoreError
from screener.execution.observe import memory, watched_workers

log = logging.getLogger(__name__)

TICK_SECONDS = 2.0
MEMORY_SECONDS = 30.0
_END_SECONDS = 5.0  # a scheduler that does not answer must not hold up the end

Seen = SimpleQueue[tuple[str, dict[str, Any]] | None]  # events; None ends the thread


@contextmanager
def monitored(client: Client, events: EventLog) -> Iterator[None]:
    """Tell of the cluster for as long as the context."""
    seen: Seen = SimpleQueue()
    thread = threading.Thread(
        target=_keep_telling, args=(client, events, seen), name="monitor", daemon=True
    )
    # Dask's own thread must not wait for a slow disk or store
    with watched_workers(client, lambda event, fields: seen.put((event, fields))):
        thread.start()
        try:
            yield
        finally:
            seen.put(None)
            thread.join(_END_SECONDS)


def _keep_telling(client: Client, events: EventLog, seen: Seen) -> None:
    next_sample = time.monotonic()
    while True:
        try:
            if time.monotonic() >= next_sample:
                next_sample += MEMORY_SECONDS
                if (sample := _sample(client)) is not None:
                    events.write("memory", **sample)
            events.tell_what_is_due()
            with suppress(Empty):
                event = seen.get(timeout=TICK_SECONDS)
                if event is None:
                    return
                events.write(event[0], **event[1])
        except (
            StoreError
        ) as error:  # may pass, and the campaign's own writes tell where it does not
            log.debug("the journal was not written: %s", error)


def _sample(client: Client) -> dict[str, Any] | None:
    try:
        return memory(client)
    except (OSError, CancelledError, RuntimeError, ValueError) as error:  # or it is closing
        log.debug("no sample of memory: %s", error)
        return None
