import os

import pytest
import torch
from distributed import Client, LocalCluster

from screener.execution.device import device_of_worker


@pytest.fixture
def gpu_that_is_there(monkeypatch):
    """A machine on which CUDA sees a GPU; what a worker sets for it is taken back."""
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":16:8")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    yield
    torch.use_deterministic_algorithms(False)


def device_and_settings() -> tuple[str, bool, str]:
    device = device_of_worker()
    is_fixed = torch.are_deterministic_algorithms_enabled()
    return device, is_fixed, os.environ["CUBLAS_WORKSPACE_CONFIG"]


@pytest.mark.parametrize(
    ("resources", "expected"),
    [({"GPU": 1}, ("cuda", True)), ({"CPU": 2}, ("cpu", False)), ({}, ("cpu", False))],
)
def test_a_worker_uses_a_gpu_that_it_declares(gpu_that_is_there, resources, expected):
    with (
        LocalCluster(
            n_workers=1, processes=False, dashboard_address=":0", resources=resources
        ) as cluster,
        Client(cluster) as client,
    ):
        assert client.submit(device_and_settings).result() == (*expected, ":16:8")


def test_a_worker_that_declares_a_gpu_which_nobody_sees_goes_on_with_its_cpu():
    if torch.cuda.is_available():
        pytest.skip("CUDA sees a GPU here")
    with (
        LocalCluster(
            n_workers=1, processes=False, dashboard_address=":0", resources={"GPU": 1}
        ) as cluster,
        Client(cluster) as client,
    ):
        assert client.submit(device_of_worker).result() == "cpu"


def test_what_is_not_a_task_uses_the_cpu(gpu_that_is_there):
    assert device_of_worker() == "cpu"
