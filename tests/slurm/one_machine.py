"""A Slurm on one machine for tests: munged, slurmctld and two slurmd, without systemd.

Each slurmd is a node of its own, in a partition of its own, `cpu` and `gpu`, because the parts of a
heterogeneous job never share a node. Nodes claim four CPUs whatever the machine has. Everything
listens on loopback, lies in one folder and ends with `stop`.
"""

import getpass
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

COMMANDS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scancel")
HOW = "apt-get install slurm-wlm munge"
START_SECONDS = 60.0

CONFIGURATION = """
ClusterName=screener
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.sock
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
SchedulerParameters=sched_interval=1,batch_sched_delay=0
MpiDefault=none
ReturnToService=2
KillWait=5
NodeName=DEFAULT CPUs=4 RealMemory=8000 State=UNKNOWN
NodeName=node-cpu NodeHostname={host} NodeAddr=127.0.0.1 Port={cpu_port}
NodeName=node-gpu NodeHostname={host} NodeAddr=127.0.0.1 Port={gpu_port}
PartitionName=cpu Nodes=node-cpu Default=YES MaxTime=INFINITE State=UP
PartitionName=gpu Nodes=node-gpu MaxTime=INFINITE State=UP
"""


def is_installed() -> bool:
    return all(shutil.which(command, path=search_path()) for command in COMMANDS)


def search_path() -> str:
    """Debian keeps daemons where only root looks."""
    return f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


class SlurmMachine:
    """The daemons, from `start` to `stop`; `environment` is what Slurm's commands need."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="slurm-machine-"))
        self.folder.chmod(0o755)  # munged has a user of its own
        self.environment = {"SLURM_CONF": str(self.folder / "slurm.conf"), "PATH": search_path()}
        self._processes: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        for name in ("state", "spool-node-cpu", "spool-node-gpu"):
            (self.folder / name).mkdir()
        (self.folder / "slurm.conf").write_text(
            CONFIGURATION.format(
                folder=self.folder,
                host=socket.gethostname().split(".")[0],
                user=getpass.getuser(),
                controller_port=free_port(),
                cpu_port=free_port(),
                gpu_port=free_port(),
            )
        )
        self._start_munge()
        self._daemon("slurmctld", "-D", "-i")
        self._daemon("slurmd", "-D", "-N", "node-cpu")
        self._daemon("slurmd", "-D", "-N", "node-gpu")
        self._wait("idle\nidle", "sinfo", "--noheader", "--Node", "--format=%T")

    def _start_munge(self) -> None:
        own = self.folder / "munge"
        own.mkdir(mode=0o700)
        key = own / "key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)
        as_munge: list[str] = []
        if os.getuid() == 0:
            for path in (self.folder, own, key):
                shutil.chown(path, "munge", "munge")
            as_munge = ["--reuid=munge", "--regid=munge", "--clear-groups"]
        files = {
            "--key-file": key,
            "--pid-file": own / "pid",
            "--log-file": own / "log",
            "--seed-file": own / "seed",
            "--socket": self.folder / "munge.sock",
        }
        options = [f"{option}={path}" for option, path in files.items()]
        self._daemon("munged", "--foreground", *options, privileges=as_munge)
        deadline = time.monotonic() + START_SECONDS
        while not (self.folder / "munge.sock").exists():
            assert time.monotonic() < deadline, self.logs()
            time.sleep(0.05)

    def _daemon(self, *command: str, privileges: Sequence[str] = ()) -> None:
        """Start one that also ends when this process is killed."""
        with (self.folder / "daemons.log").open("ab") as log:
            self._processes.append(
                subprocess.Popen(
                    ["setpriv", "--pdeathsig=TERM", *privileges, *command],
                    env=os.environ | self.environment,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            )

    def _wait(self, wanted: str, *command: str) -> None:
        deadline = time.monotonic() + START_SECONDS
        while wanted not in self.run(*command).stdout:
            assert time.monotonic() < deadline, self.logs()
            time.sleep(0.1)

    def run(self, *command: str) -> "subprocess.CompletedProcess[str]":
        """One of Slurm's commands."""
        return subprocess.run(
            command, env=os.environ | self.environment, capture_output=True, text=True
        )

    def batch(self, *options: str) -> str:
        """Submit a script and wait for its end, more often than `sbatch --wait`: its exit code."""
        submitted = self.run("sbatch", "--parsable", *options)
        assert submitted.returncode == 0, submitted.stderr
        job = submitted.stdout.strip()
        while any(each.partition("+")[0] == job for each, *_ in self.jobs()):
            time.sleep(0.2)
        told = self.run("scontrol", "show", "job", job).stdout
        return told.partition("ExitCode=")[2].split()[0]

    def jobs(self) -> list[list[str]]:
        """Id, partition and state of every job that waits or runs."""
        listing = self.run("squeue", "--noheader", "--format=%i %P %T").stdout
        return [line.split() for line in listing.splitlines()]

    def wait_until_empty(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while self.jobs():
            assert time.monotonic() < deadline, self.jobs()
            time.sleep(0.1)

    def logs(self) -> str:
        return (self.folder / "daemons.log").read_text(errors="replace")

    def stop(self) -> None:
        if len(self._processes) == 4:
            self.run("scancel", f"--user={getpass.getuser()}")
            self.wait_until_empty()
        for process in reversed(self._processes):
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
