"""The command itself: its version, and how it ends when it is interrupted."""

import subprocess
import sys
from importlib.metadata import version

import pytest

# commands import these when they run: what is patched below must not be what they find first
import screener.api
import screener.campaign.driver.estimate
import screener.training.tables.train  # noqa: F401
from screener.cli.main import NOTHING_LOST

GOES_ON = "the same command goes on where this one was"


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


def test_who_asks_how_far_a_campaign_is_waits_for_little(finished):
    """What takes seconds to be there is not needed for it."""
    heavy = ("torch", "distributed", "scipy", "zarr", "pandas")
    program = (
        "import sys; from screener.cli.main import main; sys.argv = ['screener', 'status', "
        f"{str(finished.folder)!r}]\n"
        f"try: main()\nexcept SystemExit: print([each for each in {heavy} if each in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert "4 in the shortlist" in done.stdout
    assert done.stdout.endswith("[]\n")


@pytest.mark.parametrize(
    ("function", "arguments", "told"),
    [
        (
            "screener.campaign.settings.resolve.resolve",
            ["-v", "screen", "library", "--out", "out"],
            GOES_ON,
        ),
        (
            "screener.library_build.build.plan_build",
            ["library", "build", "x", "--out", "out"],
            GOES_ON,
        ),
        ("screener.cluster.factory.connect", ["labels"], GOES_ON),
        ("screener.training.tables.config.read_train_config", ["train", "x.toml"], GOES_ON),
        ("screener.campaign.results.status.status", ["status", "campaign"], NOTHING_LOST),
        ("screener.stores.library.LibraryStore.open", ["library", "info", "library"], NOTHING_LOST),
    ],
)
def test_an_interrupted_command_says_in_one_line_how_to_go_on(
    screener, monkeypatch, function, arguments, told
):
    monkeypatch.setattr(function, interrupt)
    assert screener(*arguments) == (130, "", f"interrupted; {told}\n")


def test_who_interrupts_again_gets_the_same_line(screener, monkeypatch):
    def interrupt_twice():
        raise KeyboardInterrupt

    monkeypatch.setattr(sys.modules["screener.cli.main"], "app", interrupt_twice)
    code, out, err = screener("screen", "library", "--out", "out")
    assert (code, out, err) == (130, "", f"interrupted; {GOES_ON}\n")


def test_a_watch_that_is_ended_says_nothing(screener, monkeypatch):
    monkeypatch.setattr("screener.cli.watch.watch", interrupt)
    assert screener("status", "campaign", "--watch") == (130, "", "")
