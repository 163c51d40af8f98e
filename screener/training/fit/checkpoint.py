"""Checkpoints of a fit in a folder.

One safetensors file for each name, written beside and renamed, so that a file that is there is
whole; one that cannot be read is as good as none. No pickle.
"""

import logging
import time
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from screener.training.fit.progress import Arrays

log = logging.getLogger(__name__)


class FolderProgress:
    """`models.progress.Progress` in a local folder.

    Args:
        folder: made if missing.
        seconds: between checkpoints.
    """

    def __init__(self, folder: Path, seconds: float = 300.0) -> None:
        self._folder = folder
        self._seconds = seconds
        self._last = time.monotonic()
        folder.mkdir(parents=True, exist_ok=True)

    def load(self, name: str) -> Arrays | None:
        """What was kept under this name, or None."""
        path = self._path(name)
        if not path.exists():
            return None
        try:
            arrays: Arrays = load_file(path)
        except (SafetensorError, OSError) as error:
            log.warning("checkpoint %s cannot be read and is ignored: %s", path, error)
            return None
        log.info("going on from checkpoint %s", path)
        return arrays

    def due(self) -> bool:
        """Whether the last checkpoint is `seconds` old."""
        return time.monotonic() - self._last >= self._seconds

    def save(self, name: str, arrays: Arrays) -> None:
        """Keep arrays under this name in the place of what was there, whole or not at all."""
        started = time.monotonic()
        path = self._path(name)
        temporary = path.with_suffix(".partial")
        # safetensors writes memory as it lies, whatever the order of the axes
        save_file({key: np.ascontiguousarray(each) for key, each in arrays.items()}, temporary)
        temporary.replace(path)
        self._last = time.monotonic()
        log.info("checkpoint %s in %.0f s", path, self._last - started)

    def clear(self) -> None:
        """Remove what was kept: the fit is done."""
        for path in self._folder.glob("*.safetensors"):
            path.unlink()

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.safetensors"
