"""Memory of a cluster's processes, the scheduler's too where it is one of its own."""

import subprocess
import sys
from pathlib import Path

from screener.cluster.factory import connect
from screener.cluster.settings import AddressSettings
from screener.execution.observe import memory


def test_a_scheduler_elsewhere_tells_its_memory_without_this_package(tmp_path: Path) -> None:
    file = tmp_path / "scheduler.json"
    options = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", file]
    without = "import sys; sys.modules['screener'] = None; "
    program = without + "from distributed.cli.dask_scheduler import main; main()"
    with subprocess.Popen([sys.executable, "-c", program, *options], stderr=-3) as process:
        try:
            while not file.exists():
                assert process.poll() is None
            with connect(AddressSettings(address=str(file))) as client:
                told = memory(client)
        finally:
            process.kill()
    assert 10e6 < told["scheduler_bytes"] < 100e9
    assert 10e6 < told["client_bytes"] < 100e9
    assert told["n_workers"] == 0
    assert told["worker_max_bytes"] is None
