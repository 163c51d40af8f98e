import os
import subprocess
import sys
from pathlib import Path

import pytest

from screener.cluster import unit_worker
from screener.cluster.factory import connect
from screener.cluster.settings import LocalSettings
from screener.cluster.unit_worker import choose_device

NAP = """
def nap(folder, number):
    import pathlib, time
    pathlib.Path(folder, f"{number}-{time.time_ns()}").touch()
    time.sleep(3)
    return number
"""


@pytest.mark.slow
def test_a_worker_finishes_what_it_has_begun_before_it_leaves(tmp_path: Path) -> None:
    """Dask's own worker would drop it, and the task would begin once more on the other one."""
    scope: dict[str, object] = {}
    exec(NAP, scope)  # no module for workers to import, so that they begin at once
    nap = scope["nap"]
    with connect(LocalSettings(workers=1)) as client:
        leaving = subprocess.Popen(
            [
                sys.executable, "-m", "distributed.cli.dask_worker", client.scheduler.address,
                "--nthreads", "1", "--no-dashboard", "--name", "leaving", "--lifetime", "4s",
                "--worker-class", f"{unit_worker.__name__}.UnitWorker",
                "--local-directory", str(tmp_path / "scratch"),
            ],
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        client.wait_for_workers(2, timeout=120)
        began = tmp_path / "began"
        began.mkdir()
        futures = [client.submit(nap, str(began), i, pure=False) for i in range(6)]
        assert client.gather(futures) == list(range(6))
        _, said = leaving.communicate(timeout=120)
        assert len(client.nthreads()) == 1
    assert leaving.returncode == 0, said
    assert len(os.listdir(began)) == 6


@pytest.mark.parametrize(
    ("name", "visible", "left"),
    [
        ("gpu-0", "4,5", "4"),
        ("gpu-7-1", "4,5", "5"),
        ("gpu-3", "GPU-a", "GPU-a"),
        ("gpu", "4,5", "4,5"),
        ("gpu-1", "", ""),
    ],
)
def test_one_device_of_those_that_are_visible(name: str, visible: str, left: str) -> None:
    environment = {"CUDA_VISIBLE_DEVICES": visible}
    choose_device(name, environment)
    assert environment["CUDA_VISIBLE_DEVICES"] == left
