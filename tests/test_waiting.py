import logging
import os
import threading
import time
from itertools import pairwise

import pytest

from screener import waiting
from screener.waiting import Wait


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "FIRST_SECONDS", 0.05)
    monkeypatch.setattr(waiting, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(waiting, "_watcher", waiting._Watcher())  # another one may be asleep


class Clock:
    """Time that passes when a test says so, however slow the machine."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        monkeypatch.setattr(waiting.time, "monotonic", lambda: self.now)
        monkeypatch.setattr(waiting, "FIRST_SECONDS", 20.0)


def notices(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [each for each in caplog.records if getattr(each, "event", "") == waiting.EVENT]


def test_a_notice_says_what_since_when_and_what_to_do(caplog: pytest.LogCaptureFixture) -> None:
    with waiting.waiting("a store", "Look at it.", lambda: "2 of 3"):
        time.sleep(0.2)
    first = notices(caplog)[0]
    assert first.levelno == logging.WARNING
    text = first.getMessage()
    assert text.startswith("waiting for a store since ")
    assert text.endswith(" s by now (2 of 3). Look at it.")
    assert first.fields == {
        "for": "a store",
        "seconds": pytest.approx(0, abs=5),
        "state": "2 of 3",
    }


def test_notices_become_rare(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    wait = Wait("Slurm", "Look at the queue.")
    told = []
    for second in range(7200):
        clock.now = float(second)
        n_before = len(notices(caplog))
        wait.tell_if_due()
        if len(notices(caplog)) > n_before:
            told.append(second)
    assert told[:6] == [20, 40, 80, 160, 320, 640]
    assert {after - before for before, after in pairwise(told[5:])} == {600}


def test_what_ends_soon_is_not_told(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    for _ in range(20):
        with waiting.waiting("a store", "Look at it."):
            clock.now += 19.0
            waiting._watcher.look()
    assert notices(caplog) == []


def test_the_innermost_of_waits_within_one_another_is_told(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "FIRST_SECONDS", 0.0)
    monkeypatch.setattr(waiting, "LOOK_SECONDS", 0.5)  # by itself not before this is over
    with waiting.waiting("workers", ""), waiting.waiting("their store", ""):
        waiting._watcher.look()
    assert {each.fields["for"] for each in notices(caplog)} == {"their store"}


def test_waits_of_several_threads_are_told(caplog: pytest.LogCaptureFixture) -> None:
    def wait(name: str) -> None:
        with waiting.waiting(name, ""):
            time.sleep(0.2)

    threads = [threading.Thread(target=wait, args=(name,)) for name in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {each.fields["for"] for each in notices(caplog)} == {"one", "two"}


def test_a_wait_that_begins_anew_is_counted_anew(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    wait = Wait("the next task", "")
    for _ in range(8):
        clock.now += 19.0
        wait.tell_if_due()
        wait.begin()
    assert notices(caplog) == []
    assert wait.seconds == 0.0


def test_the_thread_that_looks_is_there_only_while_something_is_waited_for() -> None:
    with waiting.waiting("a store", ""):
        assert any(thread.name == "waiting" for thread in threading.enumerate())
    deadline = time.monotonic() + 5
    while any(thread.name == "waiting" for thread in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_fork_waits_for_nothing_and_can_wait() -> None:
    with waiting.waiting("a store", ""):
        reads, writes = os.pipe()
        pid = os.fork()
        if pid == 0:
            handler = logging.StreamHandler(os.fdopen(writes, "w"))
            logging.getLogger("screener").handlers = [handler]
            with waiting.waiting("something of its own", ""):
                time.sleep(0.2)
            os._exit(0)
        os.close(writes)
        with os.fdopen(reads) as said:
            text = said.read()
        os.waitpid(pid, 0)
    assert "waiting for something of its own" in text
    assert "a store" not in text
