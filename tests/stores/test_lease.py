import json
import os
import subprocess
import sys
import threading
import time
import uuid
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from screener.errors import ConfigError, StoreError
from screener.stores import lease as module
from screener.stores.files import Folder
from screener.stores.lease import Lease, Owner

HOLD = """
import sys, time
from screener.stores.files import Folder
from screener.stores.lease import Lease
with Lease(Folder(sys.argv[1])).held():
    print("held", flush=True)
    time.sleep(float(sys.argv[2]))
"""


def holder(folder: Path, seconds: float) -> "subprocess.Popen[str]":
    arguments = [sys.executable, "-c", HOLD, str(folder), str(seconds)]
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def check_until_lost(lease: Lease) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        lease.check()
        time.sleep(0.02)


def elsewhere(**changes: object) -> Owner:
    """An owner on another machine, of which only the file can tell whether it lives."""
    owner = Owner.of_this_process()
    return replace(owner, host="node17", process="node17 boot pid:[1]/42/7", pid=42, **changes)


def leave(folder: Folder, owner: Owner) -> None:
    folder.write_json("leases/owner-00000001.json", asdict(owner))


def test_a_second_client_is_refused_and_told_who_is_there(tmp_path: Path) -> None:
    with holder(tmp_path, 3600) as first:
        try:
            said = rf"process {first.pid} on \S+ \(last sign of life 20"
            with pytest.raises(ConfigError, match=said), Lease(Folder(str(tmp_path))).held():
                pytest.fail("two owners")
        finally:
            first.kill()


def test_a_dead_client_of_this_machine_is_followed_at_once(tmp_path: Path) -> None:
    with holder(tmp_path, 3600) as first:
        first.kill()  # not waited for: a process that its parent has not buried is dead as well
        time.sleep(0.2)
        with Lease(Folder(str(tmp_path))).held() as lease:
            lease.check()


def test_a_client_that_ends_frees_the_folder(tmp_path: Path) -> None:
    with holder(tmp_path, 0) as first:
        first.wait()
    for _ in range(3):
        with Lease(Folder(str(tmp_path))).held() as lease:
            lease.check()
            assert len(lease.token) == 32
        with pytest.raises(StoreError, match="not held"):
            lease.check()
    assert len(list((tmp_path / "leases").iterdir())) <= 3  # old ones are cleared away


def test_an_exception_frees_the_folder(tmp_path: Path) -> None:
    folder = Folder(str(tmp_path))
    with pytest.raises(ZeroDivisionError), Lease(folder).held():
        raise ZeroDivisionError
    with Lease(folder).held():
        pass


def test_other_names_exclude_nobody(tmp_path: Path) -> None:
    folder = Folder(str(tmp_path))
    with Lease(folder, "owner").held(), Lease(folder, "ranking").held() as other:
        other.check()


@pytest.mark.parametrize(("age", "is_free"), [(0, False), (50, False), (61, True)])
def test_an_owner_elsewhere_counts_until_its_lease_is_over(
    tmp_path: Path, age: float, is_free: bool
) -> None:
    folder = Folder(str(tmp_path))
    leave(folder, elsewhere(time=time.time() - age))
    if is_free:
        with Lease(folder).held() as lease:
            lease.check()
    else:
        with pytest.raises(ConfigError, match="process 42 on node17"), Lease(folder).held():
            pytest.fail("two owners")


def test_a_number_given_to_another_process_is_no_sign_of_life(tmp_path: Path) -> None:
    folder = Folder(str(tmp_path))
    owner = Owner.of_this_process()
    leave(folder, replace(owner, process=owner.process.rpartition("/")[0] + "/1"))
    with Lease(folder).held() as lease:
        lease.check()


def test_object_stores_hold_leases_too() -> None:
    folder = Folder(f"memory://{uuid.uuid4().hex}")
    for _ in range(3):
        with Lease(folder).held() as lease:
            lease.check()
            with pytest.raises(ConfigError, match="in use by"), Lease(folder).held():
                pytest.fail("two owners")


def test_of_many_that_find_a_dead_owner_one_takes_over(tmp_path: Path) -> None:
    folder = Folder(str(tmp_path))
    leave(folder, elsewhere(time=time.time() - 100))
    together, finished = threading.Barrier(8), threading.Event()
    outcomes: list[str] = []

    def ended(outcome: str) -> None:
        outcomes.append(outcome)
        if len(outcomes) == 8:
            finished.set()

    def client() -> None:
        together.wait()
        try:
            with Lease(folder).held() as lease:
                ended("owner")
                finished.wait(60)
                lease.check()
        except ConfigError:
            ended("refused")

    threads = [threading.Thread(target=client) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["owner"] + ["refused"] * 7


def test_it_is_renewed_as_long_as_it_is_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RENEW_SECONDS", 0.05)
    folder = Folder(str(tmp_path))
    with Lease(folder).held():
        first = folder.read_json("leases/owner-00000001.json")
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            if folder.read_json("leases/owner-00000001.json")["time"] > first["time"]:
                break
            time.sleep(0.02)
        latest = folder.read_json("leases/owner-00000001.json")
    assert latest["time"] > first["time"]
    assert latest["token"] == first["token"]
    assert (latest["pid"], latest["released"]) == (os.getpid(), False)
    assert folder.read_json("leases/owner-00000001.json")["released"]


def test_the_holder_learns_that_another_took_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RENEW_SECONDS", 0.05)
    folder = Folder(str(tmp_path))
    with Lease(folder).held() as lease:
        lease.check()
        folder.write_json("leases/owner-00000002.json", asdict(elsewhere()))
        with pytest.raises(StoreError, match=r"node17.* took over"):
            check_until_lost(lease)
    assert not folder.read_json("leases/owner-00000002.json")["released"]  # it is not ours


def test_a_lease_that_cannot_be_renewed_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RENEW_SECONDS", 0.02)
    monkeypatch.setattr(module, "EXPIRE_SECONDS", 0.3)

    def full(*_: object) -> str:
        raise StoreError("no space left on device")

    with Lease(Folder(str(tmp_path))).held() as lease:
        lease.check()
        monkeypatch.setattr(Folder, "write_bytes", full)
        with pytest.raises(StoreError, match=r"could not be renewed for 0\.3 s"):
            check_until_lost(lease)


def test_a_broken_lease_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    folder = Folder(str(tmp_path))
    folder.write_bytes("leases/owner-00000001.json", b'{"host": "node17"}')
    said = r"owner-00000001\.json is not a lease"
    with pytest.raises(StoreError, match=said), Lease(folder).held():
        pytest.fail("nobody knows who owns it")
    assert json.loads((tmp_path / "leases/owner-00000001.json").read_text()) == {"host": "node17"}
