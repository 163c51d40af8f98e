"""What Dask's scheduler would otherwise remember of every submission for as long as it lives.

Its spans, which measure parts of a computation for the dashboard, append a description of each
graph that they are sent (`Span.add_metadata` of distributed 2026.7), and a task is a graph here.
"""

from contextlib import suppress
from typing import Any

from distributed import Client


def forget_submissions(client: Client) -> None:
    """Have the scheduler forget the descriptions of what was submitted so far."""

    # a function within a function travels by value: a scheduler need not have this package
    def forget(dask_scheduler: Any) -> None:
        extension = dask_scheduler.extensions.get("spans")
        for span in extension.spans.values() if extension is not None else ():
            span._metadata = None
            span._metadata_seen.clear()

    with suppress(OSError):  # the caller watches the connection
        client.run_on_scheduler(forget)
