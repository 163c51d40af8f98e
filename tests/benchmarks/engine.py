"""Many units whose science is trivial, through driver, scheduler and the real stores.

    python tests/benchmarks/engine.py --units 250000

Prints the rate, the memory of client, scheduler and workers on the way, and the files that are left
at the end with the largest folder among them. Everything but the science is what a campaign does:
the window of tasks, a structure unit, predictions and two receipts a unit, sums, joined files.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

from distributed import Client

sys.path.insert(0, str(Path(__file__).parent))  # workers get it too
from own_cluster import cluster, resident
from trivial_stage import setup_of, trivial_unit

from screener.campaign.driver.stage_run import StageRun
from screener.campaign.settings.plan import Unit
from screener.campaign.settings.setup import Setup
from screener.campaign.settings.stage import Campaign
from screener.execution.tasks import Task
from screener.stores.files import Folder


class TrivialStage(StageRun):
    """A stage whose units are made by `trivial_unit`."""

    def _task(self, unit: Unit, split: bool) -> Task:
        return Task(
            f"{self.store.stage}-{unit.name[:12]}",
            trivial_unit,
            (self._job, unit, self.totals.floor),
        )


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--units", type=int, default=250_000)
    parser.add_argument("--unit-rows", type=int, default=4)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--folder", help="where to write; by default a temporary folder")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=asked.folder) as path, cluster(asked.workers, path) as own:
        client, scheduler, workers = own
        setup = setup_of(path, asked.units * asked.unit_rows, asked.unit_rows)
        run(client, scheduler, workers, Folder(f"{path}/campaign"), setup, asked.units)
        count_files(Path(path))


def run(
    client: Client, scheduler: int, workers: list[int], folder: Folder, setup: Setup, n_units: int
) -> None:
    """Carry the stage out, and tell twenty times how it stands."""
    stage = TrivialStage(Campaign(folder, setup).stages[0])
    started = last = time.monotonic()
    step = max(1, n_units // 20)
    print("units, units/s, MB: client, scheduler, largest worker", flush=True)
    for n_done, _ in enumerate(stage.carry_out(client), 1):
        if n_done % step == 0:
            now = time.monotonic()
            memory = [resident(os.getpid()), resident(scheduler), max(map(resident, workers))]
            print(f"{n_done} {step / (now - last):.0f}", *(f"{m:.0f}" for m in memory), flush=True)
            last = now
    stage.store.sweep()
    seconds = time.monotonic() - started
    assert stage.totals.n_units == n_units
    assert stage.totals.counts["in"] == setup.n_rows
    print(f"{n_units} units in {seconds:.0f} s: {n_units / seconds:.0f} units/s")
    started = time.monotonic()
    again = TrivialStage(Campaign(folder, setup).stages[0])
    assert again.totals.top == stage.totals.top
    print(f"read back for a resumption in {time.monotonic() - started:.1f} s")


def count_files(root: Path) -> None:
    """What lies on disk."""
    for name in ("campaign", "library"):
        sizes = {folder: len(files) for folder, _, files in os.walk(root / name)}
        largest = max(sizes, key=lambda folder: sizes[folder])
        print(
            f"{name}: {sum(sizes.values())} files, most in {Path(largest).relative_to(root)}: "
            f"{sizes[largest]}"
        )


if __name__ == "__main__":
    main()
