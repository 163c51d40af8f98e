"""A Dask worker that leaves between two units and uses one GPU.

Given to `dask worker` as `--worker-class`. When the `--lifetime` of Dask's own worker is over, it
abandons the task it is running; the scheduler starts that task again elsewhere, and minutes of
chemistry are lost. This worker instead accepts no further task, finishes those it has begun, hands
over their results and leaves.
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
    """`distributed.Worker` that finishes its tasks before it leaves; the arguments are the same."""

    status: Status  # Dask's property

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if "GPU" in (kwargs.get("resources") or {}):
            choose_device(str(kwargs.get("name")), os.environ)
        super().__init__(*args, **kwargs)

    async def close_gracefully(
        self, restart: bool | None = None, reason: str = "worker-close-gracefully"
    ) -> None:
        """Finish the tasks that have begun, then leave; Dask calls this when the lifetime is over.

        Args:
            restart: whether the nanny starts the worker again; by default as `--lifetime-restart`.
            reason: text for Dask's log.
        """
        if self.status not in (Status.running, Status.paused):
            await super().close_gracefully(restart=restart, reason=reason)
            return
        self.status = Status.closing_gracefully  # tells the scheduler; nothing new begins here
        while self.state.executing or self.state.long_running:
            await asyncio.sleep(POLL_SECONDS)
        await asyncio.sleep(POLL_SECONDS)  # the message that the last task is done goes first
        await self.scheduler.retire_workers(
            workers=[self.address], close_workers=False, remove=True, stimulus_id=reason
        )
        await self.close(nanny=not (self.lifetime_restart if restart is None else restart))


def choose_device(name: str, environment: MutableMapping[str, str]) -> None:
    """Hide all visible GPUs but one; has to be called before any library looks for GPUs.

    Args:
        name: name of the worker; Dask numbers the workers of one command: `gpu-0`, `gpu-1`.
        environment: environment variables; CUDA_VISIBLE_DEVICES, if set, is changed in place.
    """
    devices = [device for device in environment.get(VISIBLE, "").split(",") if device]
    number = name.rpartition("-")[2]
    if devices and number.isdigit():
        environment[VISIBLE] = devices[int(number) % len(devices)]
