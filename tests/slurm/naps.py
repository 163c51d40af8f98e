"""A task that workers import quickly."""

import os
import time
from pathlib import Path


def nap(folder: str, number: int) -> int:
    """Sleep a second; leaves a file that tells which Slurm job began."""
    Path(folder, f"{number}.{os.environ['SLURM_JOB_ID']}.{time.time_ns()}").touch()
    time.sleep(1)
    return number
