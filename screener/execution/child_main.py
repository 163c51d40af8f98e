"""The child process of `screener.execution.child`: reads requests and writes results.

Started as `python -m screener.execution.child_main`. Before each item the child writes the item's
position and the time to shared memory, so that the parent knows which item is to blame if the child
hangs or dies. Results go back as pickles over the pipe that was standard output. Those of a quarter
of a second are sent together, because pickling them one by one costs as much as a tenth of the
chemistry. Standard output itself is redirected to nothing, as libraries print to it.
"""

import ctypes
import gc
import mmap
import os
import pickle
import signal
import struct
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from typing import Any

from screener.errors import MoleculeError
from screener.execution.memory import keep_freed_memory

# of the pickle that follows: a request, or a list of replies (kind, index of the item, value)
LENGTH = struct.Struct("<q")
RESULT, MOLECULE_ERROR, BUG, DONE = range(4)
Reply = tuple[int, int, Any]

# two int64 in shared memory: the position, and the monotonic time in ns at which it was begun
MARK_BYTES = 16
LOADING = -1  # unpickling a request, with the imports that this brings
WAITING = -2  # for a request, or for the parent to take results

FLUSH_SECONDS = 0.25  # at most this much finished work is repeated after a crash

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Serve requests until the parent closes the pipe."""
    mark_fd, parent = int(sys.argv[1]), int(sys.argv[2])
    _die_with(parent)
    keep_freed_memory()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles ctrl-C
    requests = os.fdopen(os.dup(0), "rb")
    replies = os.fdopen(os.dup(1), "wb", buffering=0)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    mark = memoryview(mmap.mmap(mark_fd, MARK_BYTES)).cast("q")
    first = True
    while header := requests.read(LENGTH.size):
        _mark(mark, LOADING)
        request = requests.read(LENGTH.unpack(header)[0])
        _answer(request, mark, replies.fileno())
        del request
        gc.collect()
        if first:  # objects made by the imports stay; later collections can skip them
            gc.freeze()
            first = False


def _die_with(parent: int) -> None:
    """Ask the kernel to kill this process with the thread that started it."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # the parent died before the call above
        os._exit(1)


def _mark(mark: memoryview, position: int) -> None:
    # time first: a parent that reads in between sees too young an item, never too old a one
    mark[1] = time.monotonic_ns()
    mark[0] = position


def _answer(request: bytes, mark: memoryview, pipe: int) -> None:
    replies: list[Reply] = []
    try:
        path, function_pickle, indices, items = pickle.loads(request)
        sys.path[:] = path
        function: Callable[[Any], Any] = pickle.loads(function_pickle)
        _run(function, indices, pickle.loads(items), mark, pipe, replies)
        replies.append((DONE, -1, None))
    except Exception as error:  # noqa: BLE001 - every error travels to the parent, which raises it
        replies[:] = [(BUG, -1, _portable(error))]
    _flush(replies, mark, pipe)


def _run(
    function: Callable[[Any], Any],
    indices: Sequence[int],
    items: Sequence[Any],
    mark: memoryview,
    pipe: int,
    replies: list[Reply],
) -> None:
    flushed = time.monotonic()
    for index, item in zip(indices, items, strict=True):
        _mark(mark, index)
        try:
            replies.append((RESULT, index, function(item)))
        except MoleculeError as error:
            replies.append((MOLECULE_ERROR, index, (error.code, error.message)))
        except MemoryError:
            message = "it asked for more memory than there is"
            replies.append((MOLECULE_ERROR, index, ("out_of_memory", message)))
        now = time.monotonic()
        if now - flushed > FLUSH_SECONDS:
            _flush(replies, mark, pipe)
            flushed = now
    _flush(replies, mark, pipe)


def _flush(replies: list[Reply], mark: memoryview, pipe: int) -> None:
    _mark(mark, WAITING)  # while the parent reads, no item's time runs
    payload = pickle.dumps(replies, protocol=pickle.HIGHEST_PROTOCOL)
    replies.clear()
    data = memoryview(LENGTH.pack(len(payload)) + payload)
    while data:
        data = data[os.write(pipe, data) :]


def _portable(error: Exception) -> tuple[bytes | None, str, str]:
    """The pickled exception (None if it cannot be pickled), its message and its traceback."""
    text = "".join(traceback.format_exception(error))
    try:
        data = pickle.dumps(error)
        pickle.loads(data)
    except Exception:  # noqa: BLE001 - an exception class may raise anything here
        return None, f"{type(error).__name__}: {error}", text
    return data, f"{type(error).__name__}: {error}", text


if __name__ == "__main__":
    main()
