"""A Dask cluster of separate processes that can be killed, and campaigns run by a command on it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import forked
import psutil

from screener.campaign.results.accounts import Accounts, accounts
from screener.campaign.tasks import WORKER_IMPORTS
from screener.cluster import dask_config, worker_main
from screener.stores.files import Folder

SHORTLIST = ("shortlist.parquet", "shortlist.csv", "shortlist.sdf")
SCREENER = (sys.executable, "-m", "screener")
SOAK = bool(os.environ.get("SCREENER_SOAK"))  # the long forms, by `make soak`
INJECT = Path(__file__).parent / "inject"
SECONDS = 300.0  # for anything that happens within moments on a quiet machine


def injected(seconds: float = 0.0, fates: Mapping[str, str] | None = None) -> dict[str, str]:
    """Environment of workers whose molecules take longer, or meet a fate, by their SMILES."""
    return {
        "SCREENER_TEST_SECONDS": str(seconds),
        "SCREENER_TEST_FATES": json.dumps(dict(fates or {})),
        "PYTHONPATH": os.pathsep.join([str(INJECT), *sys.path]),
    }


class Machines:
    """Processes of a cluster: one scheduler, and workers with their nannies as `screener` has them
    on one machine."""

    def __init__(self, folder: Path, environment: Mapping[str, str] | None = None) -> None:
        self._folder = folder
        self._environment = {**os.environ, **(environment or {}), **dask_config.inherited({}, {})}
        self._processes: list[forked.Popen] = []
        self.start_scheduler()

    @property
    def address(self) -> str:
        """What `--scheduler` takes."""
        return str(self._folder / "scheduler.json")

    def start_scheduler(self) -> None:
        """Start one; the file with its address is written anew."""
        Path(self.address).unlink(missing_ok=True)
        options = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard"]
        self.scheduler = self._start(["distributed.cli.dask_scheduler"], options)
        wait_until(Path(self.address).exists)

    def start_workers(self, n: int, resource: str | None = None) -> forked.Popen:
        """Start a process with `n` nannies; returns it."""
        options = ["--nworkers", str(n), "--nthreads", "1", "--host", "127.0.0.1"]
        options += ["--no-dashboard", "--death-timeout", "60"]
        options += ["--local-directory", str(self._folder)]
        options += [] if resource is None else ["--resources", f"{resource}=1"]
        return self._start([worker_main.__name__, WORKER_IMPORTS], options)

    def _start(self, program: list[str], options: list[str]) -> forked.Popen:
        process = forked.Popen(
            [sys.executable, "-m", *program, "--scheduler-file", self.address, *options],
            env=self._environment,
            stdin=subprocess.PIPE,  # when it is closed, workers end
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._processes.append(process)
        return process

    def stop(self) -> None:
        """End everything at once: workers that are asked to leave take seconds for it."""
        for process in self._processes:
            with suppress(psutil.NoSuchProcess):
                for child in psutil.Process(process.pid).children(recursive=True):
                    with suppress(psutil.NoSuchProcess):
                        child.kill()
            process.kill()
            process.communicate()  # closes its pipe


def worker_pids(nannies: forked.Popen) -> list[int]:
    """Process ids of the workers that are alive now, in the order in which they started."""
    children = psutil.Process(nannies.pid).children()
    server = [
        each
        for each in children
        if "multiprocessing.resource_tracker" not in " ".join(each.cmdline())
    ]
    workers = [worker for each in server for worker in each.children()]
    return [each.pid for each in sorted(workers, key=psutil.Process.create_time)]


class Command:
    """`screener screen` on a cluster, as a process."""

    def __init__(self, library: Path, campaign: Path, config: Path, scheduler: str) -> None:
        self._arguments = ["screen", str(library), "--out", str(campaign)]
        self._arguments += ["--config", str(config), "--scheduler", scheduler]
        self.campaign = campaign

    def start(self) -> forked.Popen:
        """Start it, in a session of its own."""
        return forked.Popen(
            [*SCREENER, *self._arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self) -> str:
        """Run it to its end; returns what it printed."""
        process = self.start()
        output, _ = process.communicate(timeout=4 * SECONDS)
        assert process.returncode == 0, output
        return output

    def n_done(self) -> int:
        """Units that have a receipt."""
        return len([*(self.campaign / "receipts").rglob("*.json")])

    def shortlist(self) -> dict[str, bytes]:
        """The three files."""
        return {name: (self.campaign / name).read_bytes() for name in SHORTLIST}

    def accounts(self) -> Accounts:
        """Where every row ended."""
        return accounts(Folder(str(self.campaign)))


def kill(process: forked.Popen) -> None:
    """End a command as a power cut would."""
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def wait_until(condition: Callable[[], object]) -> None:
    """Look at a condition until it holds."""
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)
