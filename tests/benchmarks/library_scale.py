"""A library build without its chemistry: what the client, the scheduler and the store have to bear.

    python tests/benchmarks/library_scale.py --rows 100000 1000000

Every text is taken for a molecule, and one row in ten for a repetition; all else is what a build
does. For each size: seconds of each phase, reads, writes and bytes of all processes by what they
are, what goes through the scheduler, the files and the largest folder before they are cleared away,
and the peak memory of every process. With `--cutting`, the rows per second that one task looks
through in each kind of input, which is all that happens to rows before the workers share them.
"""

import argparse
import gzip
import os
import pickle
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from distributed import Client

sys.path.insert(0, str(Path(__file__).parent))  # workers get it too
from own_cluster import cluster, resident
from trivial_block import COUNTS, count_accesses, counted, trivial_block

from screener.chemistry.standardise import StandardiseSettings
from screener.execution.tasks import Completed, Task, run_tasks
from screener.library.record_blocks import Input, RecordRange
from screener.library.settings import BuildSettings, Layout
from screener.library.sources import find_sources, fingerprint
from screener.library_build import passes
from screener.library_build.build import plan_build
from screener.library_build.cut_inputs import cut_span, plan_spans
from screener.library_build.folder import begin, clear
from screener.library_build.plan import BuildProgress
from screener.library_build.storage_keys import task_name
from screener.records import Receipt
from screener.stores.files import Folder


class TrivialPasses(passes.Passes):
    """The passes of a build whose blocks are made by `trivial_block`."""

    def _block_task(
        self, block: int, ranges: Sequence[RecordRange], inputs: Mapping[int, Input]
    ) -> Task:
        arguments = (self._temporary, block, ranges, inputs, self._settings, self._layout)
        return Task(task_name("block", block), trivial_block, arguments, "CPU")


def texts(n_rows: int) -> Iterator[str]:
    """Lines as long as molecules are; one in ten comes up again after a third of the rows."""
    for k in range(n_rows):
        number = k % (n_rows // 3 + 1) if k % 10 == 0 else k
        yield f"COC(=O)OCC(F)(F)COCC{number:012d}"


class Sent:
    """Bytes of all tasks and of all that they return; both go through the scheduler."""

    def __init__(self) -> None:
        self.n_bytes = 0
        self.n_tasks = 0

    def __call__(self, client: Client, tasks: Iterable[Task]) -> Iterator[Completed]:
        for completed in run_tasks(client, self._noted(tasks)):
            self.n_bytes += len(pickle.dumps(completed.result))
            yield completed

    def _noted(self, tasks: Iterable[Task]) -> Iterator[Task]:
        for task in tasks:
            self.n_tasks += 1
            self.n_bytes += len(pickle.dumps((task.function, task.arguments)))
            yield task


def build(n_rows: int, folder: Path, n_workers: int) -> None:
    """Build and print."""
    source = folder / f"{n_rows}.smi"
    with source.open("w") as file:
        file.writelines(f"{text}\n" for text in texts(n_rows))
    started = time.perf_counter()
    plan = plan_build([str(source)], str(folder / f"library-{n_rows}"), StandardiseSettings())
    phases = {"look at inputs": time.perf_counter() - started}
    sent = Sent()
    passes.run_tasks = sent  # type: ignore[assignment]  # called with two arguments
    with cluster(n_workers, str(folder)) as (client, scheduler, workers):
        count_accesses()
        client.run(count_accesses)
        last = time.perf_counter()

        def note(now: BuildProgress) -> None:
            nonlocal last
            phases[now.phase] = phases.get(now.phase, 0) - last + (last := time.perf_counter())

        begin(plan.folder, plan.identity)
        begun = resident(os.getpid())
        TrivialPasses(plan, client, note).run()
        total: Counter[str] = Counter(COUNTS)
        for of_worker in client.run(counted).values():
            total.update(of_worker)
        peaks = [peak(os.getpid()), peak(scheduler), max(map(peak, workers))]
    sizes = {path: len(inside) + len(files) for path, inside, files in os.walk(plan.folder.url)}
    n_files = sum(len(files) for _, _, files in os.walk(plan.folder.url))
    clear(plan.folder)
    seconds = sum(phases.values())
    print(f"{n_rows} rows in {seconds:.0f} s, {n_rows / seconds:,.0f}/s with {n_workers} workers:")
    print("  " + ", ".join(f"{phase} {spent:.1f} s" for phase, spent in phases.items()))
    print(f"  {sent.n_tasks} tasks, {sent.n_bytes / 1e6:.2f} MB through the scheduler")
    print(f"  {n_files} files, {max(sizes.values())} entries in the largest folder")
    print(
        f"  peak MB: client {peaks[0]:.0f} (at the start {begun:.0f}), scheduler {peaks[1]:.0f}, "
        f"largest worker {peaks[2]:.0f}"
    )
    for name in sorted(name for name in total if not name.endswith("bytes")):
        print(f"  {name}: {total[name]} times, {total[f'{name}, bytes'] / 1e6:.1f} MB")
    sys.stdout.flush()


def peak(pid: int) -> float:
    """Largest resident memory that a process has had, in MB."""
    if pid == os.getpid():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1e3


@contextmanager
def timed(what: str, n_rows: int) -> Iterator[None]:
    """Print rows per second of processor time."""
    started = time.process_time()
    yield
    print(f"  {what}: {n_rows / (time.process_time() - started):,.0f} rows/s", flush=True)


def cutting(n_rows: int, folder: Path) -> None:
    """Print how fast one task looks through each kind of input, and the client hashes them."""
    rows = list(texts(n_rows))
    lines = "".join(f"{text} id-{k}\n" for k, text in enumerate(rows)).encode()
    table = b"smiles,id\n" + lines.replace(b" ", b",")
    quoted = b"smiles,id\n" + b"".join(
        b'"%b","x"\n' % line.split()[0] for line in lines.splitlines()
    )
    inputs = {
        "SMILES": ("a.smi", lines),
        "SMILES, gzip": ("b.smi.gz", gzip.compress(lines, 1)),
        "CSV without quotes": ("c.csv", table),
        "CSV with quotes": ("d.csv", quoted),
    }
    print(f"{n_rows} rows looked through by one task:")
    for name, (file, data) in inputs.items():
        (folder / file).write_bytes(data)
        cut(name, folder / file, n_rows)
    pq.write_table(pa.table({"smiles": rows}), folder / "e.parquet")
    cut("Parquet", folder / "e.parquet", n_rows)


def cut(name: str, path: Path, n_rows: int) -> None:
    """Print the rate for one input."""
    (source,) = find_sources([str(path)])
    with timed(f"{name}, its checksum", n_rows):
        file = fingerprint(source)
    temporary = Folder(f"{path}.tmp")
    with timed(name, n_rows):
        for span in plan_spans([source], [file], Layout()):
            assert isinstance(cut_span(temporary, span, BuildSettings(), Layout()), Receipt)


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, nargs="*", default=[100_000, 1_000_000])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--cutting", type=int, metavar="ROWS", help="measure that as well")
    parser.add_argument("--folder", help="where to write; by default a temporary folder")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        for n_rows in options.rows:
            build(n_rows, Path(folder), options.workers)
        if options.cutting:
            cutting(options.cutting, Path(folder))


if __name__ == "__main__":
    main()
