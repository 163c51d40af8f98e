import logging
import logging.handlers
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import distributed
import psutil
import pytest
from certificates import make_certificates
from dask.system import CPU_COUNT
from distributed import Scheduler, SpecCluster, Worker
from distributed.versions import VersionMismatchWarning

from screener import waiting
from screener.cluster import dask_scheduler, factory, local
from screener.cluster.factory import connect
from screener.cluster.settings import AddressSettings, LocalSettings, SlurmSettings
from screener.errors import ConfigError

SCRIPT = """
import os, sys, time
from screener import waiting
waiting.FIRST_SECONDS = 3600
from screener.cluster.factory import connect
from screener.cluster.settings import LocalSettings

def where(_):
    return os.getpid()

with connect(LocalSettings(workers=2)) as client:  # without the guard that multiprocessing wants
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


@pytest.fixture(autouse=True)
def _takes_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that is busy may start a cluster so slowly that it is told, which is not looked at
    here."""
    monkeypatch.setattr(waiting, "FIRST_SECONDS", 3600.0)


@pytest.fixture
def said() -> Iterator[list[logging.LogRecord]]:
    """What we log; while a cluster is up, Dask silences stream handlers, pytest's as well."""
    handler = logging.handlers.BufferingHandler(1000)
    logger = logging.getLogger("screener")
    logger.addHandler(handler)
    yield handler.buffer
    logger.removeHandler(handler)


def running(n_workers: int) -> SpecCluster:
    """A cluster of somebody else's."""
    scheduler = {"cls": Scheduler, "options": {"host": "127.0.0.1", "dashboard_address": ":0"}}
    return SpecCluster({i: {"cls": Worker} for i in range(n_workers)}, scheduler)


def test_local_processes_of_one_thread_on_loopback() -> None:
    with connect(LocalSettings(workers=2)) as client:
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

    def stop(groups: list[local.Group], *_: object) -> None:
        asked.extend(group.n_workers for group in groups)
        raise ConfigError("enough")

    monkeypatch.setattr(factory, "local_cluster", stop)
    with pytest.raises(ConfigError, match="enough"), connect(LocalSettings()):
        pass
    assert asked == [CPU_COUNT]
    assert len(os.sched_getaffinity(0)) >= CPU_COUNT


@pytest.mark.slow
def test_a_script_needs_no_guard_and_is_quiet(tmp_path: Path) -> None:
    script = tmp_path / "screen.py"
    script.write_text(SCRIPT)
    # where another process of tests has the dashboard's port, tornado leaves a socket
    warnings = ["-W", "error", "-W", "ignore:unclosed <socket.socket:ResourceWarning"]
    done = subprocess.run(
        [sys.executable, *warnings, str(script), "close"], capture_output=True, text=True
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
            taken.bind(("127.0.0.1", dask_scheduler.DASHBOARD_PORT))
            taken.listen()
        except OSError:
            pass  # by another program, which serves as well
        with connect(LocalSettings(workers=1)) as client:
            assert f":{dask_scheduler.DASHBOARD_PORT}/" not in client.dashboard_link


def test_workers_that_do_not_start_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local.worker_main, "__name__", "screener.cluster.nothing_like_this")
    with (
        pytest.raises(ConfigError, match="exit code 1 before they connected"),
        connect(LocalSettings(workers=1)),
    ):
        pass


def test_workers_that_cannot_be_started_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local.sys, "executable", "/no/such/python")
    said = r"cannot start worker processes.*--scheduler"
    with pytest.raises(ConfigError, match=said), connect(LocalSettings(workers=1)):
        pass


def test_a_running_scheduler_by_address_and_by_file(tmp_path: Path) -> None:
    with running(1) as cluster:
        with connect(AddressSettings(address=cluster.scheduler_address)) as client:
            assert client.submit(sum, (1, 2)).result() == 3
        file = tmp_path / "scheduler.json"
        file.write_text(f'{{"address": "{cluster.scheduler_address}"}}')
        with connect(AddressSettings(address=str(file))) as client:
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
    with pytest.raises(ConfigError, match=says), connect(AddressSettings(address=address)):
        pass


def test_a_worker_is_no_scheduler() -> None:
    with running(1) as cluster:
        address = cluster.workers[0].address
        with (
            pytest.raises(ConfigError, match="address of a Worker"),
            connect(AddressSettings(address=address)),
        ):
            pass


def test_a_broken_scheduler_file_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "scheduler.json"
    file.write_text("{}")
    said = r"scheduler\.json is not a scheduler file"
    with pytest.raises(ConfigError, match=said), connect(AddressSettings(address=str(file))):
        pass


def test_a_server_that_says_nothing_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(factory, "CONNECT_SECONDS", 1)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        address = f"tcp://127.0.0.1:{mute.getsockname()[1]}"
        with (
            pytest.raises(ConfigError, match="same versions"),
            connect(AddressSettings(address=address)),
        ):
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
        with (
            pytest.raises(ConfigError, match="no Dask scheduler"),
            connect(AddressSettings(address=address)),
        ):
            pass


def test_other_versions_are_mentioned(
    monkeypatch: pytest.MonkeyPatch, said: list[logging.LogRecord]
) -> None:
    with running(0) as cluster:
        monkeypatch.setattr(
            distributed.scheduler.version_module,
            "error_message",
            lambda *_: {"warning": "dask 1.0 there, 2.0 here", "error": None},
        )
        with connect(AddressSettings(address=cluster.scheduler_address)):
            pass
    (message,) = [record.getMessage() for record in said]
    assert VersionMismatchWarning.__name__ not in message
    assert "dask 1.0 there" in message


def test_tls_from_workers_to_client(tmp_path: Path) -> None:
    files = make_certificates(tmp_path / "ours")
    others = make_certificates(tmp_path / "others")
    with connect(LocalSettings(workers=1, **files)) as client:
        address = client.scheduler.address
        addresses = [address, *client.scheduler_info(n_workers=-1)["workers"]]
        assert all(each.startswith("tls://127.0.0.1:") for each in addresses)
        assert client.submit(sum, (1, 2)).result() == 3
        with connect(AddressSettings(address=address, **files)) as second:
            assert second.submit(sum, (3, 4)).result() == 7
        for keys in ({}, others):
            refused = connect(AddressSettings(address=address, **keys))
            with pytest.raises(ConfigError, match="both sides or neither use TLS"), refused:
                pass


def test_a_file_of_tls_that_is_missing_is_an_error(tmp_path: Path) -> None:
    files = make_certificates(tmp_path / "tls")
    Path(files["tls_key"]).unlink()
    with pytest.raises(ConfigError, match=r"tls_key: cannot read .*tls_key\.pem: No such file"):
        connect(LocalSettings(**files))


def own_address() -> str:
    """An address of this machine that others may reach."""
    found = [
        each.address
        for addresses in psutil.net_if_addrs().values()
        for each in addresses
        if each.family == socket.AF_INET and not each.address.startswith("127.")
    ]
    return found[0] if found else "0.0.0.0"


def test_a_scheduler_open_to_the_network_without_tls_is_a_warning(
    said: list[logging.LogRecord],
) -> None:
    with connect(LocalSettings(workers=1)):
        assert said == []
    with connect(LocalSettings(workers=1, host=own_address())) as client:
        address = client.scheduler.address
        assert not address.startswith("tcp://127.")
        assert client.dashboard_link.startswith("http://127.0.0.1:")
        with urllib.request.urlopen(client.dashboard_link) as page:
            assert page.status == 200
        with connect(AddressSettings(address=address)):
            pass
    wanted = f"{address} is open to the network without TLS"
    assert [wanted in record.getMessage() for record in said] == [True, True]


def test_an_address_of_another_machine_is_an_error() -> None:
    with pytest.raises(ConfigError, match=r"no scheduler starts at 192\.0\.2\.1"):
        connect(LocalSettings(workers=1, host="192.0.2.1")).__enter__()


def test_a_missing_package_is_named_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dask_jobqueue.slurm", None)
    settings = SlurmSettings.model_validate({"cpu": {"workers": 1}, "host": "127.0.0.1"})
    said = r"pip install 'screener\[slurm\]'"
    with pytest.raises(ConfigError, match=said), connect(settings):
        pass
