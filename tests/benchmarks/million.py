"""A library of a million molecules: how fast beside a plain loop, and how much memory.

    python tests/benchmarks/million.py --molecules 100000 1000000

For each size: the build's rate on this machine's cores; the rate of as many plain loops over
`standardise`, one per core, on an even sample, half of them before the build and half after; and
the peak resident memory of every kind of process.
"""

import argparse
import multiprocessing
import os
import sys
import tempfile
import threading
import time
from collections import defaultdict
from pathlib import Path

import psutil
from candidates import candidates, write
from dask.system import CPU_COUNT

from screener.chemistry.standardise import StandardiseSettings, standardise
from screener.cluster.factory import connect
from screener.cluster.settings import LocalSettings
from screener.errors import MoleculeError
from screener.execution.threads import one_thread
from screener.library_build.build import build_library

N_SAMPLE = 10_000  # of each plain loop
ROLES = {"worker_main": "nannies", "child_main": "chemistry", "multiprocessing": "worker"}


class Watch:
    """Peak memory of this process and of those it started, by what they do."""

    def __init__(self) -> None:
        self.peaks: dict[str, float] = defaultdict(float)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        own = psutil.Process()
        while not self._ended.wait(0.5):
            for process in [own, *own.children(recursive=True)]:
                try:
                    role, size = self._role(process, own), process.memory_info().rss / 1e6
                except psutil.Error:  # it has just ended
                    continue
                self.peaks[role] = max(self.peaks[role], size)

    @staticmethod
    def _role(process: psutil.Process, own: psutil.Process) -> str:
        if process == own:
            return "client and scheduler"
        words = " ".join(process.cmdline())
        return next((role for key, role in ROLES.items() if key in words), "other")


def loop(lines: list[str]) -> float:
    """Molecules per second of a plain loop."""
    one_thread()
    settings = StandardiseSettings()
    started = time.perf_counter()
    for line in lines:
        try:
            standardise(line.split()[0], settings)
        except MoleculeError:
            continue
    return len(lines) / (time.perf_counter() - started)


def loops(lines: list[str]) -> float:
    """Molecules per second of as many plain loops as there are cores, together."""
    parts = [lines[i::CPU_COUNT] for i in range(CPU_COUNT)]
    with multiprocessing.get_context("spawn").Pool(CPU_COUNT) as pool:
        pool.map(loop, [part[:200] for part in parts])  # imports
        return sum(pool.map(loop, parts, chunksize=1))


def main() -> None:
    """Build and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--molecules", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--folder", help="where to write; by default a temporary folder")
    asked = parser.parse_args()
    sample = [*candidates(2 * CPU_COUNT * N_SAMPLE, seed=1)]
    with tempfile.TemporaryDirectory(dir=asked.folder) as folder:
        for n_molecules in asked.molecules:
            source = write(Path(folder) / f"{n_molecules}.smi", n_molecules)
            before = loops(sample[::2])
            started = time.perf_counter()
            with Watch() as watch, connect(LocalSettings(workers=CPU_COUNT)) as client:
                library = build_library(
                    [str(source)], f"{folder}/library-{n_molecules}", StandardiseSettings(), client
                )
            rate = n_molecules / (time.perf_counter() - started)
            plain = (before + loops(sample[1::2])) / 2
            totals = library.manifest.totals
            print(
                f"{n_molecules}: {rate:.0f} molecules/s, plain loops {plain:.0f}: "
                f"{rate / plain:.0%}; {totals.kept} kept, {totals.duplicates} duplicates, "
                f"{totals.quarantined} quarantined; {os.path.getsize(source) / 1e6:.0f} MB read"
            )
            print("  peak MB: " + ", ".join(f"{k} {v:.0f}" for k, v in sorted(watch.peaks.items())))
            sys.stdout.flush()


if __name__ == "__main__":
    main()
