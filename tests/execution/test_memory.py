import os
import subprocess
import sys

import pytest

PROGRAM = """
import resource
import numpy as np
from screener.execution.memory import keep_freed_memory

{call}
for _ in range(50):
    np.ones(8 << 20, np.uint8)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(50):
    np.ones(8 << 20, np.uint8)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def page_faults(call: str) -> int:
    """Of fifty arrays of 8 MiB, made and freed, in a process as Dask's nanny starts it."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(call=call)],
        env={**os.environ, "MALLOC_TRIM_THRESHOLD_": "65536"},
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="glibc alone has these thresholds")
def test_freed_memory_is_used_again():
    assert page_faults("keep_freed_memory()") < page_faults("") / 10
