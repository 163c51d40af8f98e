"""A real S3 server for tests: Ceph's gateway, of Debian's packages, with a cluster of its own.

One monitor, one storage daemon that keeps everything in memory, and the gateway: each a process,
on ports of its own of the loopback, up in some 15 s. It honours conditional puts: of several
clients that put one object with `If-None-Match: *` at the same moment exactly one is told 200 and
the others 412, which `test_of_many_processes_one_creates` holds. Its 412 does not name the
condition, as that of AWS does, so s3fs takes it for an invalid argument.
"""

import json
import shutil
import socket
import subprocess
import time
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

PROGRAMS = ("ceph", "ceph-mon", "ceph-osd", "monmaptool", "radosgw", "radosgw-admin")
START_SECONDS = 240.0

CONFIGURATION = """
[global]
fsid = {cluster}
mon host = v1:127.0.0.1:{monitor_port}
public network = 127.0.0.0/8
auth cluster required = none
auth service required = none
auth client required = none
auth allow insecure global id reclaim = true
ms bind msgr2 = false
mon allow pool size one = true
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pgp num = 1
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
run dir = {folder}
log file = {folder}/$name.log
admin socket = {folder}/$name.asok
[mon.a]
mon data = {folder}/monitor
mon cluster log file = {folder}/cluster.log
[osd.0]
osd data = {folder}/storage
osd objectstore = memstore
memstore device bytes = 1073741824
[client.rgw]
rgw data = {folder}/gateway
rgw frontends = beast endpoint=127.0.0.1:{port} tcp_nodelay=1
rgw enable apis = s3
rgw thread pool size = 32
rgw override bucket index max shards = 1
rgw enable lc threads = false
rgw enable gc threads = false
rgw enable quota threads = false
rgw run sync thread = false
"""


@dataclass(frozen=True)
class Server:
    """Where it is and who may use it."""

    port: int
    key: str
    secret: str

    @property
    def environment(self) -> dict[str, str]:
        """The variables from which s3fs takes endpoint and credentials."""
        return self.behind(self.port)

    def behind(self, port: int) -> dict[str, str]:
        """The same where something else on this machine stands before it."""
        return {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
            "AWS_ACCESS_KEY_ID": self.key,
            "AWS_SECRET_ACCESS_KEY": self.secret,
        }


def is_installed() -> bool:
    return all(shutil.which(program) for program in PROGRAMS)


@contextmanager
def running(folder: Path) -> Iterator[Server]:
    """The server for as long as the context, with its files below `folder`."""
    monitor_port, port = _free_ports(2)
    server = Server(port, "tester", f"very+secret/{uuid.uuid4().hex}")
    cluster, storage = str(uuid.uuid4()), str(uuid.uuid4())
    for name in ("monitor", "storage", "gateway"):
        (folder / name).mkdir()
    configuration = str(folder / "ceph.conf")
    Path(configuration).write_text(
        CONFIGURATION.format(folder=folder, cluster=cluster, monitor_port=monitor_port, port=port)
    )

    def call(*command: str) -> str:
        done = subprocess.run(
            [*command, "-c", configuration],
            capture_output=True,
            text=True,
            timeout=START_SECONDS,
        )
        assert done.returncode == 0, f"{command[0]}: {done.stderr}"
        return done.stdout

    monitors, place = str(folder / "monitors"), f"[v1:127.0.0.1:{monitor_port}]"
    call("monmaptool", "--create", "--fsid", cluster, "--addv", "a", place, monitors)
    call("ceph-mon", "-i", "a", "--mkfs", "--monmap", monitors)
    with ExitStack() as daemons:

        def start(*command: str) -> "subprocess.Popen[bytes]":
            with open(folder / f"{command[0]}.output", "wb") as output:
                process = subprocess.Popen(
                    [*command, "-f", "-c", configuration], stdout=output, stderr=output
                )
            daemons.callback(process.wait)
            daemons.callback(process.kill)
            return process

        def ask(*command: str) -> str:  # a monitor that has just started refuses one now and then
            deadline = time.monotonic() + START_SECONDS
            while True:
                try:
                    return call("ceph", "--connect-timeout", f"{START_SECONDS:g}", *command)
                except AssertionError:
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(0.5)

        start("ceph-mon", "-i", "a")
        ask("osd", "new", storage)
        call("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", storage)
        storing = start("ceph-osd", "-i", "0")
        while not json.loads(ask("osd", "stat", "--format", "json"))["num_up_osds"]:
            if storing.poll() is not None:  # asked the monitor before it knew the cluster's number
                storing = start("ceph-osd", "-i", "0")
        user = ("--uid", "tester", "--display-name", "tester")
        keys = ("--access-key", server.key, "--secret-key", server.secret)
        made = call("radosgw-admin", "-n", "client.rgw", "user", "create", *user, *keys)
        assert json.loads(made)["user_id"] == "tester"
        start("radosgw", "-n", "client.rgw")
        _wait(port)
        yield server


def _free_ports(n: int) -> list[int]:
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(n)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]


def _wait(port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not _answers(port):
        assert time.monotonic() < deadline, "no answer from the gateway"
        time.sleep(0.2)


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}", timeout=10):
            return True
    except OSError:
        return False
