"""Workers of two kinds as real processes: each stage where it belongs, both kinds busy at once."""

import pytest
from distributed import Client
from machines import Command, Machines

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
]  # of seconds; on a machine that does other things too


def test_stages_run_where_they_belong_and_side_by_side(
    machines: Machines, command: Command, agrees
):
    """What ran where and when is taken from the scheduler's own task stream."""
    machines.start_workers(2, "CPU")
    machines.start_workers(1, "GPU")
    with Client(scheduler_file=machines.address, set_as_default=False) as watcher:
        watcher.wait_for_workers(3, timeout=300)
        workers = watcher.scheduler_info(n_workers=-1)["workers"]
        kinds = {address: next(iter(worker["resources"])) for address, worker in workers.items()}
        watcher.get_task_stream(count=0)  # the plugin that keeps it starts at the first question
        command.run()
        stream = watcher.get_task_stream(count=1000)
    ran: dict[str, list[tuple[float, float]]] = {"structures": [], "predictions": []}
    for task in stream:
        step = task["key"].split("-")[0]
        if step not in ran:
            continue
        assert kinds[task["worker"]] == {"structures": "CPU", "predictions": "GPU"}[step]
        ran[step] += [
            (each["start"], each["stop"])
            for each in task["startstops"]
            if each["action"] == "compute"
        ]
    assert len(ran["structures"]) == len(ran["predictions"]) == 22 + 12
    both = [
        (prediction, structure)
        for prediction in ran["predictions"]
        for structure in ran["structures"]
        if max(prediction[0], structure[0]) < min(prediction[1], structure[1])
    ]
    assert both
    agrees(command)
