"""Docker, CUDA and the README: as far as they can be looked at without running them."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from screener.cluster.settings import KINDS, SlurmSettings, cluster_from, read_cluster

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy"


def test_slurm_settings_as_shipped() -> None:
    settings = read_cluster(str(FOLDER / "slurm" / "slurm.toml"))
    assert isinstance(settings, SlurmSettings)
    assert settings.gpu is not None


@pytest.mark.parametrize("script", [*FOLDER.glob("*/*.sh"), *FOLDER.glob("*/*.sbatch")], ids=str)
def test_shell_accepts_every_script(script: Path) -> None:
    subprocess.run(["bash", "-n", script], check=True)


def test_the_cuda_script_passes_the_command_on(tmp_path: Path) -> None:
    tool = tmp_path / "bin" / "screener"
    tool.parent.mkdir()
    tool.write_text('#!/bin/bash\nprintf "%s\\n" "$@"\n')
    tool.chmod(0o755)
    done = subprocess.run(
        [FOLDER / "cuda" / "screen.sh", "screen", "my library", "--top", "3"],
        env={"SCREENER_VENV": str(tmp_path), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
    )
    wanted = ["screen", "my library", "--top", "3", "--cluster", "cuda"]
    assert done.stdout.splitlines() == wanted, done.stderr


def test_the_image_copies_what_there_is_and_installs_extras_that_exist() -> None:
    text = (FOLDER / "docker" / "Dockerfile").read_text()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (wanted,) = re.findall(r"'\.\[(.*)\]'", text)
    assert set(wanted.split(",")) <= set(project["optional-dependencies"])
    copied = [name for line in re.findall(r"^COPY (.*)", text, re.M) for name in line.split()[:-1]]
    ignored = (ROOT / ".dockerignore").read_text()
    for name in copied:
        assert (ROOT / name).exists()
        assert f"!{name}" in ignored.splitlines()


def test_the_readme_tells_of_every_kind_and_its_settings_are_accepted() -> None:
    text = (FOLDER / "README.md").read_text()
    assert set(re.findall(r"^\| `(\w+)` \| [^w]", text, re.M)) == set(KINDS)
    (shown,) = re.findall(r"^    \[cluster\]\n(?:    .*\n)+", text, re.M)
    cluster_from(tomllib.loads(shown.replace("    ", ""))["cluster"], "README.md")
    for link in re.findall(r"\]\(([^):]+)\)", text):
        assert (FOLDER / link).exists()
