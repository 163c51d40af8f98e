"""A cluster whose scheduler and workers are processes of their own, so memory is told apart."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from distributed import Client

from screener.cluster.factory import connect
from screener.cluster.settings import AddressSettings


@contextmanager
def cluster(n_workers: int, path: str) -> Iterator[tuple[Client, int, list[int]]]:
    """A scheduler process and worker processes of their own, with the client and their pids."""
    file = f"{path}/scheduler.json"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    dask = [sys.executable, "-m", "distributed.cli.dask_scheduler"]
    common = ["--scheduler-file", file, "--host", "127.0.0.1"]
    options = {"env": environment, "stderr": subprocess.DEVNULL}
    scheduler = subprocess.Popen([*dask, *common, "--port", "0", "--no-dashboard"], **options)
    worker = [sys.executable, "-m", "distributed.cli.dask_worker", *common, "--no-dashboard"]
    workers = subprocess.Popen(
        [*worker, "--nworkers", str(n_workers), "--nthreads", "1", "--local-directory", path],
        **options,
    )
    try:
        while not os.path.exists(file):
            time.sleep(0.1)
        with connect(AddressSettings(address=file)) as client:
            client.wait_for_workers(n_workers)
            yield client, scheduler.pid, list(client.run(os.getpid).values())
    finally:
        for process in (workers, scheduler):
            process.terminate()
            process.wait()


def resident(pid: int) -> float:
    """Resident memory of a process in MB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
