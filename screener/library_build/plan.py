"""What a build is to do, and how far it is."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from screener.library.settings import BuildSettings, Layout
from screener.library.sources import Source
from screener.stores.files import Folder
from screener.stores.library import InputFile


@dataclass(frozen=True, slots=True)
class BuildProgress:
    """How far a build is."""

    phase: str  # `read`, `standardise`, `deduplicate` or `write`
    done: int  # tasks of this phase
    total: int
    read: int  # records so far
    quarantined: int


Report = Callable[[BuildProgress], None]


@dataclass(frozen=True, slots=True)
class BuildPlan:
    """A build that can start: its inputs were looked at, nothing is written yet."""

    folder: Folder
    sources: tuple[Source, ...]
    inputs: tuple[InputFile, ...]
    settings: BuildSettings
    layout: Layout

    @property
    def identity(self) -> dict[str, Any]:
        """What a library must have been made from to be this one."""
        return {
            "settings": self.settings.model_dump(mode="json"),
            "inputs": [file.model_dump() for file in self.inputs],
        }
