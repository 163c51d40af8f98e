"""A campaign that is killed and resumed, followed by other processes from its folder alone."""

import json
import os
import pty
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import forked
import pytest

from screener.stores.frozen_toml import to_toml

SECONDS = 240
SECRET = "never/to+be/told+anywhere"
COMMAND = [sys.executable, "-m", "screener"]


def wait_until(condition, what: str):
    deadline = time.monotonic() + SECONDS
    while not (found := condition()):
        assert time.monotonic() < deadline, f"no {what} within {SECONDS} s"
        time.sleep(0.02)
    return found


def events_of(campaign: Path) -> list[dict]:
    path = campaign / "log.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


class Watcher:
    """`screener status --watch` as a process of its own, on a pipe or a pseudo-terminal."""

    def __init__(self, campaign: Path, on_terminal: bool) -> None:
        self.output = b""
        self._end, other = pty.openpty() if on_terminal else os.pipe()
        arguments = ["status", str(campaign), "--watch", "--every", "0.2"]
        self.process = forked.Popen(
            [*COMMAND, *arguments],
            stdout=other,
            stderr=subprocess.PIPE,
            env={**os.environ, "TERM": "xterm", "COLUMNS": "150", "LINES": "40"},
        )
        os.close(other)
        self._reading = threading.Thread(target=self._read)
        self._reading.start()

    def _read(self) -> None:
        while True:
            try:
                data = os.read(self._end, 65536)
            except OSError:  # a terminal whose other end is closed
                return
            if not data:
                return
            self.output += data

    @property
    def text(self) -> str:
        return self.output.decode()

    def ended(self) -> int:
        code = self.process.wait(SECONDS)
        self._reading.join()
        assert self.process.stderr.read() == b""
        return code

    def close(self) -> None:
        self.process.kill()
        self._reading.join()
        os.close(self._end)
        self.process.stderr.close()
        self.process.wait()


@contextmanager
def watching(campaign: Path, on_terminal: bool) -> Iterator[Watcher]:
    watcher = Watcher(campaign, on_terminal)
    try:
        yield watcher
    finally:
        watcher.close()


@contextmanager
def running(command: list[str], log: Path) -> Iterator[forked.Popen]:
    with open(log, "ab") as file, forked.Popen(command, stdout=file, stderr=file) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.slow
def test_a_campaign_is_followed_through_death_and_resumption(
    finished, tmp_path, screener, monkeypatch
):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    campaign, report = tmp_path / "campaign", tmp_path / "performance.html"
    library = finished.copy_of_library(tmp_path / "library")
    config = tmp_path / "config.toml"
    config.write_text(to_toml(finished.config.model_dump(mode="json")))
    arguments = ["screen", library, "--out", str(campaign), "--config", str(config)]
    command = [*COMMAND, *arguments, "--workers", "1"]
    log = tmp_path / "output.txt"

    def status() -> dict:
        code, out, _ = screener("status", campaign, "--json")
        assert code == 0
        return json.loads(out)

    with running(command, log) as first:
        wait_until((campaign / "campaign.toml").exists, "campaign")
        with watching(campaign, True) as terminal, watching(campaign, False) as pipe:
            wait_until(lambda: list((campaign / "receipts").rglob("*.json")), "receipt")
            os.kill(first.pid, signal.SIGSTOP)  # so that it cannot end before it was seen
            wait_until(lambda: f"run by process {first.pid} on" in pipe.text, "word of the first")
            os.kill(first.pid, signal.SIGKILL)
            first.wait()
            wait_until(lambda: "nobody runs it" in pipe.text, "word of its death on the pipe")
            wait_until(lambda: "nobody runs it" in terminal.text, "word of it on the terminal")

            dead = status()
            assert (dead["running"], dead["finished"], dead["runner"]) == (False, False, None)
            assert dead["command"] == ["screener", *command[3:]]
            assert dead["stopped"] is None  # it could not tell
            assert dead["stages"][0]["n_units_done"] >= 1
            assert dead["stages"][0]["seconds_left"] is None
            with watching(campaign, False) as third:
                resume = f"to go on with it: screener screen --out {campaign}"
                wait_until(lambda: resume in third.text, "the command")
                third.process.send_signal(signal.SIGINT)
                assert third.ended() == 130  # and not a word

            with running([*command, "--performance-report", str(report)], log) as second:
                started = wait_until(lambda: starts_of(campaign)[1:], "second start")[0]
                metrics = urllib.request.urlopen(
                    started["dashboard"].replace("/status", "/metrics"), timeout=SECONDS
                ).read()
                os.kill(second.pid, signal.SIGSTOP)  # so that it cannot end meanwhile
                try:
                    alive = status()
                    second_runs = f"run by process {second.pid} on"
                    wait_until(lambda: second_runs in pipe.text, "word of the second")
                finally:
                    os.kill(second.pid, signal.SIGCONT)
                assert second.wait(SECONDS) == 0, log.read_text()
            assert pipe.ended() == 0
            assert terminal.ended() == 0

    assert b"dask_scheduler_workers{" in metrics
    assert "Dask" in report.read_text()
    assert (campaign / "shortlist.csv").read_bytes() == (
        finished.folder / "shortlist.csv"
    ).read_bytes()

    runner = alive["runner"]
    assert (alive["running"], alive["finished"]) == (True, False)
    assert (runner["pid"], runner["dashboard"]) == (second.pid, started["dashboard"])
    assert runner["n_workers"] == 1

    done = status()
    assert (done["running"], done["finished"], done["shortlisted"]) == (False, True, 4)
    assert [stage["n_rows_done"] for stage in done["stages"]] == [22, 10]
    assert all(stage["finished"] and stage["rate_overall"] > 0 for stage in done["stages"])
    assert sum(done["stages"][0]["quarantine"].values()) == 1

    assert_lines(pipe.text)
    assert f"Dask dashboard: {started['dashboard']}" in pipe.text
    assert "mmff94: 6/6 units, 22/22 rows" in pipe.text
    assert terminal.text.count("out of domain") > 2  # drawn again
    assert "\x1b[1A" in terminal.text  # over what was there
    assert "4 in the shortlist" in terminal.text
    assert_events(campaign)


def starts_of(campaign: Path) -> list[dict]:
    return [event for event in events_of(campaign) if event["event"] == "started"]


def assert_lines(text: str) -> None:
    """Each line has its time, says something new, and the last one tells the end."""
    lines = text.splitlines()
    times, told = zip(*(line.split(" ", 1) for line in lines), strict=True)
    assert list(times) == sorted(times)
    assert all(len(each) == len("2026-01-01T00:00:00+00:00") for each in times)
    assert all(before != after for before, after in pairwise(told))
    assert told[-1] == "4 in the shortlist"


FIELDS = {
    "started": {
        *("command", "host", "pid", "versions", "compute", "ranking", "n_workers", "n_threads"),
        *("cluster", "scheduler", "dashboard"),
    },
    "lease taken over": {"host", "pid", "last_sign_of_life"},
    "stage started": {"stage", "n_units", "n_rows", "n_units_done", "n_rows_done"},
    "units": {"stage", "n_units", "seconds", "counts", "quarantine", "hosts", "units"},
    "memory": {
        *("client_bytes", "scheduler_bytes", "n_workers"),
        *("worker_min_bytes", "worker_median_bytes", "worker_max_bytes"),
    },
    "stage finished": {"stage", "counts", "quarantine"},
    "ranked": {"ranking", "name", "shortlisted"},
}


def assert_events(campaign: Path) -> None:
    events = events_of(campaign)
    by_name = {name: [each for each in events if each["event"] == name] for name in FIELDS}
    for name, fields in FIELDS.items():
        assert by_name[name], name
        for event in by_name[name]:
            assert set(event) == {"time", "level", "event", *fields}
    assert {event["event"] for event in events} == set(FIELDS)
    first, second = by_name["started"]
    assert [each["pid"] for each in by_name["lease taken over"]] == [first["pid"]]
    assert second["pid"] != first["pid"]
    assert second["cluster"] == "LocalCluster"
    sizes = by_name["memory"][0]
    assert sizes["scheduler_bytes"] is None  # it lives in the client
    assert 10e6 < sizes["worker_min_bytes"] <= sizes["worker_max_bytes"] < 100e9
    assert by_name["ranked"][0]["shortlisted"] == 4
    stored = [path.read_bytes() for path in campaign.rglob("*") if path.is_file()]
    assert not any(SECRET.encode() in data for data in stored)


def test_json_with_accounts_and_without_watch(screener, finished):
    code, out, _ = screener("status", finished.folder, "--json", "--accounts")
    told = json.loads(out)
    assert code == 0
    assert told["accounts"]["n_kept"] == sum(told["accounts"]["final"].values()) == 22
    code, _, err = screener("status", finished.folder, "--json", "--watch")
    assert code == 2
    assert "leave out --watch" in err


@pytest.mark.parametrize("command", [["screen"], ["library", "build", "x.smi"]])
def test_a_performance_report_that_cannot_be_written_is_told_before(screener, tmp_path, command):
    report = tmp_path / "nowhere" / "report.html"
    code, _, err = screener(*command, "--out", tmp_path / "out", "--performance-report", report)
    assert code == 2
    assert "cannot write the performance report" in err
