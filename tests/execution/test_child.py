import os
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path

import pytest

from screener import waiting
from screener.errors import MoleculeError, ScreenerError
from screener.execution import child
from screener.execution.child import isolated_map

sys.path.insert(0, str(Path(__file__).parent))  # children get it too
import faults

SOLVENTS = ["COC(=O)OC", "O=C1OCCO1", "CC1COC(=O)O1", "COCCOC", "CC#N", "O=C1CCCO1"]
ANSWERS: list[object] = [faults.atoms(smiles) for smiles in SOLVENTS]


def with_order(position: int, order: str) -> list[str]:
    items = list(SOLVENTS)
    items[position] = f"{order}:{items[position]}"
    return items


def codes(results: list[object]) -> list[object]:
    return [result.code if isinstance(result, MoleculeError) else result for result in results]


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state not in "ZX"


def ends(pid: int) -> bool:
    deadline = time.monotonic() + 20
    while is_alive(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not is_alive(pid)


@pytest.mark.parametrize("position", [0, 5])
@pytest.mark.parametrize(
    ("order", "code", "says"),
    [
        ("segfault", "crashed", "SIGSEGV"),
        ("exit", "crashed", "exit code 7"),
        ("sleep", "timed_out", "0.5 s"),
        ("spin", "timed_out", "0.5 s"),
        ("allocate", "out_of_memory", "200 MiB"),
        ("too much at once", "out_of_memory", "memory"),
        ("molecule", "embedding_failed", "no geometry"),
    ],
)
def test_a_bad_item_costs_only_itself(position: int, order: str, code: str, says: str) -> None:
    # 0.5 s are over before a slow machine has allocated 200 MiB
    seconds = 0.5 if code == "timed_out" else 60
    items = with_order(position, order)
    results = isolated_map(faults.atoms, items, wall_clock_seconds=seconds, memory_bytes=200 << 20)
    error = results[position]
    assert isinstance(error, MoleculeError)
    assert error.code == code
    assert says in error.message
    assert results[:position] + results[position + 1 :] == (
        ANSWERS[:position] + ANSWERS[position + 1 :]
    )


def test_all_faults_in_one_unit_each_by_name() -> None:
    orders = ["segfault", "sleep", "molecule", "exit", "sleep", "segfault"]
    items = [text for i, order in enumerate(orders) for text in (with_order(i, order)[i], "CC#N")]
    results = isolated_map(faults.atoms, items, wall_clock_seconds=0.5)
    expected = ["crashed", "timed_out", "embedding_failed", "crashed", "timed_out", "crashed"]
    assert codes(results)[::2] == expected
    assert results[1::2] == [3] * 6


def test_a_child_killed_from_outside_loses_nobody(tmp_path: Path) -> None:
    items = with_order(3, f"once {tmp_path / 'marker'}")
    assert isolated_map(faults.atoms, items, wall_clock_seconds=60) == ANSWERS
    assert (tmp_path / "marker").exists()


def test_a_child_killed_while_idle_is_replaced() -> None:
    (pid,) = isolated_map(faults.process_id, [None], wall_clock_seconds=60)
    os.kill(pid, signal.SIGKILL)
    assert isolated_map(faults.atoms, SOLVENTS, wall_clock_seconds=60) == ANSWERS


def test_the_child_lives_from_call_to_call() -> None:
    first = isolated_map(faults.process_id, [0, 1], wall_clock_seconds=60)
    second = isolated_map(faults.process_id, [0], wall_clock_seconds=60)
    assert set(first) == set(second)
    assert os.getpid() not in first


def test_output_of_libraries_does_not_disturb(capfd: pytest.CaptureFixture[str]) -> None:
    items = with_order(1, "print")
    assert isolated_map(faults.atoms, items, wall_clock_seconds=60) == ANSWERS
    assert capfd.readouterr().out == ""


def test_other_exceptions_come_through_as_they_are() -> None:
    with pytest.raises(ValueError, match="a bug, at CC#N") as caught:
        isolated_map(faults.atoms, with_order(4, "bug"), wall_clock_seconds=60)
    assert "faults.py" in caught.value.__notes__[0]
    assert isolated_map(faults.atoms, SOLVENTS, wall_clock_seconds=60) == ANSWERS


def test_an_exception_that_cannot_travel_is_told() -> None:
    with pytest.raises(ScreenerError, match="Unpicklable"):
        isolated_map(faults.atoms, with_order(0, "bug that does not pickle"), wall_clock_seconds=60)


def test_a_result_that_cannot_travel_is_told() -> None:
    with pytest.raises(TypeError, match="pickle"):
        isolated_map(faults.lock, [None], wall_clock_seconds=60)


def test_a_child_that_never_gets_to_work_is_a_clear_error() -> None:
    with pytest.raises(ScreenerError, match=r"3 times before.*exit code 3"):
        isolated_map(faults.atoms, [faults.KillsWhereItIsLoaded()], wall_clock_seconds=60)


def test_results_and_items_larger_than_a_pipe() -> None:
    sizes = [0, 10, 5_000_000, 1, 3_000_000]
    results = isolated_map(faults.big, sizes, wall_clock_seconds=60)
    assert [len(result) for result in results] == sizes
    texts = ["C" * 4_000_000, "CC#N"]
    assert isolated_map(faults.atoms, texts, wall_clock_seconds=60) == [4_000_000, 3]


def test_no_items_and_partial_functions() -> None:
    assert isolated_map(faults.atoms, [], wall_clock_seconds=60) == []
    assert isolated_map(partial(faults.add, 2), [3, 4], wall_clock_seconds=60) == [5, 6]


def test_each_thread_has_a_child_of_its_own() -> None:
    found: dict[str, list[object]] = {}
    together = threading.Barrier(2)

    def work(name: str, fault: str) -> None:
        together.wait()
        pids = isolated_map(faults.process_id, [0], wall_clock_seconds=60)
        results = isolated_map(faults.atoms, with_order(2, fault), wall_clock_seconds=0.5)
        found[name] = [pids[0], *codes(results)]

    threads = [
        threading.Thread(target=work, args=("a", "segfault")),
        threading.Thread(target=work, args=("b", "sleep")),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    pids = {found["a"][0], found["b"][0]}
    assert len(pids) == 2
    assert found["a"][1:] == [*ANSWERS[:2], "crashed", *ANSWERS[3:]]
    assert found["b"][1:] == [*ANSWERS[:2], "timed_out", *ANSWERS[3:]]
    assert all(ends(int(str(pid))) for pid in pids)  # with their threads


@pytest.mark.parametrize("how", ["killed", "ends by itself"])
def test_the_child_ends_with_its_parent(how: str, tmp_path: Path) -> None:
    last = "time.sleep(3600)" if how == "killed" else ""
    script = (
        "import sys, time; sys.path.insert(0, sys.argv[1]); import faults\n"
        "from screener.execution.child import isolated_map\n"
        "print(*isolated_map(faults.process_id, [0], wall_clock_seconds=60), flush=True)\n"
        f"{last}\n"
    )
    arguments = [sys.executable, "-c", script, str(Path(__file__).parent)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        if how == "killed":
            assert is_alive(pid)
            parent.kill()
    assert ends(pid)


def test_a_busy_child_ends_with_its_killed_parent(tmp_path: Path) -> None:
    script = "import sys; sys.path.insert(0, sys.argv[1]); import faults; "
    script += "faults.child_of_worker(sys.argv[2])"
    told = tmp_path / "pid"
    arguments = [sys.executable, "-c", script, str(Path(__file__).parent), str(told)]
    with subprocess.Popen(arguments) as parent:
        while not (told.exists() and told.read_text()):
            assert parent.poll() is None
            time.sleep(0.05)
        parent.kill()
    assert ends(int(told.read_text()))


def test_libraries_in_the_child_are_told_to_use_one_thread() -> None:
    (limits,) = isolated_map(faults.thread_limits, [None], wall_clock_seconds=60)
    assert {"OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"} <= set(limits)
    assert set(limits.values()) == {"1"}


def test_imports_do_not_count_against_the_molecule(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "slow_to_import.py").write_text(
        "import time\ntime.sleep(1)\ndef double(x):\n    return 2 * x\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    import slow_to_import  # type: ignore[import-not-found]

    assert isolated_map(slow_to_import.double, [1, 2], wall_clock_seconds=0.5) == [2, 4]


def test_imports_that_never_end_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "LOADING_SECONDS", 0.3)
    with pytest.raises(ScreenerError, match=r"imports not finished after 0\.3 s"):
        isolated_map(faults.atoms, [SleepsWhereItIsLoaded()], wall_clock_seconds=60)


class SleepsWhereItIsLoaded:
    def __reduce__(self) -> object:
        return time.sleep, (3600,)


def test_a_child_that_starts_slowly_is_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(waiting, "FIRST_SECONDS", 0.0)
    monkeypatch.setattr(child, "POLL_SECONDS", 0.001)

    def start() -> None:  # in a thread that has no child yet
        assert isolated_map(faults.atoms, ["CC#N"], wall_clock_seconds=60) == [faults.atoms("CC#N")]

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    assert "waiting for a chemistry process to start and to import its libraries" in caplog.text
