"""Libraries and campaigns on S3, by the command line with real workers, through kills and faults.

The shortlist has to be that of the same campaign in local folders.
"""

import base64
import re
import urllib.parse

import pytest
from proxy import proxy
from s3fs import S3FileSystem
from small_campaign import N_MOLECULES, OTHER, Commands, shortlist

from screener.api import Campaign, Library
from screener.campaign.results.accounts import accounts
from screener.stores.files import Folder

pytestmark = pytest.mark.slow


def test_a_campaign_on_s3_is_killed_and_resumed_to_the_same_shortlist(
    local_campaign, s3, bucket, tmp_path
):
    commands = Commands(tmp_path / "commands", s3.environment)
    Folder(bucket).write_bytes("input/a.csv", (local_campaign.folder / "input.csv").read_bytes())
    library, campaign = Folder(f"{bucket}/library"), Folder(f"{bucket}/campaign")
    build = ("library", "build", f"{bucket}/input/*.csv", "--out", library.url, "--workers", "2")
    commands.kill_once(lambda: bool(library.names("tmp/molecules/000")), *build)
    assert not library.exists("manifest.json")
    assert f"{N_MOLECULES} read" in commands.run(*build)
    assert f"{N_MOLECULES} read" in commands.run("library", "info", library.url)

    configuration = str(local_campaign.folder / "campaign.toml")
    screen = ("screen", library.url, "--out", campaign.url, "--config", configuration)
    screen = (*screen, "--workers", "2")
    receipts = campaign.child("receipts/mmff94")
    commands.kill_once(lambda: len(receipts.names()) >= 2, *screen)
    done = receipts.names()
    assert 2 <= len(done) < N_MOLECULES // 4
    before = {name: receipts.read_bytes(name) for name in done}
    assert not campaign.exists("shortlist.csv")
    commands.run(*screen)
    assert {name: receipts.read_bytes(name) for name in done} == before  # nothing is done twice
    assert shortlist(campaign) == local_campaign.shortlist
    assert accounts(campaign).is_balanced

    told = commands.run("status", campaign.url, "--accounts")
    assert re.search(rf"all\W+{N_MOLECULES}\W", told)
    commands.run("rank", campaign.url, *OTHER)
    assert shortlist(campaign) == local_campaign.other
    assert len(Library.open(library.url)) == N_MOLECULES
    assert len(Campaign(out=campaign.url).shortlist()) == 5

    written = {str(path): path.read_bytes() for path in commands.folder.iterdir()}
    written |= everything_in(bucket)
    assert any("/log/" in name for name in written)
    assert any(name.endswith("/provenance.json") for name in written)
    for secret in spellings(s3.secret):
        assert secret.encode() not in commands.said.encode()
        assert [name for name, content in written.items() if secret.encode() in content] == []


def everything_in(bucket: str) -> dict[str, bytes]:
    filesystem = S3FileSystem()
    return {name: filesystem.cat_file(name) for name in filesystem.find(bucket)}


def spellings(secret: str) -> list[str]:
    """As it is, as in a URL, and as in a header."""
    return [
        secret,
        urllib.parse.quote(secret, safe=""),
        base64.b64encode(secret.encode()).decode().rstrip("="),
    ]


def test_a_store_with_faults_leads_to_the_same_shortlist(local_campaign, s3, bucket, tmp_path):
    Folder(bucket).write_bytes("input.csv", (local_campaign.folder / "input.csv").read_bytes())
    probability = dict.fromkeys(
        ("unheard", "unanswered", "cut", "slow down", "error", "delayed"), 0.02
    )
    with proxy(s3, probability, seed=7) as between:
        commands = Commands(tmp_path / "commands", between.environment)
        library, campaign = f"{bucket}/library", f"{bucket}/campaign"
        commands.run("library", "build", f"{bucket}/input.csv", "--out", library, "--workers", "2")
        configuration = str(local_campaign.folder / "campaign.toml")
        screen = ("screen", library, "--out", campaign, "--config", configuration)
        commands.run(*screen, "--workers", "2")
        assert all(between.seen[fault] for fault in probability), between.seen
        print(f"requests by what they met: {dict(between.seen)}")
    assert shortlist(Folder(campaign)) == local_campaign.shortlist
    assert accounts(Folder(campaign)).is_balanced
