import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import distributed
import pytest
from dask.system import CPU_COUNT
from distributed import Scheduler, SpecCluster, Worker
from distributed.versions import VersionMismatchWarning

from screener.cluster import factory, local
from screener.cluster.factory import connect
from screener.errors import ConfigError

SCRIPT = """
import os, sys, time
from screener.cluster.factory import connect

def where(_):
    return os.getpid()

with connect(None, 2) as client:  # without the guard that multiprocessing wants
    pids = client.run(os.getpid)
    assert client.submit(where, 0).result() in pids.values()  # a function of this script
    print(*pids.values(), flush=True)
    if sys.argv[1] == "stay":
        time.sleep(3600)
print("closed")
"""


def ends(pid: int) -> bool:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return True
        if state in "ZX":
            return True
        time.sleep(0.05)
    return False


def running(n_workers: int) -> SpecCluster:
    """A cluster of somebody else's."""
    scheduler = {"cls": Scheduler, "options": {"host": "127.0.0.1", "dashboard_address": ":0"}}
    return SpecCluster({i: {"cls": Worker} for i in range(n_workers)}, scheduler)


def test_local_processes_of_one_thread_on_loopback() -> None:
    with connect(None, 2) as client:
        workers = client.scheduler_info(n_workers=-1)["workers"]
        assert [worker["nthreads"] for worker in workers.values()] == [1, 1]
        addresses = [client.scheduler.address, *workers]
        assert all(address.startswith("tcp://127.0.0.1:") for address in addresses)
        assert client.dashboard_link.startswith("http://127.0.0.1:")
        pids = client.run(os.getpid)
        assert len({os.getpid(), *pids.values()}) == 3
    assert all(ends(pid) for pid in pids.values())


def test_as_many_workers_as_this_process_may_use_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def stop(n_workers: int) -> None:
        asked.append(n_workers)
        raise ConfigError("enough")

    monkeypatch.setattr(factory, "local_cluster", stop)
    with pytest.raises(ConfigError, match="enough"), connect(None, None):
        pass
    assert asked == [CPU_COUNT]
    assert len(os.sched_getaffinity(0)) >= CPU_COUNT


def test_a_script_needs_no_guard_and_is_quiet(tmp_path: Path) -> None:
    script = tmp_path / "screen.py"
    script.write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, "-W", "error", str(script), "close"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "closed"
    assert done.stderr == ""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_workers_end_with_their_client(how: int, tmp_path: Path) -> None:
    script = tmp_path / "screen.py"
    script.write_text(SCRIPT)
    with subprocess.Popen(
        [sys.executable, str(script), "stay"], stdout=subprocess.PIPE, text=True
    ) as client:
        assert client.stdout is not None
        pids = [int(pid) for pid in client.stdout.readline().split()]
        client.send_signal(how)
    assert len(pids) == 2
    assert all(ends(pid) for pid in pids)


def test_a_dashboard_port_that_is_taken_is_no_obstacle() -> None:
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            taken.bind(("127.0.0.1", local.DASHBOARD_PORT))
            taken.listen()
        except OSError:
            pass  # by another program, which serves as well
        with connect(None, 1) as client:
            assert f":{local.DASHBOARD_PORT}/" not in client.dashboard_link


def test_workers_that_do_not_start_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local.worker_main, "__name__", "screener.cluster.nothing_like_this")
    with pytest.raises(ConfigError, match="exit code 1 before they connected"), connect(None, 1):
        pass


def test_workers_that_cannot_be_started_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local.sys, "executable", "/no/such/python")
    said = r"cannot start worker processes.*--scheduler"
    with pytest.raises(ConfigError, match=said), connect(None, 1):
        pass


def test_a_running_scheduler_by_address_and_by_file(tmp_path: Path) -> None:
    with running(1) as cluster:
        with connect(cluster.scheduler_address, None) as client:
            assert client.submit(sum, (1, 2)).result() == 3
        file = tmp_path / "scheduler.json"
        file.write_text(f'{{"address": "{cluster.scheduler_address}"}}')
        with connect(str(file), None) as client:
            assert client.submit(sum, (3, 4)).result() == 7
        assert len(cluster.workers) == 1  # it is not ours to close


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("tcp://127.0.0.1:1", "no Dask scheduler answers at tcp://127.0.0.1:1"),
        ("not an address", "not an address"),
        ("nowhere.invalid:8786", r"nowhere\.invalid"),
        ("scheduler.json", "no scheduler file"),
    ],
)
def test_an_address_where_nothing_answers_is_an_error(
    address: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(factory, "CONNECT_SECONDS", 1)
    with pytest.raises(ConfigError, match=says), connect(address, None):
        pass


def test_a_worker_is_no_scheduler() -> None:
    with running(1) as cluster:
        address = cluster.workers[0].address
        with pytest.raises(ConfigError, match="address of a Worker"), connect(address, None):
            pass


def test_a_broken_scheduler_file_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "scheduler.json"
    file.write_text("{}")
    said = r"scheduler\.json is not a scheduler file"
    with pytest.raises(ConfigError, match=said), connect(str(file), None):
        pass


def test_a_server_that_says_nothing_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(factory, "CONNECT_SECONDS", 1)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        address = f"tcp://127.0.0.1:{mute.getsockname()[1]}"
        with pytest.raises(ConfigError, match="same versions"), connect(address, None):
            pass


def test_a_server_of_another_kind_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(factory, "CONNECT_SECONDS", 1)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 100)
                connection.recv(1 << 16)

        web = threading.Thread(target=answer, daemon=True)
        web.start()
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(ConfigError, match="no Dask scheduler"), connect(address, None):
            pass


def test_other_versions_are_mentioned(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with running(0) as cluster:
        monkeypatch.setattr(
            distributed.scheduler.version_module,
            "error_message",
            lambda *_: {"warning": "dask 1.0 there, 2.0 here", "error": None},
        )
        with connect(cluster.scheduler_address, None):
            pass
    assert VersionMismatchWarning.__name__ not in caplog.text
    assert "dask 1.0 there" in caplog.text
