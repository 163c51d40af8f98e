"""Every wait for a cluster says what it is for and what to do; none of them is waited out here."""

import socket
from types import SimpleNamespace
from typing import Any

import pytest

from screener import waiting
from screener.cluster import factory, kubernetes, local, slurm
from screener.cluster.factory import connect
from screener.cluster.settings import AddressSettings
from screener.errors import ConfigError


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "FIRST_SECONDS", 0.05)
    monkeypatch.setattr(waiting, "LOOK_SECONDS", 0.01)


def notice(caplog: pytest.LogCaptureFixture) -> str:
    """The first one."""
    told = [each for each in caplog.records if getattr(each, "event", "") == waiting.EVENT]
    assert told
    assert told[0].levelname == "WARNING"
    return told[0].getMessage()


def test_worker_processes(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(local, "START_SECONDS", 0.3)
    client: Any = SimpleNamespace(nthreads=lambda: {"one": 1})
    with pytest.raises(ConfigError, match=r"1 of 4 worker processes connected within 0\.3 s"):
        local._wait(client, 4, [])
    text = notice(caplog)
    assert text.startswith("waiting for 4 worker processes to start on this machine since ")
    assert "(1 connected so far)" in text
    assert "--workers" in text


def test_slurm_jobs(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    running = {"cpu": iter([0] * 3 + [1]), "gpu": iter([0, 1, 1, 1])}
    cluster: Any = SimpleNamespace(
        name="screener-1f",
        pools=[SimpleNamespace(name=name) for name in running],
        n_running=lambda pool: next(running[pool.name]),
        failure="",
    )
    slurm._wait(cluster)
    text = notice(caplog)
    assert text.startswith("waiting for Slurm to start workers since ")
    assert "the pool cpu has none" in text
    assert "`squeue --name=screener-1f`" in text


def test_pods(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    seen = iter([0, 2])
    monkeypatch.setattr(waiting, "FIRST_SECONDS", 0.0)
    monkeypatch.setattr(kubernetes, "_n_pools", lambda _: next(seen))
    kubernetes._wait(SimpleNamespace(), 2)  # type: ignore[arg-type]
    text = notice(caplog)
    assert "0 of 2 pools have one" in text
    assert "`kubectl describe`" in text


def test_a_scheduler(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(factory, "CONNECT_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        address = f"tcp://127.0.0.1:{mute.getsockname()[1]}"
        refused = connect(AddressSettings(address=address))
        with pytest.raises(ConfigError, match="no Dask scheduler answers"), refused:
            pass
    assert notice(caplog).startswith(f"waiting for a scheduler to answer at {address} since ")
