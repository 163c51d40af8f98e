"""Keeps the memory of Dask's scheduler flat over many submissions.

The scheduler measures parts of a computation in spans, for the dashboard. A span keeps a
description of every graph that was submitted (`Span.add_metadata` of distributed 2026.7), and each
of our tasks is a graph of its own.
"""

from contextlib import suppress
from typing import Any

from distributed import Client


def forget_submissions(client: Client) -> None:
    """Have the scheduler drop the descriptions of all graphs submitted so far."""

    # a local function is pickled by value: the scheduler may not have this package
    def forget(dask_scheduler: Any) -> None:
        extension = dask_scheduler.extensions.get("spans")
        for span in extension.spans.values() if extension is not None else ():
            span._metadata = None
            span._metadata_seen.clear()

    with suppress(OSError):  # the caller watches the connection
        client.run_on_scheduler(forget)
