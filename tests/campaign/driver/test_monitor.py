"""What a cluster suffers is in the journal of the campaign that it worked for."""

import json
import signal
import time
from pathlib import Path

import pytest
from distributed import Client, Scheduler

from screener.campaign.driver.events import EventLog
from screener.campaign.driver.monitor import monitored
from screener.cluster.factory import connect
from screener.cluster.settings import LocalSettings
from screener.errors import ScreenerError
from screener.execution.tasks import MAX_ATTEMPTS, Task, run_tasks
from screener.stores.files import Folder


def _blame_at_once(dask_scheduler: Scheduler) -> None:
    dask_scheduler.allowed_failures = 0


def run_watched(client: Client, task: Task, folder: Path) -> None:
    with EventLog(Folder(str(folder))) as events, monitored(client, events):
        deadline = time.monotonic() + 120
        while not (folder / "log.jsonl").exists():  # the first sample of memory
            assert time.monotonic() < deadline
            time.sleep(0.02)
        list(run_tasks(client, [task]))


@pytest.mark.slow
def test_lost_workers_and_repeated_tasks_are_told(tmp_path):
    fatal = Task("unit-17", signal.raise_signal, (signal.SIGKILL,))
    with connect(LocalSettings(workers=1)) as client:
        client.run_on_scheduler(_blame_at_once)
        (address,) = client.nthreads()
        with pytest.raises(ScreenerError, match="was lost 3 times"):
            run_watched(client, fatal, tmp_path)
    told = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    left = [each for each in told if each["event"] == "worker left"]
    assert left[0]["worker"] == address
    assert {each["expected"] for each in left} == {False}
    assert len(left) >= MAX_ATTEMPTS - 1  # the last death may be told too late
    joined = [each["worker"] for each in told if each["event"] == "worker joined"]
    assert {each["worker"] for each in left[1:]} <= set(joined)
    again = [each for each in told if each["event"] == "tried again"]
    assert [each["attempt"] for each in again] == [2, 3]
    assert {each["task"] for each in again} == {"unit-17"}
    assert all(each["reason"].startswith("KilledWorker") for each in again)
    assert {each["level"] for each in again} == {"WARNING"}
    memory = told[0]
    assert (memory["event"], memory["n_workers"]) == ("memory", 1)
    assert memory["client_bytes"] > memory["worker_max_bytes"] > 10e6
    assert told[-1]["event"] == "stopped"
    assert told[-1]["reason"].startswith("ScreenerError: task unit-17 was lost")
