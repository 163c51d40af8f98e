"""A small campaign at the command line, and what comes of it in local folders, to compare with.

The molecules are real, the bundle is one that is shipped; one stage with MMFF94 geometries.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace

import forked
from distributed import Client

from screener.campaign.driver.run import run_campaign
from screener.campaign.results.rank import rank_again
from screener.campaign.settings.config import read_config
from screener.chemistry.standardise import StandardiseSettings
from screener.library_build.build import build_library
from screener.stores.files import Folder

CANDIDATES = Path(__file__).parents[1] / "screener/data/examples/battery-candidates.csv"
N_MOLECULES = 40
CONFIG = """
known_column = "known_as"

[[stages]]
bundle = "qm9-mmff94-direct"
unit_rows = 4

[ranking]
objectives = ["minimise:homo_b3lyp_ev", "maximise:gap_b3lyp_ev"]
top = 8
"""
SHORTLIST = ("shortlist.parquet", "shortlist.csv", "shortlist.sdf")
OTHER = ("--maximise", "dipole_b3lyp_debye", "--top", "5", "--main")


def in_local_folders(folder: Path, client: Client) -> SimpleNamespace:
    """Build and screen; `folder` holds `input.csv`, `campaign.toml`, `library` and `campaign`.

    Returns:
        `folder`; bytes of the shortlist by file: `shortlist` of the configuration, `other` by the
        objectives `OTHER`.
    """
    lines = CANDIDATES.read_text(encoding="utf-8").splitlines(keepends=True)
    (folder / "input.csv").write_text("".join(lines[: N_MOLECULES + 1]), encoding="utf-8")
    (folder / "campaign.toml").write_text(CONFIG)
    library, campaign = str(folder / "library"), Folder(str(folder / "campaign"))
    build_library([str(folder / "input.csv")], library, StandardiseSettings(), client)
    config = read_config(str(folder / "campaign.toml"))
    run_campaign(config.with_options(library=library, out=campaign.url), client)
    first = shortlist(campaign)
    other = config.with_options(objectives=["maximise:dipole_b3lyp_debye"], top=5)
    ranking = rank_again(campaign, other.ranking, command=["test"])
    return SimpleNamespace(folder=folder, shortlist=first, other=shortlist(campaign, ranking.path))


def shortlist(folder: Folder, path: str = "") -> dict[str, bytes]:
    """The files of the main ranking, or of the one below `path`."""
    return {name: folder.read_bytes(path + name) for name in SHORTLIST}


class Commands:
    """Runs `screener` in a folder of its own; keeps everything that was said."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.folder = folder
        folder.mkdir()
        self._environment = {**os.environ, **environment}
        self.said = ""

    def start(self, *arguments: str, said: int = subprocess.PIPE) -> forked.Popen:
        return forked.Popen(
            [sys.executable, "-m", "screener", *arguments],
            cwd=self.folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *arguments: str, ends_with: int = 0) -> str:
        """Run a command to its end; returns what it said."""
        process = self.start(*arguments)
        output, _ = process.communicate(timeout=280)
        self.said += output
        assert process.returncode == ends_with, output
        return output

    def kill_once(self, is_midway: Callable[[], bool], *arguments: str) -> None:
        """Start a command and kill it, by SIGKILL, as soon as it is so far."""
        with open(self.folder / "killed.output", "a+", encoding="utf-8") as output:
            process = self.start(*arguments, said=output.fileno())
            while not is_midway():
                assert process.poll() is None, (self.folder / "killed.output").read_text()
                time.sleep(0.05)
            process.kill()
            assert process.wait() == -9
