"""Disks that are full or must not be written, with real ones: a memory file system is mounted."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from needs import needs
from small_campaign import SHORTLIST, Commands, shortlist

from screener.stores.files import Folder

pytestmark = pytest.mark.slow

SIZE = 8 << 20
BLOCK = 4096


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """An empty disk of `SIZE` bytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounting = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "none", str(folder)]
    mounted = os.geteuid() == 0 and subprocess.run(mounting, check=False).returncode == 0
    needs("mount", mounted, "run the tests as root, where root may mount")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(disk: Path, n_free: int) -> Path:
    """Take all space but `n_free` bytes, with a file."""
    ballast = disk / "ballast"
    ballast.unlink(missing_ok=True)
    free = os.statvfs(disk).f_bavail * BLOCK
    ballast.write_bytes(bytes(free - n_free))
    return ballast


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_campaign_whose_disk_is_full_goes_on_once_there_is_room(local_campaign, disk, tmp_path):
    library, campaign = disk / "library", disk / "campaign"
    without = shutil.ignore_patterns("structures")
    shutil.copytree(local_campaign.folder / "library", library, ignore=without)
    commands = Commands(tmp_path / "commands", {})
    configuration = str(local_campaign.folder / "campaign.toml")
    screen = ("screen", str(library), "--out", str(campaign), "--config", configuration)
    screen = (*screen, "--workers", "2")

    n_done = []
    for n_free in (0, 30 * BLOCK):
        ballast = fill(disk, n_free)
        told = commands.run(*screen, ends_with=2)
        assert "Traceback" not in told
        assert "No space left on device; make room, then run the same command again" in told
        assert f"error: cannot write {disk}/" in told
        written = files_of(disk)
        assert [name for name in written if name.endswith(".partial")] == []
        for name, content in written.items():  # whole, every one of them
            if name.endswith(".json"):
                json.loads(content)
            elif name.endswith("log.jsonl"):
                assert [json.loads(line) for line in content.splitlines()]
        n_done.append(len(Folder(str(campaign)).names("receipts/mmff94")))
    assert n_done[0] == 0 < n_done[1] < 10
    assert not (campaign / SHORTLIST[0]).exists()

    ballast.unlink()
    commands.run(*screen)
    assert shortlist(Folder(str(campaign))) == local_campaign.shortlist


def test_a_library_whose_disk_is_full_is_finished_once_there_is_room(
    local_campaign, disk, tmp_path
):
    commands = Commands(tmp_path / "commands", {})
    source = str(local_campaign.folder / "input.csv")
    build = ("library", "build", source, "--out", str(disk / "library"), "--workers", "1")
    ballast = fill(disk, 6 * BLOCK)
    told = commands.run(*build, ends_with=2)
    assert "Traceback" not in told
    assert "No space left on device; make room, then run the same command again" in told
    assert [name for name in files_of(disk) if name.endswith(".partial")] == []
    assert not (disk / "library" / "manifest.json").exists()
    ballast.unlink()
    commands.run(*build)
    made = files_of(local_campaign.folder / "library")
    assert files_of(disk / "library") == {
        name: content for name, content in made.items() if not name.startswith("structures/")
    }


def test_a_read_only_disk_is_refused_at_the_start(local_campaign, disk, tmp_path):
    library, campaign = disk / "library", disk / "campaign"
    shutil.copytree(local_campaign.folder / "library", library)
    shutil.copytree(local_campaign.folder / "campaign", campaign)
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    commands = Commands(tmp_path / "commands", {})
    source = str(local_campaign.folder / "input.csv")
    out = str(tmp_path / "other")
    for refused, arguments in {
        disk / "new": ("screen", str(library), "--out", str(disk / "new"), "--stages", "mmff94"),
        library: ("screen", str(library), "--out", out, "--stages", "mmff94"),
        disk / "built": ("library", "build", source, "--out", str(disk / "built")),
    }.items():
        told = commands.run(*arguments, ends_with=2)
        assert f"cannot write to {refused}" in told
        assert "Traceback" not in told
        assert "Dask" not in told  # nothing was started
    assert not os.path.exists(out)
    assert "mmff94" in commands.run("status", str(campaign))
    told = commands.run("rank", str(campaign), "--top", "3", ends_with=2)
    assert f"error: cannot write {campaign}/rankings/" in told
    assert "Read-only file system" in told
