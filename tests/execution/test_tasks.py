import itertools
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from distributed import Client, LocalCluster, Scheduler, SpecCluster, Worker

from screener import waiting
from screener.cluster.factory import connect
from screener.cluster.settings import LocalSettings
from screener.errors import ConfigError, MoleculeError, ScreenerError
from screener.execution import tasks
from screener.execution.tasks import Completed, Task, ready_first, run_tasks

sys.path.insert(0, str(Path(__file__).parent))  # workers get it too
import faults


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with connect(LocalSettings(workers=2)) as client:
        yield client


def additions(numbers: Iterator[int] | range) -> Iterator[Task]:
    return (Task(f"add-{i}", faults.add, (i, i)) for i in numbers)


def test_everything_is_done_once(client: Client) -> None:
    done = list(run_tasks(client, additions(range(50))))
    assert all(isinstance(completed, Completed) for completed in done)
    assert sorted(completed.result for completed in done) == [2 * i for i in range(50)]
    assert {completed.task.name for completed in done} == {f"add-{i}" for i in range(50)}


def test_no_tasks_need_no_worker(client: Client) -> None:
    assert list(run_tasks(client, [], wait_for_workers_seconds=0)) == []


@pytest.mark.parametrize("per_slot", [1, 3])
def test_the_window_is_bounded_and_tasks_are_pulled_as_needed(
    client: Client, per_slot: int
) -> None:
    n_pulled = 0
    largest = 0

    def endless() -> Iterator[Task]:
        nonlocal n_pulled
        for task in additions(itertools.count()):
            n_pulled += 1
            yield task

    with closing(run_tasks(client, endless(), window_per_slot=per_slot)) as running:
        for n_done in range(40):
            next(running)
            largest = max(largest, n_pulled - n_done)
    assert largest == 2 * per_slot  # two workers of one thread


def test_results_are_let_go_and_closing_cancels(client: Client) -> None:
    slow = (Task(f"slow-{i}", faults.slowly, (0.2, i)) for i in itertools.count())
    running = run_tasks(client, slow)
    for _ in range(4):
        next(running)
    assert len(client.futures) <= 6
    running.close()
    assert eventually_forgotten(client)


def eventually_forgotten(client: Client) -> bool:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if not client.futures and not client.run_on_scheduler(_n_tasks):
            return True
        time.sleep(0.05)
    return False


def _n_tasks(dask_scheduler: Scheduler) -> int:
    return len(dask_scheduler.tasks)


def test_the_scheduler_remembers_nothing_of_what_was_done(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "FORGET_EVERY", 10)
    for _ in run_tasks(client, additions(range(99))):
        pass
    assert client.run_on_scheduler(_n_submissions) <= 20  # what was on its way then goes later


def _n_submissions(dask_scheduler: Scheduler) -> int:
    spans = dask_scheduler.extensions["spans"].spans.values()
    return sum(len(span.metadata["collections"]) for span in spans if span.metadata)


def test_equal_names_are_different_attempts(client: Client) -> None:
    same = [Task("unit", faults.add, (i, 0)) for i in range(4)]
    assert sorted(completed.result for completed in run_tasks(client, same)) == [0, 1, 2, 3]


def test_what_a_task_raises_is_raised(client: Client) -> None:
    work = [*additions(range(3)), Task("scf", faults.fails, ("molecule",))]
    with pytest.raises(MoleculeError, match="250 iterations") as caught:
        list(run_tasks(client, work))
    assert caught.value.code == "scf_not_converged"
    with pytest.raises(ZeroDivisionError) as bug:
        list(run_tasks(client, [Task("bug", faults.fails, ("bug",))]))
    assert "fails" in {entry.name for entry in bug.traceback}
    assert eventually_forgotten(client)


def test_an_error_of_the_iterator_cancels(client: Client) -> None:
    def broken() -> Iterator[Task]:
        yield Task("slow", faults.slowly, (0.1, 1))
        raise ValueError("the plan is broken")

    with pytest.raises(ValueError, match="the plan is broken"):
        list(run_tasks(client, broken()))
    assert eventually_forgotten(client)


def test_a_killed_worker_costs_nothing_but_time(client: Client, tmp_path: Path) -> None:
    work = [*additions(range(5)), Task("fatal", faults.kills_its_worker, (str(tmp_path / "m"),))]
    work += [Task(f"slow-{i}", faults.slowly, (0.3, i)) for i in range(6)]
    running = run_tasks(client, work)
    done = [next(running) for _ in range(8)]
    pids = client.run(os.getpid)
    os.kill(next(iter(pids.values())), signal.SIGKILL)  # another one, from outside
    done += running
    assert sorted(completed.task.name for completed in done) == sorted(task.name for task in work)
    assert "survived" in [completed.result for completed in done]


def test_a_task_that_always_kills_its_worker_is_named() -> None:
    with connect(LocalSettings(workers=1)) as client:
        client.run_on_scheduler(_blame_at_once)
        with pytest.raises(ScreenerError, match=r"task unit-17 was lost 3 times.*KilledWorker"):
            list(run_tasks(client, [Task("unit-17", faults.kills_its_worker, (None,))]))


def _blame_at_once(dask_scheduler: Scheduler) -> None:
    dask_scheduler.allowed_failures = 0


@pytest.mark.slow
def test_a_worker_that_hangs_costs_nothing_but_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It holds one task that it had begun, and others that it had not."""
    monkeypatch.setattr(tasks, "LATE_SECONDS", 1.0)
    marker = tmp_path / "stopped"
    work = [*additions(range(5)), Task("hangs", faults.stops_its_worker, (str(marker),))]
    work += [Task(f"slow-{i}", faults.slowly, (0.1, i)) for i in range(6)]
    with connect(LocalSettings(workers=2)) as client:
        done = list(run_tasks(client, work))
        assert int(marker.read_text()) not in client.run(os.getpid).values()  # it was ended
    assert sorted(completed.task.name for completed in done) == sorted(task.name for task in work)
    assert "survived" in [completed.result for completed in done]


def test_a_late_task_that_ends_after_all_counts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "LATE_SECONDS", 0.2)
    monkeypatch.setattr(tasks, "LATE_FACTOR", 0.0)
    work = [*additions(range(5)), *(Task(f"s-{i}", faults.slowly, (2.0, i)) for i in range(2))]
    with connect(LocalSettings(workers=2)) as client:
        done = list(run_tasks(client, work))
        assert sorted(completed.task.name for completed in done) == sorted(t.name for t in work)
        assert eventually_forgotten(client)


def test_no_worker_is_an_error_that_says_how_to_start_one() -> None:
    with (
        LocalCluster(n_workers=0, host="127.0.0.1", dashboard_address=":0") as cluster,
        Client(cluster) as client,
    ):
        address = cluster.scheduler_address
        with pytest.raises(ConfigError, match=f"no worker was.*dask worker {address}"):
            list(run_tasks(client, additions(range(2)), wait_for_workers_seconds=0.2))


def test_a_worker_that_comes_late_is_used_and_waited_for_with_a_notice(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(waiting, "FIRST_SECONDS", 0.1)
    with (
        LocalCluster(n_workers=0, processes=False, dashboard_address=":0") as cluster,
        Client(cluster.scheduler_address) as client,
    ):
        late = threading.Timer(1.0, cluster.scale, (1,))
        late.start()
        assert len(list(run_tasks(client, additions(range(4))))) == 4
        late.join()
        first = notices(caplog)[0]
        assert first.startswith("waiting for a worker to connect since ")
        assert first.endswith(
            "(0 worker threads in all). Start one with: dask worker "
            f"{cluster.scheduler_address} --nthreads 1"
        )


def notices(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [
        each.getMessage() for each in caplog.records if getattr(each, "event", "") == waiting.EVENT
    ]


def test_a_task_that_takes_long_is_told_once_in_a_while(
    client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Not what the caller does meanwhile, nor tasks that take no longer than others did."""
    monkeypatch.setattr(waiting, "FIRST_SECONDS", 0.3)
    monkeypatch.setattr(tasks, "TICK_SECONDS", 0.05)
    for _ in run_tasks(client, [Task("quick", faults.add, (1, 1))]):
        time.sleep(0.5)
    assert notices(caplog) == []
    slow = [Task(f"slow-{i}", faults.slowly, (1.0, i)) for i in range(3)]
    assert len(list(run_tasks(client, slow, window_per_slot=1))) == 3
    told = notices(caplog)
    assert 1 <= len(told) <= 3
    assert told[0].startswith("waiting for the next task to end since ")
    assert "(2 are with 2 workers, slow-0 for " in told[0]
    assert "dashboard http://127.0.0.1:" in told[0]


def pools(**resources: dict[str, float]) -> SpecCluster:
    """Workers in this process, by name, with what they declare."""
    workers = {
        name: {"cls": Worker, "options": {"nthreads": 2, "resources": declared}}
        for name, declared in resources.items()
    }
    scheduler = {"cls": Scheduler, "options": {"host": "127.0.0.1", "dashboard_address": ":0"}}
    return SpecCluster(workers=workers, scheduler=scheduler)


def test_tasks_go_to_the_pool_that_they_ask_for() -> None:
    work = [
        Task(f"{resource}-{i}", faults.where, (i,), resource)
        for i in range(10)
        for resource in ("CPU", "GPU", None)
    ]
    with (
        pools(chemistry={"CPU": 2}, inference={"GPU": 1}, plain={}) as cluster,
        Client(cluster) as client,
    ):
        places: dict[str, set[str]] = {"CPU": set(), "GPU": set(), "None": set()}
        for completed in run_tasks(client, work):
            places[completed.task.name.split("-")[0]].add(completed.result)
    assert places["CPU"] == {"chemistry"}
    assert places["GPU"] == {"inference"}
    assert places["None"] <= {"chemistry", "inference", "plain"}


def test_a_window_is_no_larger_than_its_pool() -> None:
    def endless() -> Iterator[Task]:
        for i in itertools.count():
            pulled.append(i)
            yield Task(f"gpu-{i}", faults.where, (i,), "GPU")

    pulled: list[int] = []
    with (
        pools(chemistry={"CPU": 2}, inference={"GPU": 1}) as cluster,
        Client(cluster) as client,
        closing(run_tasks(client, endless(), window_per_slot=2)) as running,
    ):
        for _ in range(5):
            next(running)
        assert len(pulled) <= 4 + 2 + 1  # done before the last, one slot, one held back


@pytest.mark.parametrize(("first", "second"), [(0.0, 0.05), (0.05, 0.0)])
def test_neither_of_two_pools_floods_or_starves_the_other(first: float, second: float) -> None:
    """Structures and predictions of units, where the one or the other is what takes time."""
    n_units, per_slot = 40, 2
    ready: deque[Task] = deque()
    new = (Task(f"structures-{i}", faults.slowly, (first, i), "CPU") for i in range(n_units))
    n_between, most_between, order = 0, 0, []
    with (
        pools(chemistry={"CPU": 2}, inference={"GPU": 1}) as cluster,
        Client(cluster) as client,
    ):
        while n_between or not order:  # what is ready at the end of a round begins another
            work = ready_first(ready, new)
            for completed in run_tasks(client, work, window_per_slot=per_slot):
                step, _, number = completed.task.name.partition("-")
                order.append(step)
                if step == "structures":
                    arguments = (second, int(number))
                    ready.append(Task(f"predictions-{number}", faults.slowly, arguments, "GPU"))
                n_between += 1 if step == "structures" else -1
                most_between = max(most_between, n_between)
    assert order.count("structures") == order.count("predictions") == n_units
    window_of_cpus, window_of_gpus = 2 * per_slot, 1 * per_slot
    room = window_of_cpus + window_of_gpus + 1  # the one that is held back
    assert most_between <= room
    assert order.index("predictions") <= room


def test_nothing_is_restricted_where_nobody_declares() -> None:
    work = [Task(f"{r}-{i}", faults.where, (i,), r) for i in range(4) for r in ("CPU", "GPU")]
    with pools(plain={}) as cluster, Client(cluster) as client:
        assert {completed.result for completed in run_tasks(client, work)} == {"plain"}


def test_without_a_gpu_inference_goes_to_any_worker() -> None:
    work = [Task(f"gpu-{i}", faults.where, (i,), "GPU") for i in range(4)]
    with pools(chemistry={"CPU": 2}) as cluster, Client(cluster) as client:
        assert {completed.result for completed in run_tasks(client, work)} == {"chemistry"}


def test_a_missing_pool_is_an_error_with_the_command_that_starts_it() -> None:
    work = [Task("embed", faults.where, (0,), "CPU")]
    with (
        pools(inference={"GPU": 1}) as cluster,
        Client(cluster) as client,
        pytest.raises(ConfigError, match=r'declares CPU.*dask worker .* --resources "CPU=1"'),
    ):
        list(run_tasks(client, work, wait_for_workers_seconds=0.2))


def test_a_lost_scheduler_is_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "RECONNECT_SECONDS", 0.5)
    cluster = pools(plain={})
    with Client(cluster.scheduler_address, timeout=2) as client:
        running = run_tasks(
            client, (Task(f"s-{i}", faults.slowly, (0.05, i)) for i in itertools.count())
        )
        next(running)
        cluster.close()
        with pytest.raises(ScreenerError, match="connection to the Dask scheduler is lost"):
            list(running)
