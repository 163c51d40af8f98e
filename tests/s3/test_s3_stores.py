"""Folders, leases and libraries on a real object store."""

import json
import logging
import subprocess
import sys

import pytest
from proxy import proxy
from s3fs import S3FileSystem

from screener.errors import ConfigError, StoreError
from screener.stores.files import Folder
from screener.stores.lease import Lease

pytestmark = pytest.mark.slow

CREATE = """
import json, sys
from screener.stores.files import Folder
folder, me = Folder(sys.argv[1]), sys.argv[2].encode()
sys.stdin.readline()
print(json.dumps([folder.create_bytes(f"{unit}.json", me) for unit in range(50)]))
"""


@pytest.fixture
def clients(monkeypatch):
    """Make folders at a store whose address or credentials are said in the environment anew."""

    def folder(url, environment):
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        S3FileSystem.clear_instance_cache()
        return Folder(url)

    return folder


def test_bytes_are_put_listed_replaced_and_removed(bucket):
    folder = Folder(f"{bucket}/library")
    assert folder.names() == []
    assert not folder.exists("shards/a.parquet")
    folder.write_bytes("shards/a.parquet", b"first, and longer")
    folder.write_bytes("shards/a.parquet", b"second")
    folder.write_bytes("shards/b.parquet", b"")
    assert folder.read_bytes("shards/a.parquet") == b"second"
    assert folder.read_bytes("shards/a.parquet", 1, 3) == b"ec"
    assert folder.size("shards/a.parquet") == 6
    assert folder.names("shards") == ["a.parquet", "b.parquet"]
    assert folder.names("shards", "a.parquet") == ["a.parquet"]
    assert folder.exists("shards")
    assert folder.create_bytes("receipts/a.json", b"first")
    assert not folder.create_bytes("receipts/a.json", b"late")
    assert folder.read_bytes("receipts/a.json") == b"first"
    assert folder.creates_only_new("receipts/a.json", b"first")
    folder.remove("shards/b.parquet")
    folder.remove("shards/b.parquet")
    assert folder.names("shards") == ["a.parquet"]
    folder.remove("shards")
    assert not folder.exists("shards")
    assert folder.exists("receipts/a.json")


def test_what_others_write_is_seen_at_once(bucket):
    """s3fs keeps listings unless it is told not to."""
    folder = Folder(f"{bucket}/campaign")
    folder.write_bytes("receipts/a.json", b"1")
    assert folder.names("receipts") == ["a.json"]
    script = "import sys; from screener.stores.files import Folder\n" + (
        "Folder(sys.argv[1]).write_bytes('receipts/b.json', b'22')\n"
        "Folder(sys.argv[1]).write_bytes('receipts/a.json', b'longer')"
    )
    subprocess.run([sys.executable, "-c", script, folder.url], check=True)
    assert folder.exists("receipts/b.json")
    assert folder.size("receipts/a.json") == 6
    assert folder.names("receipts") == ["a.json", "b.json"]


def test_of_many_processes_one_creates(bucket):
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", CREATE, bucket, str(i)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for i in range(3)
    ]
    for process in processes:
        process.stdin.write(b"go\n")
        process.stdin.flush()
    created = [json.loads(process.communicate(timeout=240)[0]) for process in processes]
    for unit in range(50):
        winners = [i for i in range(3) if created[i][unit]]
        assert len(winners) == 1
        assert Folder(bucket).read_bytes(f"{unit}.json") == b"%d" % winners[0]


HOLD = """
import sys, time
from screener.stores.files import Folder
from screener.stores.lease import Lease
with Lease(Folder(sys.argv[1])).held():
    print("held", flush=True)
    time.sleep(600)
"""


def test_the_second_client_is_refused_and_a_dead_one_is_followed(bucket):
    first = subprocess.Popen([sys.executable, "-c", HOLD, bucket], stdout=subprocess.PIPE)
    try:
        assert first.stdout.readline() == b"held\n"
        told = rf"in use by process {first.pid} on \S+ \(last sign of life 20.* UTC\)"
        with pytest.raises(ConfigError, match=told), Lease(Folder(bucket)).held():
            pass
    finally:
        first.kill()
        first.communicate()
    with Lease(Folder(bucket)).held() as lease:
        lease.check()
        assert lease.taken_from.pid == first.pid


def test_a_store_that_ignores_conditions_is_told_of(s3, bucket, clients, caplog):
    caplog.handler.setLevel(logging.NOTSET)  # a local cluster has silenced it
    with proxy(s3, {}, ignores_conditions=True) as between:
        folder = clients(bucket, between.environment)
        with Lease(folder).held():
            pass
        assert folder.read_json("leases/owner-00000001.json")["released"]
    (record,) = caplog.records
    assert "ignores `If-None-Match: *`" in record.getMessage()
    assert "Begin one at a time" in record.getMessage()


@pytest.mark.parametrize("fault", ["unheard", "unanswered", "slow down"])
def test_a_creation_whose_answer_is_lost_is_known_as_our_own(fault, s3, bucket, clients):
    with proxy(s3, {}, first=[fault]) as between:
        folder = clients(bucket, between.environment)
        assert folder.create_bytes("leases/owner-00000001.json", b"token a")
        assert between.seen[fault] == 1
        assert not folder.create_bytes("leases/owner-00000001.json", b"token b")
        assert folder.read_bytes("leases/owner-00000001.json") == b"token a"


def test_faults_that_pass_are_got_over(s3, bucket, clients):
    probability = dict.fromkeys(("unheard", "unanswered", "cut", "slow down", "error"), 0.06)
    with proxy(s3, probability, seed=1) as between:
        folder = clients(bucket, between.environment)
        for index in range(12):
            content = b"%d" % index * 100
            assert folder.create_bytes(f"receipts/{index:02d}.json", content)
            assert not folder.create_bytes(f"receipts/{index:02d}.json", b"of another")
            assert folder.read_bytes(f"receipts/{index:02d}.json") == content
        assert len(folder.names("receipts")) == 12
        folder.remove("receipts")
        assert folder.names("receipts") == []
        assert all(between.seen[fault] for fault in probability), between.seen


@pytest.mark.parametrize("fault", ["slow down", pytest.param("unheard", marks=pytest.mark.soak)])
def test_a_store_that_stays_down_is_an_error_that_names_the_object(
    fault, s3, bucket, clients, monkeypatch
):
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")  # quicker
    with proxy(s3, {fault: 1.0}) as between:
        folder = clients(bucket, between.environment)
        calls = {
            "write": lambda: folder.create_bytes("unit.json", b""),
            "look for": lambda: folder.exists("unit.json"),
        }
        for action, call in calls.items():
            before = between.seen[fault]
            told = rf"cannot {action} {bucket}/unit\.json: the store fails, after several attempts"
            with pytest.raises(StoreError, match=told) as raised:
                call()
            assert "run the same command again" in str(raised.value)
            assert between.seen[fault] - before > 1


def test_what_trying_again_does_not_mend_fails_at_once(s3, bucket, clients, monkeypatch):
    with proxy(s3, {}) as between:
        at_proxy = between.environment
        stranger = clients(bucket, at_proxy | {"AWS_SECRET_ACCESS_KEY": "wrong"})
        for call in (
            lambda: stranger.write_bytes("a.json", b""),
            lambda: stranger.create_bytes("a.json", b""),
            lambda: stranger.exists("a.json"),
            stranger.names,
            stranger.require_writable,
        ):
            before = sum(between.seen.values())
            with pytest.raises(StoreError, match=r"access denied.*AWS_SECRET_ACCESS_KEY") as raised:
                call()
            assert bucket in str(raised.value)
            assert sum(between.seen.values()) - before <= 2
        nowhere = clients("s3://no-such-bucket/campaign", at_proxy)
        for call in (
            lambda: nowhere.write_bytes("a.json", b""),
            lambda: nowhere.create_bytes("a.json", b""),
            lambda: nowhere.read_bytes("a.json"),
            lambda: nowhere.exists("a.json"),
            nowhere.names,
            nowhere.require_writable,
        ):
            before = sum(between.seen.values())
            with pytest.raises(StoreError, match=r"no-such-bucket.*there is no such bucket"):
                call()
            assert sum(between.seen.values()) - before <= 3
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")  # nobody is asked for them
    with pytest.raises(StoreError, match="no credentials are given; set AWS_ACCESS_KEY_ID"):
        clients(bucket, {}).write_bytes("a.json", b"")
