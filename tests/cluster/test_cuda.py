import os
import shutil

import pytest
from dask.system import CPU_COUNT

from screener.cluster.cuda import cuda_groups, visible_devices
from screener.cluster.factory import connect
from screener.cluster.settings import CudaCpuPool, CudaGpuPool, CudaSettings
from screener.errors import ConfigError

NO_GPU = pytest.mark.skipif(shutil.which("nvidia-smi") is not None, reason="this machine has GPUs")


def test_each_gpu_worker_sees_one_device_and_the_others_none() -> None:
    settings = CudaSettings(cpu=CudaCpuPool(workers=1), gpu=CudaGpuPool(devices=(0, "GPU-5f")))
    with connect(settings) as client:
        workers = client.scheduler_info(n_workers=-1)["workers"]
        seen = client.run(os.getenv, "CUDA_VISIBLE_DEVICES")
        found = {
            (worker["name"], *worker["resources"].items(), seen[address])
            for address, worker in workers.items()
        }
    assert found == {
        ("cpu", ("CPU", 1.0), ""),
        ("gpu-0", ("GPU", 1.0), "0"),
        ("gpu-1", ("GPU", 1.0), "GPU-5f"),
    }


def test_devices_are_those_that_are_visible() -> None:
    assert visible_devices({"CUDA_VISIBLE_DEVICES": "3,MIG-41b3"}) == ("3", "MIG-41b3")
    assert visible_devices({"CUDA_VISIBLE_DEVICES": ""}) == ()


def test_chemistry_gets_the_cores_that_are_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    cpu, gpu = cuda_groups(CudaSettings())
    assert (cpu.n_workers, gpu.n_workers) == (max(1, CPU_COUNT - 1), 1)


@NO_GPU
def test_a_machine_without_a_gpu_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    with pytest.raises(ConfigError, match="no NVIDIA GPU is found on this machine"):
        cuda_groups(CudaSettings())
