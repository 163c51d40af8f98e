"""What `logging` writes to standard error is JSON on request."""

import json
import logging
import shutil
import subprocess
import sys

import forked

from screener.cli.json_lines import JsonLines
from screener.stores.frozen_toml import to_toml


def test_records_are_lines(caplog):
    logger = logging.getLogger("screener.stores.lease")
    with caplog.at_level(logging.INFO):
        logger.warning("the lease of %s\nis lost", "Å")
        logger.info("text", extra={"event": "units", "fields": {"level": "ERROR", "n_units": 3}})
        try:
            raise ValueError("broken")
        except ValueError:
            logger.exception("failed")
    lines = [JsonLines().format(record) for record in caplog.records]
    assert not any("\n" in line for line in lines)
    warning, event, failed = map(json.loads, lines)
    assert warning.pop("time").endswith("+00:00")
    assert warning == {
        "level": "WARNING",
        "event": "log",
        "logger": "screener.stores.lease",
        "message": "the lease of Å\nis lost",
    }
    assert (event["level"], event["event"], event["n_units"]) == ("ERROR", "units", 3)
    assert "ValueError: broken" in failed["traceback"]


def test_a_run_logs_its_events_as_json(finished, tmp_path):
    """In a process of its own, as a batch job: logging can be configured only once."""
    config = tmp_path / "config.toml"
    config.write_text(to_toml(finished.config.model_dump(mode="json")))
    campaign = tmp_path / "campaign"
    shutil.copytree(finished.folder, campaign)  # nothing is left to do
    arguments = ["screen", finished.library, "--out", campaign, "--config", config]
    arguments += ["--workers", "1"]
    process = forked.Popen(
        [sys.executable, "-m", "screener", "-v", "--log-json", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    said, _ = process.communicate()
    assert process.returncode == 0, said
    told = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    names = [each["event"] for each in told if each["event"] != "log"]
    assert names[0] == "started"
    assert names[-1] == "ranked"
    assert names.count("stage finished") == 2
