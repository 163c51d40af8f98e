"""Events are told in full, in few lines, and with how a session ended."""

import json
import logging
import logging.handlers

import pytest

from screener import waiting
from screener.campaign.driver import events as module
from screener.campaign.driver.events import N_NAMED, EventLog
from screener.errors import ConfigError
from screener.records import Receipt
from screener.stores.files import Folder


def receipt(n, stage="mmff94", code="timed_out"):
    return Receipt(
        unit=f"u{n}",
        stage=stage,
        counts={"in": 4, "quarantined": 1},
        files={},
        seconds=0.5,
        details={"quarantine": {code: 1}, "host": f"node{n % 2}"},
    )


def told(tmp_path):
    return [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]


def test_units_are_summed_up(tmp_path):
    with EventLog(Folder(str(tmp_path))) as events:
        for n in range(1001):
            events.unit(receipt(n))
        events.unit(receipt(0, "gfn2-opt", "crashed"))
    first, *others = told(tmp_path)
    assert first["units"] == ["u0"]  # at once
    assert first["level"] == "INFO"
    assert len(others) < 100
    assert all(len(each.get("units", [])) <= N_NAMED for each in others)
    of_stage = [each for each in (first, *others) if each["stage"] == "mmff94"]
    assert sum(each["n_units"] for each in of_stage) == 1001
    assert sum(each["seconds"] for each in of_stage) == 500.5
    for key in ("in", "quarantined"):
        expected = 1001 * receipt(0).counts[key]
        assert sum(each["counts"][key] for each in of_stage) == expected
    assert sum(each["quarantine"]["timed_out"] for each in of_stage) == 1001
    assert sum(each["hosts"].get("node1", 0) for each in of_stage) == 500
    assert others[-1]["stage"] == "gfn2-opt"
    assert others[-1]["quarantine"] == {"crashed": 1}


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (KeyboardInterrupt(), "interrupted"),
        (ConfigError("no worker"), "ConfigError: no worker"),
        (ZeroDivisionError("1/0"), "ZeroDivisionError: 1/0"),
    ],
)
def test_the_reason_of_an_end_is_told(tmp_path, error, reason):
    def fail():
        with EventLog(Folder(str(tmp_path))) as events:
            events.unit(receipt(1))
            events.unit(receipt(2))
            raise error

    with pytest.raises(type(error)):
        fail()
    assert [each["event"] for each in told(tmp_path)] == ["units", "units", "stopped"]
    assert told(tmp_path)[-1]["reason"] == reason
    assert told(tmp_path)[-1]["level"] == "ERROR"


def test_warnings_of_the_package_are_told(tmp_path):
    log = logging.getLogger("screener.stores.lease")
    with EventLog(Folder(str(tmp_path))):
        log.warning("the lease was not renewed: %s", "no space")
        log.warning("again", extra={"event": "tried again", "fields": {"task": "t"}})
        log.info("nothing to worry about")
        logging.getLogger("elsewhere").warning("not ours")
    log.warning("after the end")
    warning, again = told(tmp_path)
    assert (warning["event"], warning["level"]) == ("warning", "WARNING")
    assert warning["message"] == "the lease was not renewed: no space"
    assert (again["event"], again["task"]) == ("tried again", "t")


def test_events_reach_logging_once(tmp_path, caplog):
    with caplog.at_level(logging.INFO, module.__name__), EventLog(Folder(str(tmp_path))) as events:
        events.write("lease taken over", level="WARNING", pid=7)
    (record,) = caplog.records
    assert (record.event, record.levelname) == ("lease taken over", "INFO")
    assert record.fields == {"level": "WARNING", "pid": 7}
    assert len(told(tmp_path)) == 1


def test_a_notice_of_waiting_does_not_wait_for_the_journal(tmp_path):
    """Which may be what is waited for."""
    log = logging.getLogger("screener.waiting")
    fields = {"for": "a store", "seconds": 20, "state": ""}
    with EventLog(Folder(str(tmp_path))) as events:
        with events._journal._lock:  # a put that hangs
            log.warning("waiting", extra={"event": waiting.EVENT, "fields": fields})
        assert not (tmp_path / "log.jsonl").exists()
        events.write("ranked", shortlisted=1)
        log.warning("waiting", extra={"event": waiting.EVENT, "fields": fields})
    assert [each["event"] for each in told(tmp_path)] == ["waiting", "ranked", "waiting"]
    assert told(tmp_path)[0] | fields == told(tmp_path)[0]


def test_warnings_are_seen_where_nobody_has_configured_logging(tmp_path, monkeypatch):
    seen = logging.handlers.BufferingHandler(10)
    monkeypatch.setattr(logging, "lastResort", seen)
    log = logging.getLogger("screener.stores.lease")
    with EventLog(Folder(str(tmp_path))):
        log.warning("to the journal alone, since others listen")
        monkeypatch.setattr(logging.getLogger(), "handlers", [])
        log.warning("to be seen")
    assert [record.getMessage() for record in seen.buffer] == ["to be seen"]
