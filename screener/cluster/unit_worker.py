"""A Dask worker that leaves between two units and uses one GPU.

Given to `dask worker` as `--worker-class`. Dask's own worker, when its `--lifetime` is over, drops
what it is at: the scheduler starts the task again elsewhere, and minutes of chemistry are lost.
This one takes no further task, finishes those it has begun, hands over results and leaves.
"""

import asyncio
import os
from collections.abc import MutableMapping
from typing import Any

from distributed import Worker
from distributed.core import Status

POLL_SECONDS = 0.2
VISIBLE = "CUDA_VISIBLE_DEVICES"


class UnitWorker(Worker):  # type: ignore[misc]  # distributed has no types
    """`distributed.Worker` with another way to leave; arguments are the same."""

    status: Status  # Dask's property

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if "GPU" in (kwargs.get("resources") or {}):
            choose_device(str(kwargs.get("name")), os.environ)
        super().__init__(*args, **kwargs)

    async def close_gracefully(
        self, restart: bool | None = None, reason: str = "worker-close-gracefully"
    ) -> None:
        """Finish what has begun, then leave; Dask calls this when the lifetime is over."""
        if self.status not in (Status.running, Status.paused):
            await super().close_gracefully(restart=restart, reason=reason)
            return
        self.status = Status.closing_gracefully  # tells the scheduler; nothing new begins here
        while self.state.executing or self.state.long_running:
            await asyncio.sleep(POLL_SECONDS)
        await asyncio.sleep(POLL_SECONDS)  # the word that the last one is done goes first
        await self.scheduler.retire_workers(
            workers=[self.address], close_workers=False, remove=True, stimulus_id=reason
        )
        await self.close(nanny=not (self.lifetime_restart if restart is None else restart))


def choose_device(name: str, environment: MutableMapping[str, str]) -> None:
    """Leave one of the visible GPUs visible, before anything looks at them.

    Args:
        name: of the worker; Dask numbers the workers of one command: `gpu-0`, `gpu-1`.
        environment: in which CUDA_VISIBLE_DEVICES may stand; changed.
    """
    devices = [device for device in environment.get(VISIBLE, "").split(",") if device]
    number = name.rpartition("-")[2]
    if devices and number.isdigit():
        environment[VISIBLE] = devices[int(number) % len(devices)]
