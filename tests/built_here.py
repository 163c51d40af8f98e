"""Libraries built in the process of a test, without a cluster and without children."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from screener.chemistry.standardise import StandardiseSettings
from screener.errors import MoleculeError
from screener.execution.tasks import Completed, Task
from screener.library.settings import Layout
from screener.library_build import passes
from screener.library_build.build import build_library
from screener.stores.library import LibraryStore


def in_line(function: Callable[[Any], Any], items: Sequence[Any], **_: Any) -> list[Any]:
    results = []
    for item in items:
        try:
            results.append(function(item))
        except MoleculeError as error:
            results.append(error)
    return results


def lazily(_: Any, tasks: Iterable[Task]) -> Iterator[Completed]:
    for task in tasks:
        yield Completed(task, task.function(*task.arguments))


def library_of(
    inputs: Sequence[Path], out: Path, layout: Layout | None = None, **options: Any
) -> LibraryStore:
    """A library of some files."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passes, "run_tasks", lazily)
        patch.setattr(passes, "isolated_map", in_line)
        return build_library(
            [str(path) for path in inputs],
            str(out),
            StandardiseSettings(),
            None,  # type: ignore[arg-type]  # no cluster
            layout=layout or Layout(),
            **options,
        )
