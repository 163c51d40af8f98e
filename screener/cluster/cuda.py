"""This machine with its GPUs: one worker per device, and workers for chemistry on the other cores.

The workers are those of `screener.cluster.local`, each of which sees one device. Workers of
dask-cuda are not used: each of them sees every device, they keep Dask's data on the GPU, where we
have none, and they declare no resource.
"""

import os
from collections.abc import Mapping
from importlib import import_module

from dask.system import CPU_COUNT

from screener.cluster.extras import missing
from screener.cluster.local import Group
from screener.cluster.settings import CudaSettings
from screener.cluster.unit_worker import VISIBLE
from screener.errors import ConfigError


def cuda_groups(settings: CudaSettings) -> list[Group]:
    """The groups of workers: one for chemistry, one for the GPUs.

    Raises:
        ConfigError: the settings name no devices, and this machine has none.
    """
    devices = settings.gpu.devices
    if devices is None:
        devices = visible_devices(os.environ)
    if not devices:
        raise ConfigError(
            "no NVIDIA GPU is found on this machine. Check `nvidia-smi` and CUDA_VISIBLE_DEVICES, "
            "name devices in [cluster.gpu], or leave --cluster out to use the CPUs"
        )
    n_cpu = settings.cpu.workers or max(1, CPU_COUNT - len(devices))
    return [
        Group(
            n_cpu, "cpu", "CPU", {VISIBLE: ""}
        ),  # hides the GPUs, so that no library uses one by mistake
        Group(len(devices), "gpu", "GPU", {VISIBLE: ",".join(map(str, devices))}),
    ]


def visible_devices(environment: Mapping[str, str]) -> tuple[int | str, ...]:
    """The devices that CUDA would use, listed without opening one of them.

    Args:
        environment: environment variables. CUDA_VISIBLE_DEVICES may name the devices, also as UUIDs
            or as parts of a GPU; otherwise NVML is asked.
    Returns:
        numbers or names of devices; empty without a driver.
    Raises:
        ConfigError: NVML has to be asked and its Python package is not installed.
    """
    if VISIBLE in environment:
        return tuple(device for device in environment[VISIBLE].split(",") if device)
    try:
        nvml = import_module("pynvml")
    except ImportError as error:
        raise missing("cuda", error) from error
    try:
        nvml.nvmlInit()
        return tuple(range(nvml.nvmlDeviceGetCount()))
    except nvml.NVMLError:  # no driver
        return ()
