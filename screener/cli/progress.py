"""Shows the live progress of a library build on standard error."""

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from screener.library_build.build import BuildProgress

_TITLES = {
    "read": "cut inputs",
    "standardise": "standardise",
    "deduplicate": "find duplicates",
    "write": "write shards",
}


class BuildDisplay:
    """One line per pass.

    Args:
        dashboard: address of Dask's dashboard, shown above.
    """

    def __init__(self, dashboard: str) -> None:
        self._console = Console(stderr=True)
        self._dashboard = dashboard
        self._progress = Progress(
            TextColumn("{task.description:<16}"),
            BarColumn(),
            TextColumn("{task.fields[state]}"),
            TimeElapsedColumn(),
            console=self._console,
        )
        self._lines: dict[str, TaskID] = {}

    def __enter__(self) -> "BuildDisplay":
        self._console.print(f"Dask dashboard: {self._dashboard}", highlight=False)
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def update(self, now: BuildProgress) -> None:
        """Show how far the build is."""
        if now.phase not in self._lines:
            for line in self._lines.values():  # the passes before have ended
                self._progress.update(line, total=1, completed=1)
                self._progress.stop_task(line)
            title = _TITLES[now.phase]
            self._lines[now.phase] = self._progress.add_task(title, total=now.total, state="")
        state = f"{now.done} of {now.total} tasks"
        if now.phase == "standardise":
            state = f"{now.read:,} molecules, {now.quarantined:,} quarantined"
        self._progress.update(self._lines[now.phase], completed=now.done, state=state)
