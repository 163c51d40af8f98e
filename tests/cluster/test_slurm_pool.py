from screener.cluster.settings import SlurmPool
from screener.cluster.slurm_pool import IDLE_LOOKS, MAX_FAILURES, MAX_RETRY_SECONDS, Pool


def pool(**settings: int) -> Pool:
    return Pool("cpu", "CPU", SlurmPool.model_validate(settings))


def with_jobs(made: Pool, connected: int, queued: int) -> Pool:
    made.jobs = {f"cpu-{i}": i < connected for i in range(connected + queued)}
    return made


def test_a_fixed_size_whatever_waits() -> None:
    made = with_jobs(pool(workers=7, workers_per_job=2), connected=3, queued=0)
    assert made.n_to_submit(n_tasks=0, now=0.0) == 1
    assert made.n_to_submit(n_tasks=1000, now=0.0) == 1


def test_between_minimum_and_maximum_as_many_as_tasks() -> None:
    made = pool(minimum=2, maximum=9, workers_per_job=4)
    assert [made.target(n_tasks) for n_tasks in (0, 3, 5, 8, 9, 1000)] == [1, 1, 2, 2, 3, 3]


def test_fewer_only_after_a_while_and_queued_jobs_first() -> None:
    made = with_jobs(pool(minimum=1, maximum=9), connected=3, queued=1)
    looks = [made.to_give_up(1, busy={"cpu-0", "cpu-1"}) for _ in range(IDLE_LOOKS)]
    assert looks == [[]] * (IDLE_LOOKS - 1) + [["cpu-3", "cpu-2"]]
    assert made.to_give_up(4, busy=set()) == []  # work came back, and the count begins again
    assert made.to_give_up(1, busy=set()) == []


def test_jobs_that_never_connect_are_submitted_more_and_more_rarely() -> None:
    made = pool(workers=1)
    pauses = []
    now = 0.0
    for _ in range(MAX_FAILURES + 8):
        made.jobs["cpu-0"] = False
        assert made.ended("cpu-0", now)
        pause = 0.0
        while made.n_to_submit(0, now + pause) == 0:
            pause += 30.0
        pauses.append(pause)
        now += pause
    assert pauses[: MAX_FAILURES + 1] == [0.0] * (MAX_FAILURES - 1) + [60.0, 120.0]
    assert max(pauses) == MAX_RETRY_SECONDS
    made.jobs["cpu-1"] = False
    made.saw("cpu-1")
    assert not made.ended("cpu-1", now)
    assert made.n_to_submit(0, now) == 1
