"""The worked example in docs/plugin-example, installed, and commands that see it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import forked

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "docs" / "plugin-example"


def install(target: Path) -> Path:
    source = target / "source"
    shutil.copytree(EXAMPLE, source, ignore=shutil.ignore_patterns("build", "*.egg-info"))
    installed = target / "installed"
    options = ("--no-deps", "--no-build-isolation", "--no-index", "--target", installed)
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "-q", *map(str, options), str(source)], check=True
    )
    return installed


def run(*words, path=()):
    """What Python prints, with some folders among those that it looks in."""
    return subprocess.run(
        [sys.executable, *map(str, words)],
        capture_output=True,
        text=True,
        env=_environment(path),
        check=True,
    ).stdout


def screener(*words, path=(), code=0):
    """What a command prints, in the same way."""
    process = forked.Popen(
        [sys.executable, "-m", "screener", *map(str, words)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=_environment(path),
    )
    said, _ = process.communicate()
    assert process.returncode == code, said
    return said


def _environment(path):
    looked_in = os.pathsep.join(map(str, (ROOT, *path)))
    return {**os.environ, "PYTHONPATH": looked_in, "COLUMNS": "200"}
