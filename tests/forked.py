"""Processes that are forked from one which has made the imports, for tests that start many.

Importing torch, RDKit and Dask takes six seconds of a core, and `screener screen` needs it three
times: itself, for the process that starts its workers, and for the one that these are forked from.
What most tests look at comes after that. They start real processes here, to be stopped, killed and
resumed as any. That a fresh Python starts is seen by those of Slurm, of plug-ins and of documents.

`Popen` is as `subprocess.Popen` of `[python, ..., "-m", module, ...]`, as far as tests need it.
Local clusters are made of such processes too in what it starts, and here within
`in_local_clusters()`.
"""

import atexit
import contextlib
import gc
import multiprocessing.forkserver
import os
import pickle
import runpy
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from functools import cache
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

import dask
from distributed.config import initialize_logging

IMPORTED = (
    "screener.campaign.driver.run",
    "screener.campaign.driver.search",
    "screener.campaign.tasks.worker_imports",
    "screener.cli.main",
    "screener.library_build.build",
    "screener.report.collect",
    "distributed.cli.dask_scheduler",
    "distributed.cli.dask_worker",
    "bokeh.application",
)
WORKERS = "screener.cluster.worker_main"
_NUMBER = struct.Struct("=q")


class Popen:
    """A process of a module, forked."""

    def __init__(
        self,
        args,
        *,
        cwd=None,
        env=None,
        stdin=None,
        stdout=None,
        stderr=None,
        text=False,
        start_new_session=False,
    ):
        self.args, self.returncode = args, None
        place = args.index("-m") + 1
        wanted = {
            "module": args[place],
            "arguments": list(args[place + 1 :]),
            "folder": os.path.abspath(cwd or os.getcwd()),
            "environment": dict(os.environ if env is None else env),
            "leads": start_new_session,
        }
        with contextlib.ExitStack() as theirs:
            told, self._ended = self._pipe(theirs, "rb")
            asked = {"stdin": (stdin, "wb"), "stdout": (stdout, "rb"), "stderr": (stderr, "rb")}
            ends = []
            for number, (name, (end, mode)) in enumerate(asked.items()):
                ours = None
                if end == subprocess.PIPE:
                    end, ours = self._pipe(theirs, mode[0] if text else mode)
                elif end == subprocess.STDOUT:
                    end = ends[1]
                elif end == subprocess.DEVNULL:
                    end = os.open(os.devnull, os.O_RDWR)
                    theirs.callback(os.close, end)
                elif end is None:
                    end = number
                setattr(self, name, ours)
                ends.append(end if isinstance(end, int) else end.fileno())
            self.pid = _asked(pickle.dumps(wanted), [*ends, told])

    def _pipe(self, theirs, mode):
        """The other's end of a pipe, and ours as a file."""
        reads, writes = os.pipe()
        ours, other = (reads, writes) if mode.startswith("r") else (writes, reads)
        theirs.callback(os.close, other)
        return other, open(ours, mode, buffering=-1 if "b" not in mode else 0)

    def poll(self):
        return self._wait(0.0)

    def wait(self, timeout=None):
        if self._wait(timeout) is None:
            raise subprocess.TimeoutExpired(self.args, timeout)
        return self.returncode

    def communicate(self, timeout=None):
        if self.stdin is not None:
            self.stdin.close()
        said = None
        if self.stdout is not None:
            said = self._read(None if timeout is None else time.monotonic() + timeout)
            self.stdout.close()
        self.wait(timeout)
        return said, None

    def send_signal(self, number):
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self):
        self.send_signal(signal.SIGTERM)

    def kill(self):
        self.send_signal(signal.SIGKILL)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.wait()

    def _wait(self, timeout):
        if self.returncode is None and select.select([self._ended], [], [], timeout)[0]:
            told = self._ended.read(_NUMBER.size)
            self.returncode = _NUMBER.unpack(told)[0] if told else -signal.SIGKILL
            self._ended.close()
        return self.returncode

    def _read(self, deadline):
        if deadline is None:
            return self.stdout.read()
        parts = []
        while True:
            left = max(deadline - time.monotonic(), 0.0)
            if not select.select([self.stdout], [], [], left)[0]:
                raise subprocess.TimeoutExpired(self.args, left)
            if not (part := os.read(self.stdout.fileno(), 1 << 16)):
                whole = b"".join(parts)
                return whole.decode() if "b" not in self.stdout.mode else whole
            parts.append(part)


def in_local_clusters():
    """A patch, for `with`: `screener.cluster.local` starts its workers here."""
    local = import_module("screener.cluster.local")
    return patch.object(
        local, "subprocess", SimpleNamespace(**{**vars(subprocess), "Popen": Popen})
    )


def _asked(wanted, descriptors):
    with socket.socket(socket.AF_UNIX) as server:
        server.connect(_address())
        socket.send_fds(server, [_NUMBER.pack(len(wanted))], descriptors)
        server.sendall(wanted)
        return _NUMBER.unpack(server.recv(_NUMBER.size, socket.MSG_WAITALL))[0]


@cache
def _address():
    """Where the process listens that has made the imports; starts it."""
    folder = tempfile.TemporaryDirectory(prefix="screener-forks-")
    address = os.path.join(folder.name, "socket")
    code = f"import forked; forked.serve({address!r})"
    here = str(Path(__file__).parent)
    paths = [here, *(path for path in sys.path if path and path != here)]
    server = subprocess.Popen(
        [sys.executable, "-P", "-W", "ignore:resource_tracker:UserWarning", "-c", code],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(paths)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )

    def end():
        server.stdin.close()
        server.wait()
        server.stdout.close()
        folder.cleanup()

    atexit.register(end)
    assert server.stdout.readline() == b"ready\n"
    return address


def serve(address):
    """Fork what is asked for until standard input is closed; returns in each child, which then is
    what it was asked to be."""
    for module in IMPORTED:
        import_module(module)
    gc.freeze()
    awake, wake = os.pipe()
    for end in (awake, wake):
        os.set_blocking(end, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.set_wakeup_fd(wake)
    told_by = {}
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen()
        os.write(1, b"ready\n")
        while True:
            ready, _, _ = select.select([listener, awake, 0], [], [])
            if awake in ready:
                os.read(awake, 1 << 16)
                _tell(told_by)
            if listener in ready:
                asker, _ = listener.accept()
                with asker:
                    wanted, descriptors = _heard(asker)
                    if (pid := os.fork()) == 0:
                        break
                    if wanted["leads"]:
                        with contextlib.suppress(OSError):
                            os.setpgid(pid, pid)
                    told_by[pid] = descriptors.pop()
                    for each in descriptors:
                        os.close(each)
                    asker.sendall(_NUMBER.pack(pid))
            if 0 in ready:
                os._exit(0)
    signal.set_wakeup_fd(-1)
    for each in (awake, wake, *told_by.values()):
        os.close(each)
    _become(address, wanted, descriptors)


def _heard(asker):
    head, descriptors, _, _ = socket.recv_fds(asker, _NUMBER.size, 4)
    return pickle.loads(asker.recv(_NUMBER.unpack(head)[0], socket.MSG_WAITALL)), descriptors


def _tell(told_by):
    while told_by:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            break
        end = told_by.pop(pid)
        with contextlib.suppress(BrokenPipeError):
            os.write(end, _NUMBER.pack(os.waitstatus_to_exitcode(status)))
        os.close(end)


def _become(address, wanted, descriptors):
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if wanted["leads"]:
        os.setpgid(0, 0)
    for number, descriptor in enumerate(descriptors[:3]):
        os.dup2(descriptor, number)
    for descriptor in descriptors:
        os.close(descriptor)
    os.chdir(wanted["folder"])
    os.environ.clear()
    os.environ.update(wanted["environment"])
    told = wanted["environment"].get("PYTHONPATH", "").split(os.pathsep)
    sys.path[:0] = [path for path in told if path and path not in sys.path]
    sys.argv = [wanted["module"], *wanted["arguments"]]
    dask.config.refresh()  # from the environment, which may hold that of another process
    initialize_logging(dask.config.config)
    global _address
    _address = lambda: address  # noqa: E731
    if wanted["module"] == WORKERS:
        _fork_forkserver()
    else:
        in_local_clusters().start()
    runpy.run_module(wanted["module"], run_name="__main__", alter_sys=True)


def _fork_forkserver():
    """The server that `multiprocessing` would start with a Python of its own."""
    server = multiprocessing.forkserver._forkserver
    with socket.socket(socket.AF_UNIX) as listener:
        address = multiprocessing.connection.arbitrary_address("AF_UNIX")
        listener.bind(address)
        listener.listen()
        alive_r, alive_w = os.pipe()
        if (pid := os.fork()) == 0:
            os.close(alive_w)
            multiprocessing.forkserver.main(listener.detach(), alive_r, [])
            os._exit(0)
        os.close(alive_r)
    server._forkserver_address, server._forkserver_alive_fd = address, alive_w
    server._forkserver_pid = pid
