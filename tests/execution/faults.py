"""Functions with the faults that chemistry has, importable by child processes and workers."""

import os
import signal
import sys
import threading
import time
from pathlib import Path

from screener.errors import MoleculeError
from screener.execution.child import isolated_map


def atoms(smiles: str) -> int:
    """Letters of a SMILES; what they start with may be an order to fail."""
    order, _, rest = smiles.partition(":")
    if not rest:
        return sum(letter.isalpha() for letter in smiles)
    if order == "segfault":
        os.kill(os.getpid(), signal.SIGSEGV)
    elif order == "sleep":
        time.sleep(3600)
    elif order == "spin":
        while True:
            pass
    elif order == "allocate":
        hoard = []
        while True:
            hoard.append(b"x" * (1 << 24))
    elif order == "too much at once":
        bytearray(1 << 60)
    elif order == "exit":
        sys.exit(7)
    elif order == "molecule":
        raise MoleculeError("embedding_failed", f"no geometry for {rest}")
    elif order == "bug":
        raise ValueError(f"a bug, at {rest}")
    elif order == "bug that does not pickle":
        raise Unpicklable(threading.Lock())
    elif order == "print":
        os.write(1, b"to the descriptor\n" * 10000)
        sys.stdout.write("to the stream\n")
        sys.stdout.flush()
        sys.__stdout__.flush()
    elif order.startswith("once"):  # killed from outside, as by an operator
        marker = Path(order.removeprefix("once "))
        if not marker.exists():
            marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
    return sum(letter.isalpha() for letter in rest)


class Unpicklable(Exception):
    """Holds something that cannot travel."""


class KillsWhereItIsLoaded:
    """A request that no child survives unpacking."""

    def __reduce__(self):
        return os._exit, (3,)


def process_id(_: object) -> int:
    return os.getpid()


def big(n_bytes: int) -> bytes:
    return bytes(n_bytes)


def thread_limits(_: object) -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.endswith("_THREADS")}


def child_of_worker(path: str) -> None:
    """As a task: leave the child's process id in a file, then keep the child busy."""
    (pid,) = isolated_map(process_id, [None], wall_clock_seconds=60)
    Path(path).write_text(str(pid))
    isolated_map(time.sleep, [3600], wall_clock_seconds=7200)


def add(a: int, b: int) -> int:
    return a + b


def slowly(seconds: float, value: int) -> int:
    time.sleep(seconds)
    return value


def kills_its_worker(marker: str | None) -> str:
    """As a task: end the worker's process, each time or where the marker does not exist."""
    if marker is None or not Path(marker).exists():
        if marker is not None:
            Path(marker).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "survived"


def stops_its_worker(marker: str) -> str:
    """As a task: the worker's process hangs, the first time."""
    if not Path(marker).exists():
        Path(marker).write_text(str(os.getpid()))
        os.kill(os.getpid(), signal.SIGSTOP)
    return "survived"


def fails(kind: str) -> None:
    if kind == "molecule":
        raise MoleculeError("scf_not_converged", "no convergence in 250 iterations")
    raise ZeroDivisionError(kind)


def where(_: int) -> str:
    from distributed import get_worker

    return str(get_worker().name)


def lock(_: object) -> object:
    """A result that cannot be pickled."""
    return threading.Lock()
