"""Chemistry in a child process, so that a molecule that never returns or crashes costs only itself.

Native code cannot be interrupted inside a thread. Each thread that calls `isolated_map` therefore
keeps one long-lived child process. Before each item the child writes the item's position to shared
memory. The parent kills the child when it has spent too long on one item or has grown beyond its
memory limit. Whether killed or dead by itself, the item at which it stopped gets a `MoleculeError`
and a new child goes on with the next one. `child_main` is the code that runs in the child.
"""

import logging
import mmap
import os
import pickle
import re
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from typing import Any, NoReturn, TypeVar

import cloudpickle

from screener.errors import MoleculeError, ScreenerError
from screener.execution import child_main as protocol
from screener.execution.threads import ONE_THREAD
from screener.waiting import Wait

T = TypeVar("T")
R = TypeVar("R")

log = logging.getLogger(__name__)

MEMORY_BYTES = 4 << 30  # of one child; 100 atoms need some 100 MB on top of the libraries
LOADING_SECONDS = 300.0  # to start and import; slow on a cold network file system
TIMED_OUT = "timed_out"
_NOT_FINISHED = re.compile(r"not finished after (\S+) s")
ENDING_SECONDS = 2.0  # between closing its pipe and its exit code
POLL_SECONDS = 0.1
MAX_FAILED_STARTS = 3
_READ_BYTES = 1 << 20
_SLOW_START = (
    "A file system that has not read them before, or too little memory, makes this slow; after "
    f"{LOADING_SECONDS:g} s the process is started again."
)
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")

_of_thread = threading.local()


def isolated_map(
    function: Callable[[T], R],
    items: Sequence[T],
    *,
    wall_clock_seconds: float,
    memory_bytes: int = MEMORY_BYTES,
) -> list[R | MoleculeError]:
    """Run `function(item)` for every item in this thread's child process.

    Args:
        function: a picklable function; the function, the items and the results are pickled to pass
            between the processes.
        items: the items, handled in this order; any number.
        wall_clock_seconds: the longest time for one item, without the child's imports.
        memory_bytes: resident memory at which the child is killed.
    Returns:
        One entry per item, in order: the result, or the `MoleculeError` that the function raised,
        or one with the code `timed_out`, `crashed` or `out_of_memory`. The last two are given only
        to an item that also fails as the first item of a new child, because a child can be killed
        for reasons that have nothing to do with its item.
    Raises:
        ScreenerError: the child cannot be started, or an exception cannot be pickled.
        Exception: any other exception of the function, with the child's traceback as a note.
    """
    if not items:
        return []
    call = _Call(function, items, wall_clock_seconds, memory_bytes)
    while call.waiting:
        child: _Child = _of_thread.__dict__.pop("child", None) or _Child()
        try:
            death = child.run(call)
            if death is None:
                _of_thread.child = child  # in any other case its state is unknown: not used again
            else:
                call.settle(death)
        finally:
            if getattr(_of_thread, "child", None) is not child:
                child.close()
    return [call.results[index] for index in range(len(items))]


def time_limit_of(error: MoleculeError) -> float | None:
    """The seconds after which an item was given up; None where something else went wrong."""
    stated = _NOT_FINISHED.search(error.message) if error.code == TIMED_OUT else None
    return None if stated is None else float(stated[1])


class _Call:
    """One call of `isolated_map`: its results so far, and the positions that still wait."""

    def __init__(
        self,
        function: Callable[[Any], Any],
        items: Sequence[Any],
        wall_clock_seconds: float,
        memory_bytes: int,
    ) -> None:
        # cloudpickle, as the function may be defined in a notebook or a script
        self.function = cloudpickle.dumps(function)
        self.items = items
        self.wall_clock_seconds = wall_clock_seconds
        self.memory_bytes = memory_bytes
        self.results: dict[int, Any] = {}
        self.waiting: list[int] = list(range(len(items)))
        self.suspects: set[int] = set()
        self.n_failed_starts = 0

    def request(self) -> bytes:
        items = pickle.dumps([self.items[index] for index in self.waiting], protocol=5)
        return pickle.dumps((sys.path, self.function, self.waiting, items), protocol=5)

    def settle(self, death: "_Death") -> None:
        """Decide whether the item at which the child died is to blame for its death.

        Raises:
            ScreenerError: children keep dying before they reach an item.
        """
        n_before = len(self.waiting)
        self.waiting = [index for index in self.waiting if index not in self.results]
        if len(self.waiting) < n_before:
            self.n_failed_starts = 0
        position = death.position
        if position < 0:
            self.n_failed_starts += 1
            if self.n_failed_starts >= MAX_FAILED_STARTS:
                raise ScreenerError(
                    f"the chemistry process ({sys.executable}) died {MAX_FAILED_STARTS} times "
                    f"before it reached a molecule: {death.error.message}; "
                    "what it said itself is on standard error"
                )
        elif position in self.waiting:  # otherwise its result arrived before the death
            self.waiting.remove(position)
            if death.error.code == TIMED_OUT or position in self.suspects:
                log.warning("molecule set aside: %s", death.error.message)
                self.results[position] = death.error
            else:
                self.suspects.add(position)
                self.waiting.insert(0, position)


class _Death:
    """The position of a child when it died, and the error for that item if it is to blame."""

    def __init__(self, position: int, error: MoleculeError) -> None:
        self.position = position
        self.error = error


class _Child:
    """One child process, its pipes, and the shared memory that holds its position."""

    def __init__(self) -> None:
        with tempfile.TemporaryFile() as file:
            file.truncate(protocol.MARK_BYTES)
            self._mark = memoryview(mmap.mmap(file.fileno(), protocol.MARK_BYTES)).cast("q")
            self._mark[0] = protocol.LOADING
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-P",
                    "-m",
                    protocol.__name__,
                    str(file.fileno()),
                    str(os.getpid()),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                pass_fds=[file.fileno()],
                env=_environment(),
                bufsize=0,
            )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._requests = self._process.stdin.fileno()
        self._replies = self._process.stdout.fileno()
        os.set_blocking(self._requests, False)
        os.set_blocking(self._replies, False)
        # is called as well when the thread or the interpreter ends
        self.close = weakref.finalize(self, _end, self._process, os.getpid())

    def run(self, call: _Call) -> _Death | None:
        """Send the waiting items and collect results; None when all items have one.

        Returns:
            how the child died, or None.
        Raises:
            ScreenerError: the function raised an exception that cannot be pickled.
            Exception: any other exception of the function.
        """
        self._mark[1] = time.monotonic_ns()
        self._mark[0] = protocol.LOADING
        request = call.request()
        outgoing = memoryview(protocol.LENGTH.pack(len(request)) + request)
        incoming = bytearray()
        next_look = time.monotonic() + POLL_SECONDS
        start = Wait("a chemistry process to start and to import its libraries", _SLOW_START)
        while True:
            writing = [self._requests] if outgoing else []
            readable, writable, _ = select.select([self._replies], writing, [], POLL_SECONDS)
            try:
                if writable:
                    outgoing = outgoing[os.write(self._requests, outgoing) :]
                if readable and not _receive(self._replies, incoming):
                    return self._dead(call, incoming)
            except BrokenPipeError:
                return self._dead(call, incoming)
            if readable and _parse(incoming, call):
                call.waiting = []
                return None
            if (now := time.monotonic()) >= next_look:
                next_look = now + POLL_SECONDS
                if self._mark[0] == protocol.LOADING:
                    start.tell_if_due()
                if death := self._look(call, incoming):
                    return death

    def _look(self, call: _Call, incoming: bytearray) -> _Death | None:
        """Kill the child if it exceeds its time or memory; None while it lives."""
        if self._process.poll() is not None:
            return self._dead(call, incoming)
        position, since = self._mark[0], self._mark[1]
        seconds = (time.monotonic_ns() - since) / 1e9
        if position >= 0 and seconds > call.wall_clock_seconds:
            error = MoleculeError(TIMED_OUT, f"not finished after {call.wall_clock_seconds:g} s")
        elif position == protocol.LOADING and seconds > LOADING_SECONDS:
            error = MoleculeError(TIMED_OUT, f"imports not finished after {LOADING_SECONDS:g} s")
        elif _resident_bytes(self._process.pid) > call.memory_bytes:
            limit = f"{call.memory_bytes / (1 << 20):.0f} MiB"
            error = MoleculeError("out_of_memory", f"its process grew beyond {limit}")
        else:
            return None
        self._process.kill()
        death = self._dead(call, incoming)
        # it may have finished this item in the last moment and be at the next, which is innocent
        return _Death(position if death.position == position else protocol.WAITING, error)

    def _dead(self, call: _Call, incoming: bytearray) -> _Death:
        """Read what the child still sent before it died, and its last position."""
        try:
            status = self._process.wait(ENDING_SECONDS)
        except subprocess.TimeoutExpired:  # its pipe is closed, so it is of no use
            self._process.kill()
            status = self._process.wait()
        while _receive(self._replies, incoming):
            pass
        _parse(incoming, call)
        return _Death(self._mark[0], MoleculeError("crashed", _how_it_ended(status)))


def _environment() -> dict[str, str]:
    return {
        **os.environ,
        **ONE_THREAD,
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
    }


def _end(process: "subprocess.Popen[bytes]", owner: int) -> None:
    if os.getpid() == owner:  # and not a fork of it
        process.kill()
        process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()


def _receive(pipe: int, incoming: bytearray) -> bool:
    """Append what can be read now; False if there is nothing to read or the pipe is closed."""
    try:
        data = os.read(pipe, _READ_BYTES)
    except BlockingIOError:
        return False
    incoming += data
    return bool(data)


def _parse(incoming: bytearray, call: _Call) -> bool:
    """Take all replies that have arrived completely; True when the request is done.

    Raises:
        ScreenerError: the function raised an exception that cannot be pickled.
        Exception: any other exception of the function.
    """
    offset = 0
    done = False
    head = protocol.LENGTH.size
    while len(incoming) - offset >= head:
        start = offset + head
        (length,) = protocol.LENGTH.unpack_from(incoming, offset)
        if len(incoming) < start + length:
            break
        offset = start + length
        for kind, index, value in pickle.loads(memoryview(incoming)[start:offset]):
            if kind == protocol.DONE:
                done = True
            elif kind == protocol.RESULT:
                call.results[index] = value
            elif kind == protocol.MOLECULE_ERROR:
                call.results[index] = MoleculeError(*value)
            else:
                _raise_bug(*value)
    del incoming[:offset]
    return done


def _raise_bug(data: bytes | None, summary: str, traceback: str) -> NoReturn:
    if data is None:
        raise ScreenerError(f"{summary} (in a chemistry child process)\n{traceback}")
    error: Exception = pickle.loads(data)
    error.add_note(f"In a chemistry child process:\n{traceback}")
    raise error


def _how_it_ended(status: int) -> str:
    if status >= 0:
        return f"its process ended with exit code {status}"
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    hint = " (by the kernel, if memory ran out)" if name == "SIGKILL" else ""
    return f"its process was ended by {name}{hint}"


def _resident_bytes(pid: int) -> int:
    """Resident memory of a process in bytes; 0 where the system does not report it."""
    try:
        with open(f"/proc/{pid}/statm", "rb") as file:
            return int(file.read().split()[1]) * _PAGE_BYTES
    except (FileNotFoundError, ProcessLookupError, IndexError):
        return 0
