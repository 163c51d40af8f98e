import io
import subprocess
import sys
import time
from pathlib import Path

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from screener import waiting
from screener.campaign.settings.config import CampaignConfig
from screener.campaign.settings.resolve import resolve
from screener.errors import ConfigError
from screener.library.sources import find_sources
from screener.models.bundle import load_bundle
from screener.stores.files import Folder
from screener.stores.library import LibraryStore
from screener.stores.remote import filesystem_of, opened, require_no_credentials


@pytest.mark.parametrize(
    "url",
    [
        "s3://AKIAEXAMPLE:geheim@bucket/library",
        "s3://AKIAEXAMPLE:ge/heim@bucket/library",  # real secrets may hold slashes
        "s3://AKIAEXAMPLE:geheim@store.example.org:9000/bucket/library",
        "s3a://AKIAEXAMPLE@bucket/library",
        "simplecache::s3://AKIAEXAMPLE:geheim@bucket/library",
        "sftp://somebody:geheim@host/library",
        "https://somebody:ge:heim@host/input.smi",
    ],
)
def test_urls_with_credentials_are_refused_without_repeating_them(url: str) -> None:
    for use in (
        Folder,
        LibraryStore.open,
        load_bundle,
        lambda url: find_sources([f"{url}/input.smi"]),
        lambda url: resolve(CampaignConfig(library=url, out="campaign")),
        lambda url: resolve(CampaignConfig(library="library", out=url)),
    ):
        with pytest.raises(ConfigError, match="holds credentials") as raised:
            use(url)
        told = str(raised.value)
        assert "environment" in told
        assert not any(each in told for each in ("AKIA", "ge/heim", "geheim", "ge:heim"))


@pytest.mark.parametrize(
    "url",
    [
        "s3://bucket/library@2026:1",
        "s3://arn:aws:s3:eu-central-1:123456789012:accesspoint/name/library",
        "sftp://somebody@host:22/library",
        "memory://library",
        "/data/a:b@c/library",
        "C:/library",
    ],
)
def test_urls_without_credentials_are_not(url: str) -> None:
    require_no_credentials(url)


def test_the_extra_that_s3_needs_is_named(tmp_path: Path) -> None:
    script = (
        "import sys\n"
        "sys.modules['s3fs'] = None\n"  # as if it were not installed
        "from screener.cli.main import main\n"
        "sys.argv = ['screener', 'library', 'info', 's3://bucket/library']\n"
        "main()\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path, timeout=240
    )
    assert ended.returncode == 2
    assert "pip install 'screener[s3]'" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_protocols_that_nobody_knows_are_told() -> None:
    with pytest.raises(ConfigError, match="Protocol not known: nosuch"):
        Folder("nosuch://bucket/library").exists("manifest.json")


class Slow(io.BytesIO):
    def read(self, size=-1):
        time.sleep(0.1)
        return super().read(size)


def test_bytes_that_are_long_in_coming_are_told_and_are_all_there(monkeypatch, caplog):
    monkeypatch.setattr(waiting, "FIRST_SECONDS", 0.02)
    monkeypatch.setattr(waiting, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(waiting, "_watcher", waiting._Watcher())  # another one may be asleep
    content = bytes(range(256)) * 9000
    filesystem = MemoryFileSystem()
    monkeypatch.setattr(filesystem, "open", lambda *_: Slow(content))
    with opened(filesystem, "table.csv", "memory://table.csv") as file:
        assert file.read() == content
        file.seek(-4, io.SEEK_END)
        assert file.read(9) == content[-4:]
    assert "waiting for bytes of memory://table.csv since" in caplog.text


def test_a_local_file_is_read_as_it_is(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"smiles\n")
    filesystem, path = filesystem_of(str(tmp_path / "a.csv"))
    with opened(filesystem, path, path) as file:
        assert file.read() == b"smiles\n"
