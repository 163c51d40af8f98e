"""The worked example in docs/plugin-example, installed, and commands that see it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

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


def run(*words, path=(), code=0, cwd=None, **variables):
    """What Python prints, with some folders among those that it looks in."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (ROOT, *path)))}
    ended = subprocess.run(
        [sys.executable, *map(str, words)],
        capture_output=True,
        text=True,
        env={**environment, "COLUMNS": "200", **variables},
        cwd=cwd,
        check=False,
    )
    assert ended.returncode == code, ended.stderr
    return ended.stdout + ended.stderr


def screener(*words, path=(), code=0):
    return run("-m", "screener", *words, path=path, code=code)
