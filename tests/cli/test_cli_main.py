"""The command itself: its version, and how it ends when it is interrupted."""

import subprocess
import sys
from importlib.metadata import version

import pytest

# commands import these when they run: what is patched below must not be what they find first
import screener.api
import screener.campaign.driver.estimate
import screener.training.tables.train  # noqa: F401


def interrupt(*_arguments, **_named):
    raise KeyboardInterrupt


def test_the_version(screener):
    assert screener("--version") == (0, f"screener {version('screener')}\n", "")


def test_the_package_runs_as_a_module():
    done = subprocess.run(
        [sys.executable, "-m", "screener", "--version"], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, f"screener {version('screener')}\n")


def test_who_plans_or_reads_a_campaign_does_without_torch():
    """Which would be the longest part of its start."""
    modules = ", ".join(
        f"screener.campaign.{each}"
        for each in ("driver.run", "results.status", "results.rank", "results.explain")
    )
    program = f"import sys, {modules}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@pytest.mark.parametrize(
    ("function", "arguments", "goes_on"),
    [
        (
            "screener.campaign.settings.resolve.resolve",
            ["-v", "screen", "library", "--out", "out"],
            True,
        ),
        (
            "screener.library_build.build.plan_build",
            ["library", "build", "x", "--out", "out"],
            True,
        ),
        ("screener.cluster.factory.connect", ["labels"], True),
        ("screener.training.tables.config.read_train_config", ["train", "x.toml"], True),
        ("screener.campaign.results.status.status", ["status", "campaign"], False),
        ("screener.stores.library.LibraryStore.open", ["library", "info", "library"], False),
    ],
)
def test_an_interrupted_command_says_whether_it_goes_on(
    screener, monkeypatch, function, arguments, goes_on
):
    monkeypatch.setattr(function, interrupt)
    code, out, err = screener(*arguments)
    assert (code, out) == (130, "")
    assert err == goes_on * "interrupted; the same command goes on where this one was\n"
