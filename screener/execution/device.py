"""The device on which a task evaluates models: the GPU of a worker that declares one."""

import os

import torch
from distributed import get_worker


def device_of_worker() -> str:
    """`cuda` on a worker that declares `GPU` and sees one, otherwise `cpu`.

    On a GPU sums are made in a fixed order from then on, in the whole process, so that a molecule's
    numbers do not change from run to run.
    """
    try:
        declared = get_worker().state.total_resources.get("GPU", 0)
    except ValueError:  # not in a task
        return "cpu"
    if not declared or not torch.cuda.is_available():
        return "cpu"
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # what cuBLAS needs for it
    torch.use_deterministic_algorithms(True, warn_only=True)
    return "cuda"
