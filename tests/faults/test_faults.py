"""Whatever dies, the campaign ends with the shortlist of one that nothing disturbed."""

import os
import random
import signal
import time

import pytest
from machines import SOAK, Command, Machines, kill, wait_until, worker_pids

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
]  # of seconds; on a machine that does other things too
N_CLIENT_KILLS = 25 if SOAK else 5
MOSTLY_DONE = 24  # of 34 units
KILL_SECONDS = (4.0, 8.0)  # between two kills; a worker takes some to start and load a model
UNITS_BETWEEN = 3  # done between two kills, at least, so that slow machines get to the end


@pytest.mark.parametrize("machines", [2.0], indirect=True)
def test_workers_that_are_killed_at_random(machines: Machines, command: Command, agrees):
    """One every few seconds, or once units are done where that takes longer, throughout; their
    nannies start others."""
    nannies = machines.start_workers(3)
    generator = random.Random(1)
    n_kills = 0
    process = command.start()
    wait_until(lambda: len(worker_pids(nannies)) == 3)
    while process.poll() is None:
        n_done = command.n_done()
        time.sleep(generator.uniform(*KILL_SECONDS))
        wait_until(
            lambda n=n_done: (
                abs(command.n_done() - n) >= UNITS_BETWEEN or process.poll() is not None
            )
        )
        if pids := worker_pids(nannies):
            os.kill(generator.choice(pids), signal.SIGKILL)
            n_kills += 1
    output, _ = process.communicate()
    assert process.returncode == 0, output
    assert n_kills >= 3
    agrees(command, kills=n_kills)


def test_workers_that_join_and_leave(machines: Machines, command: Command, agrees):
    """As when a cluster grows and shrinks: those that leave do so when they are asked to."""
    first = machines.start_workers(1)
    process = command.start()
    wait_until(lambda: command.n_done() > 3)
    second = machines.start_workers(2)
    wait_until(lambda: command.n_done() > 10)
    first.terminate()
    wait_until(lambda: command.n_done() > 16)
    machines.start_workers(1)
    second.terminate()
    output, _ = process.communicate()
    assert process.returncode == 0, output
    agrees(command)


def test_a_worker_that_hangs(machines: Machines, command: Command, agrees):
    """Stopped with a task in its hands: the task is done elsewhere, and counted once."""
    nannies = machines.start_workers(2)
    process = command.start()
    wait_until(lambda: command.n_done() > 5)
    victim = worker_pids(nannies)[0]
    os.kill(victim, signal.SIGSTOP)
    output, _ = process.communicate()
    assert process.returncode == 0, output
    assert victim not in worker_pids(nannies)  # it was ended, and another one started
    agrees(command)


def test_a_scheduler_that_is_killed(machines: Machines, command: Command, agrees):
    """The command says so and ends; on another scheduler the same command goes on."""
    machines.start_workers(2)
    process = command.start()
    wait_until(lambda: command.n_done() > 5)
    machines.scheduler.kill()
    output, _ = process.communicate()
    assert process.returncode == 2, output
    assert "connection to the Dask scheduler is lost" in output
    assert "run the same command" in " ".join(output.split())
    n_done = command.n_done()
    machines.start_scheduler()
    machines.start_workers(2)
    command.run()
    agrees(command, units_done_before=n_done)


@pytest.mark.parametrize("machines", [1.0], indirect=True)
def test_a_client_that_is_killed_again_and_again(machines: Machines, command: Command, agrees):
    """At random moments, from its first second on; more than twenty times in the long form."""
    machines.start_workers(2)
    generator = random.Random(2)
    for n_kills in range(1, N_CLIENT_KILLS + 1):
        n_before = command.n_done()
        process = command.start()
        # half of them once something is done, so that the campaign gets ahead; half at any time
        # until then; once little is left, while it starts
        seconds = generator.uniform(0.0, 5.0 if n_before < MOSTLY_DONE else 1.0)
        if n_kills % 2 and n_before < MOSTLY_DONE:
            wait_until(lambda n_before=n_before: command.n_done() > n_before)
            time.sleep(seconds / 25)
        else:
            limit = time.monotonic() + seconds
            wait_until(
                lambda limit=limit, n_before=n_before: (
                    time.monotonic() > limit or command.n_done() > n_before
                )
            )
        assert process.poll() is None, process.communicate()[0]
        kill(process)
    n_done = command.n_done()
    command.run()
    agrees(command, kills=n_kills, units_done_before=n_done)


def test_a_second_client_is_refused_with_the_owners_name(
    machines: Machines, command: Command, agrees
):
    machines.start_workers(2)
    first = command.start()
    wait_until(lambda: command.n_done() > 2)
    first.send_signal(signal.SIGSTOP)  # for moments, lest it should finish first
    try:
        second = command.start()
        output, _ = second.communicate()
    finally:
        first.send_signal(signal.SIGCONT)
    assert second.returncode == 2, output
    told = " ".join(output.split())
    assert f"process {first.pid} on {os.uname().nodename}" in told
    output, _ = first.communicate()
    assert first.returncode == 0, output
    agrees(command)


def test_a_late_writer_of_a_dead_client_changes_nothing(
    machines: Machines, command: Command, agrees
):
    """Its tasks run on while the next client does the same units."""
    machines.start_workers(2)
    first = command.start()
    wait_until(lambda: command.n_done() > 2)
    kill(first)
    command.run()
    agrees(command)
