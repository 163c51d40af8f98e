"""Where calls from Python run: on the cluster of a client, or on workers of their own."""

from contextlib import nullcontext
from os import PathLike
from typing import Any

from distributed import Client

from screener.cluster.factory import connect
from screener.cluster.settings import LocalSettings

Path = str | PathLike[str]

AGAIN = "the same call goes on where this one was"


def connected(client: Client | None, preload: str) -> Any:
    """The given client, which stays open; or a cluster of our own, for as long as the context."""
    return connect(LocalSettings(), preload) if client is None else nullcontext(client)
