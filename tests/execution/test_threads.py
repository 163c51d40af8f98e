import os
import subprocess
import sys
import threading

import pytest
import torch
from threadpoolctl import threadpool_info

from screener.errors import ScreenerError
from screener.execution.threads import one_thread


def test_libraries_loaded_before_and_after_use_one_thread() -> None:
    script = (
        "import numpy as np\n"
        "from screener.execution.threads import one_thread\n"
        "one_thread()\n"
        "import torch, tblite.interface, scipy.linalg\n"
        "one_thread()\n"
        "from threadpoolctl import threadpool_info\n"
        "pools = threadpool_info()\n"
        "assert pools and {pool['num_threads'] for pool in pools} == {1}, pools\n"
        "assert torch.get_num_threads() == 1\n"
    )
    environment = {
        name: value for name, value in os.environ.items() if not name.endswith("_THREADS")
    }
    subprocess.run([sys.executable, "-c", script], check=True, env=environment)


@pytest.mark.parametrize("numba_is_first", [True, False])
def test_loops_can_be_compiled_afterwards(numba_is_first: bool) -> None:
    first, then = "import numba", "from screener.execution.threads import one_thread; one_thread()"
    if not numba_is_first:
        first, then = then, first
    script = (
        f"{first}\n{then}\n"
        "from screener.execution.threads import one_thread\n"
        "import wave\n"  # a module that came since, so that threads are limited again
        "one_thread()\n"
        "assert numba.get_num_threads() == 1\n"
        "assert numba.njit(lambda: 42)() == 42\n"
    )
    environment = {
        name: value for name, value in os.environ.items() if not name.endswith("_THREADS")
    }
    subprocess.run([sys.executable, "-c", script], check=True, env=environment)


def test_every_thread_gets_its_limit() -> None:
    seen: list[int] = []

    def work() -> None:
        one_thread()
        seen.extend(pool["num_threads"] for pool in threadpool_info())
        seen.append(torch.get_num_threads())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert set(seen) == {1}


def test_a_library_that_does_not_obey_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: 8)
    errors: list[ScreenerError] = []

    def work() -> None:
        try:
            one_thread()
        except ScreenerError as error:
            errors.append(error)

    thread = threading.Thread(target=work)  # one that was not checked yet
    thread.start()
    thread.join()
    assert "'torch': 8" in str(errors[0])
