"""Campaigns on a Slurm that runs: pools in two partitions, jobs that are cancelled, the clean end.

The GPU pool declares the resource and the model runs on its CPU.
"""

import os
import shutil
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from types import SimpleNamespace

import forked
import pytest
from certificates import make_certificates
from distributed import Client
from naps import nap
from one_machine import SlurmMachine

from screener.campaign.driver.run import run_campaign
from screener.campaign.settings.config import CampaignConfig
from screener.cluster import slurm as slurm_module
from screener.cluster import slurm_pool
from screener.cluster.factory import connect
from screener.cluster.settings import SlurmSettings
from screener.errors import ConfigError
from screener.execution.tasks import Task, run_tasks
from screener.stores.library import LibraryStore

pytestmark = pytest.mark.slow

POOL = {"memory": "1G", "walltime": "01:00:00"}
CONFIG = """
library = "{library}"
finalists = 12

[ranking]
objectives = ["minimise:homo_b3lyp_ev", "maximise:gap_b3lyp_ev"]
top = 10

[[stages]]
bundle = "{bundle}"
n_conformers = 6
unit_rows = 1
"""
CLUSTER = """
[cluster]
kind = "slurm"
host = "127.0.0.1"
log_folder = "{logs}"

[cluster.cpu]
workers = 2
partition = "cpu"
memory = "1G"

[cluster.gpu]
workers = 1
partition = "gpu"
memory = "1G"
"""


@pytest.fixture(autouse=True)
def _looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slurm_module, "LOOK_SECONDS", 0.5)


def settings(tmp_path: Path, **values: object) -> SlurmSettings:
    values = {"cpu": {"workers": 1, **POOL}, "host": "127.0.0.1", **values}
    return SlurmSettings.model_validate(values | {"log_folder": str(tmp_path / "logs")})


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "screener", *map(str, arguments)]


@pytest.fixture(scope="module")
def undisturbed(
    tmp_path_factory: pytest.TempPathFactory,
    small_library: LibraryStore,
    tiny_bundles: SimpleNamespace,
    client: Client,
) -> SimpleNamespace:
    """A campaign on local processes: what its configuration was, and its shortlist."""
    folder = tmp_path_factory.mktemp("local")
    text = CONFIG.format(library=small_library.folder.url, bundle=tiny_bundles.direct)
    (folder / "campaign.toml").write_text(text)
    config = CampaignConfig.from_mapping(tomllib.loads(text), "test")
    run_campaign(config.with_options(out=str(folder / "campaign")), client)
    return SimpleNamespace(
        config=config, toml=folder / "campaign.toml", shortlist=shortlist(folder / "campaign")
    )


def shortlist(campaign: Path) -> list[bytes]:
    return [(campaign / f"shortlist.{kind}").read_bytes() for kind in ("parquet", "csv", "sdf")]


def without_structures(config: CampaignConfig, copy: Path) -> str:
    assert config.library is not None
    shutil.copytree(config.library, copy, ignore=shutil.ignore_patterns("structures"))
    return str(copy)


def test_a_campaign_on_two_partitions_behind_tls(
    slurm: SlurmMachine, undisturbed: SimpleNamespace, tmp_path: Path
) -> None:
    where = settings(
        tmp_path,
        cpu={"workers": 2, "partition": "cpu", **POOL},
        gpu={"workers": 1, "partition": "gpu", **POOL},
        **make_certificates(tmp_path / "tls"),
    )
    with connect(where) as client:
        assert client.scheduler.address.startswith("tls://127.0.0.1:")
        assert client.dashboard_link.startswith("http://127.0.0.1:")
        client.wait_for_workers(3, timeout=120)
        workers = client.scheduler_info(n_workers=-1)["workers"]
        declared = sorted(tuple(worker["resources"].items()) for worker in workers.values())
        assert declared == [(("CPU", 1),), (("CPU", 1),), (("GPU", 1),)]
        partitions = client.run(os.getenv, "SLURM_JOB_PARTITION")
        library = without_structures(undisturbed.config, tmp_path / "library")
        config = undisturbed.config.with_options(library=library, out=str(tmp_path / "campaign"))
        client.get_task_stream()
        run_campaign(config, client)
        ran = {
            (record["key"].split("-")[0], partitions[record["worker"]])
            for record in client.get_task_stream()
        }
    assert ran == {("structures", "cpu"), ("predictions", "gpu")}
    assert shortlist(tmp_path / "campaign") == undisturbed.shortlist


def test_a_job_that_is_cancelled_changes_nothing(
    slurm: SlurmMachine, undisturbed: SimpleNamespace, tmp_path: Path
) -> None:
    (tmp_path / "slurm.toml").write_text(CLUSTER.format(logs=tmp_path / "logs"))
    campaign = tmp_path / "campaign"
    library = without_structures(undisturbed.config, tmp_path / "library")
    process = forked.Popen(
        command(
            "screen", library, "--out", campaign, "--config", undisturbed.toml,
            "--cluster", tmp_path / "slurm.toml",
        ),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    while not list(campaign.glob("receipts/**/*.json")):
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    running = [job for job, partition, _ in slurm.jobs() if partition == "cpu"]
    assert len(running) == 2
    slurm.run("scancel", running[0])
    output, _ = process.communicate()
    assert process.returncode == 0, output
    assert shortlist(campaign) == undisturbed.shortlist


def test_jobs_that_end_are_replaced_and_workers_leave_between_tasks(
    slurm: SlurmMachine, tmp_path: Path
) -> None:
    # Slurm counts in minutes and would kill after one; ours leave after twelve seconds or so
    where = settings(tmp_path, cpu={"workers": 2, "memory": "1G", "walltime": "00:00:15"})
    began = tmp_path / "began"
    began.mkdir()
    with connect(where) as client:
        tasks = (Task(f"nap-{i}", nap, (str(began), i)) for i in range(36))
        done = [completed.result for completed in run_tasks(client, tasks)]
        jobs = {name.split(".")[1] for name in os.listdir(began)}
    assert sorted(done) == list(range(36))
    assert len(os.listdir(began)) == 36  # none began twice: none was interrupted
    assert len(jobs) > 2


def test_a_pool_follows_the_work(
    slurm: SlurmMachine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slurm_pool, "IDLE_LOOKS", 2)
    where = settings(tmp_path, cpu={"minimum": 1, "maximum": 3, **POOL})
    with connect(where) as client:
        assert len(slurm.jobs()) == 1
        futures = client.map(time.sleep, [2.0] * 15, pure=False, resources={"CPU": 1})
        client.wait_for_workers(3, timeout=120)
        client.gather(futures)
        del futures
        deadline = time.monotonic() + 120
        while len(slurm.jobs()) > 1:
            assert time.monotonic() < deadline, slurm.jobs()
            time.sleep(0.1)
        assert client.submit(sum, (1, 2)).result() == 3


def test_several_workers_in_one_job(slurm: SlurmMachine, tmp_path: Path) -> None:
    where = settings(tmp_path, cpu={"workers": 2, "workers_per_job": 2, **POOL})
    with connect(where) as client:
        client.wait_for_workers(2, timeout=120)
        assert len(set(client.run(os.getenv, "SLURM_JOB_ID").values())) == 1
        assert len(slurm.jobs()) == 1


def test_a_partition_that_is_not_there_is_an_error(slurm: SlurmMachine, tmp_path: Path) -> None:
    where = settings(tmp_path, gpu={"workers": 1, "partition": "none", **POOL})
    with pytest.raises(ConfigError, match="invalid partition specified: none"), connect(where):
        pass
    slurm.wait_until_empty()  # also the job of the pool that could be submitted


def test_jobs_that_end_before_they_connect_are_an_error(
    slurm: SlurmMachine, tmp_path: Path
) -> None:
    where = settings(tmp_path, prologue=["echo no module cuda >&2", "exit 1"])
    with pytest.raises(ConfigError, match=r"(?s)pool cpu ended .*no module cuda"), connect(where):
        pass
