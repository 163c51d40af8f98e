"""How a search grows with its library: memory, bytes through the scheduler, files and reads.

    python tests/benchmarks/scale.py --rows 100000 1000000 10000000

For each size, a campaign with trivial science (`trivial_science`) from `2d` over a search with a
tenth of the rows as its budget, in ten batches, to the shortlist. Printed are for each size:

- seconds of `2d`, of the search and its stage, and of the ranking
- the client's peak memory, and how much of it the campaign added
- bytes of task arguments and results, which go through the scheduler: of all tasks, and the most
  that one round of the search took
- files at the end, and the most that one folder held at any time
- reads, writes, listings of folders and bytes, of the client and of all workers

and, between two sizes, the power of the number of rows with which each figure grows.
"""

import argparse
import math
import os
import pickle
import shutil
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # workers get it too
import trivial_science
from engine import cluster, resident

from screener.campaign.driver import candidates, run, stage_run
from screener.campaign.driver.run import carry_out
from screener.campaign.results import rank as ranking
from screener.campaign.results import segments
from screener.execution.tasks import run_tasks
from screener.stores.files import Folder

LOOK_SECONDS = 0.5
Figures = dict[str, float]


class Traffic:
    """Counts what tasks are told and what they answer."""

    def __init__(self) -> None:
        self.of_round: Counter[int] = Counter()
        self.round = 0

    def run_tasks(self, client, tasks, **more):
        def counted():
            for task in tasks:
                self.of_round[self.round] += len(pickle.dumps(task.arguments))
                yield task

        for completed in run_tasks(client, counted(), **more):
            self.of_round[self.round] += len(pickle.dumps(completed.result))
            yield completed

    @contextmanager
    def counting(self) -> Iterator[None]:
        modules = (stage_run, candidates, segments)
        rounds, rank = run._rounds, ranking.rank
        for module in modules:
            module.run_tasks = self.run_tasks

        def counted_rounds(*arguments):
            for each in rounds(*arguments):
                yield each
                self.round += 1  # what chooses the next batch belongs to it

        run._rounds = counted_rounds
        try:
            yield
        finally:
            run._rounds, ranking.rank = rounds, rank
            for module in modules:
                module.run_tasks = run_tasks


class Watch(threading.Thread):
    """The client's memory, and how many files each folder holds, now and then."""

    def __init__(self, root: Path) -> None:
        super().__init__(daemon=True)
        self._root, self._ended = root, threading.Event()
        self.peak = self.first = resident(os.getpid())
        self.largest: Counter[str] = Counter()  # by what the folder is for

    def run(self) -> None:
        while not self._ended.wait(LOOK_SECONDS):
            self.look()

    def look(self) -> None:
        self.peak = max(self.peak, resident(os.getpid()))
        for name in ("campaign/receipts", "campaign/predictions", "campaign/funnel", "library"):
            for folder, _, files in os.walk(self._root / name):
                if "structures" not in Path(folder).parts:
                    key = str(Path(folder).relative_to(self._root))
                    self.largest[key] = max(self.largest[key], len(files))

    def end(self) -> None:
        self._ended.set()
        self.join()
        self.look()


def measured(path: Path, n_rows: int, n_workers: int) -> Figures:
    """Run one campaign and count."""
    setup = trivial_science.setup_of(str(path), n_rows, n_rows // 10)
    folder = Folder(f"{path}/campaign")
    traffic, watch = Traffic(), Watch(path)
    ends: dict[str, float] = {}
    with cluster(n_workers, str(path)) as (client, _, _):
        client.register_plugin(trivial_science.Trivial())
        before = Counter(trivial_science.io_counts())
        watch.start()
        started = time.monotonic()
        with traffic.counting():
            carry_out(
                folder,
                setup,
                client,
                progress=lambda now: ends.update({now.stage: time.monotonic()}),
            )
        ended = time.monotonic()
        watch.end()
        own = Counter(trivial_science.io_counts())
        own.subtract(before)
        workers: Counter[str] = Counter()
        for counts in client.run(trivial_science.io_counts).values():
            workers.update(counts)
    n_files = sum(len(files) for _, _, files in os.walk(path / "campaign"))
    name, n_largest = watch.largest.most_common(1)[0]
    print(f"  most files at a time: {n_largest} in {name}")
    rounds = [size for number, size in traffic.of_round.items() if number > 0]
    return {
        "seconds of 2d": ends["2d"] - started,
        "seconds of the search": ends["trivial"] - ends["2d"],
        "seconds of the ranking": ended - ends["trivial"],
        "client's peak memory, MB": watch.peak,
        "of it added, MB": watch.peak - watch.first,
        "through the scheduler, MB": sum(traffic.of_round.values()) / 1e6,
        "most in a round, MB": max(rounds) / 1e6,
        "files at the end": n_files,
        "most in one folder": n_largest,
        "client's reads": own["reads"],
        "client's bytes read, MB": own["bytes_read"] / 1e6,
        "client's listed names": own["names_listed"],
        "workers' reads": workers["reads"],
        "workers' bytes read, MB": workers["bytes_read"] / 1e6,
        "workers' bytes written, MB": workers["bytes_written"] / 1e6,
    }


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--folder", help="where to write; by default a temporary folder")
    asked = parser.parse_args()
    trivial_science.install()
    before: tuple[int, Figures] | None = None
    for n_rows in asked.rows:
        path = Path(tempfile.mkdtemp(dir=asked.folder))
        try:
            print(f"{n_rows:,} rows", flush=True)
            figures = measured(path, n_rows, asked.workers)
        finally:
            shutil.rmtree(path)
        for name, value in figures.items():
            law = ""
            if before is not None and min(value, before[1][name]) > 0:
                power = math.log(value / before[1][name]) / math.log(n_rows / before[0])
                law = f"  rows^{power:.2f}"
            print(f"  {name:28} {value:14,.1f}{law}", flush=True)
        before = n_rows, figures


if __name__ == "__main__":
    main()
