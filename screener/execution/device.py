"""The device on which a task evaluates models: the GPU of a worker that declares one."""

import os

from distributed import get_worker


def device_of_worker() -> str:
    """`cuda` on a worker that declares `GPU` and can use one, otherwise `cpu`.

    If it is `cuda`, torch is told, for the whole process, to use algorithms that sum in a fixed
    order, so that the numbers of a molecule do not change from run to run.
    """
    try:
        declared = get_worker().state.total_resources.get("GPU", 0)
    except ValueError:  # not in a task
        return "cpu"
    if not declared:
        return "cpu"
    import torch  # not where campaigns are only planned

    if not torch.cuda.is_available():
        return "cpu"
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS needs this for it
    torch.use_deterministic_algorithms(True, warn_only=True)
    return "cuda"
