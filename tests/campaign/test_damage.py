"""Files that were cut off, changed or lost are found, named, and made again where they can be."""

import json
import shutil
from pathlib import Path

import pytest

from screener.campaign.driver.run import run_campaign
from screener.campaign.results.accounts import accounts
from screener.campaign.results.rank import rank_again
from screener.campaign.results.verify import verify
from screener.campaign.settings import stages
from screener.campaign.settings.config import CampaignConfig
from screener.errors import StoreError
from screener.stores.files import Folder

SHORTLIST = ("shortlist.parquet", "shortlist.csv", "shortlist.sdf")
BY_GAP = CampaignConfig().with_options(objectives=["maximise:gap_gfn2_ev"]).ranking


def shortlist(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in SHORTLIST}


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x40
    path.write_bytes(bytes(data))


DAMAGES = (cut_off, flip, Path.unlink)


@pytest.fixture(scope="module")
def joined(finished, client, tmp_path_factory):
    """The finished campaign once more, its files joined by twos; for reading."""
    folder = tmp_path_factory.mktemp("joined")
    library = finished.copy_of_library(folder / "library")
    config = finished.config.with_options(library=library, out=str(folder / "campaign"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stages, "SEGMENT_UNITS", 2)
        run_campaign(config, client)
    return folder


@pytest.fixture
def campaign(joined, tmp_path):
    """A copy of it that can be damaged."""
    shutil.copytree(joined, tmp_path / "copy")
    text = (tmp_path / "copy" / "campaign" / "campaign.toml").read_text()
    (tmp_path / "copy" / "campaign" / "campaign.toml").write_text(
        text.replace(str(joined), str(tmp_path / "copy"))
    )
    return tmp_path / "copy" / "campaign"


def resume(finished, campaign, client):
    library = str(campaign.parent / "library")
    run_campaign(finished.config.with_options(library=library, out=str(campaign)), client)


def test_joined_files_give_the_same_shortlist(finished, joined):
    assert shortlist(joined / "campaign") == shortlist(finished.folder)
    receipts = joined / "campaign" / "receipts"
    assert sorted(path.stem for path in (receipts / "mmff94").glob("*.json")) == []
    assert len(list((receipts / "mmff94" / "joined").glob("*.jsonl.gz"))) == 3  # 6 units
    assert len(list((receipts / "gfn2-opt" / "joined").glob("*.jsonl.gz"))) == 2  # of 5 one is left
    assert len(list((receipts / "gfn2-opt").glob("*.json"))) == 1
    assert len(list((joined / "campaign" / "predictions" / "mmff94").iterdir())) == 3
    assert len(list((joined / "library" / "structures").rglob("*.zip"))) == 6 + 5
    assert accounts(Folder(str(joined / "campaign"))).is_balanced
    assert list(verify(Folder(str(joined / "campaign")))) == []


def test_joined_files_rank_by_other_objectives_alike(finished, campaign, tmp_path):
    shutil.copytree(finished.folder, tmp_path / "loose")
    known = []
    for folder in (campaign, tmp_path / "loose"):
        ranking = rank_again(Folder(str(folder)), BY_GAP, command=[], main=True)
        known.append((folder / ranking.path / "known.parquet").read_bytes())
    assert known[0] == known[1]
    assert shortlist(campaign) == shortlist(tmp_path / "loose")


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize(
    "kind", ["predictions/mmff94", "quarantine/mmff94", "predictions/gfn2-opt"]
)
def test_damaged_results_are_named_and_made_again(finished, campaign, client, kind, damage):
    victim = sorted((campaign / kind).iterdir())[0]
    whole = victim.read_bytes()
    damage(victim)
    (line,) = verify(Folder(str(campaign)))
    assert victim.name in line
    assert accounts(Folder(str(campaign))).is_balanced
    resume(finished, campaign, client)
    assert shortlist(campaign) == shortlist(finished.folder)
    assert list(verify(Folder(str(campaign)))) == []
    assert victim.read_bytes() == whole


def test_a_ranking_meets_damage_and_the_resumed_campaign_mends_it(finished, campaign, client):
    victim = sorted((campaign / "predictions" / "gfn2-opt").iterdir())[0]
    flip(victim)
    with pytest.raises(StoreError, match=rf"{victim.name} was cut off or changed.*resume"):
        rank_again(Folder(str(campaign)), BY_GAP, command=[])
    resume(finished, campaign, client)
    assert shortlist(campaign) == shortlist(finished.folder)
    rank_again(Folder(str(campaign)), BY_GAP, command=[])


@pytest.mark.parametrize("damage", [flip, pytest.param(Path.unlink, marks=pytest.mark.slow)])
def test_the_run_itself_mends_what_the_ranking_meets(finished, campaign, client, damage):
    """The ranking is to be made once more; predictions and structures of its rows are damaged."""
    shutil.rmtree(campaign / "rankings")
    for victim in sorted((campaign / "predictions" / "gfn2-opt").iterdir()):
        damage(victim)
    for victim in (campaign.parent / "library" / "structures").rglob("*.zip"):
        damage(victim)
    resume(finished, campaign, client)
    assert shortlist(campaign) == shortlist(finished.folder)
    events = [json.loads(line) for line in (campaign / "log.jsonl").read_text().splitlines()]
    assert any("it is made again" in event.get("message", "") for event in events)


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_receipts_have_their_units_done_again(finished, campaign, client, damage):
    for victim in (campaign / "receipts").rglob("*"):
        if victim.is_file():
            damage(victim)
    resume(finished, campaign, client)
    assert shortlist(campaign) == shortlist(finished.folder)
    assert list(verify(Folder(str(campaign)))) == []


@pytest.mark.parametrize("name", SHORTLIST)
def test_a_damaged_shortlist_is_written_again(finished, campaign, client, name):
    flip(campaign / name)
    flip(next((campaign / "rankings").glob(f"*/{name}")))
    resume(finished, campaign, client)
    assert shortlist(campaign) == shortlist(finished.folder)


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_shard_is_named(campaign, damage):
    library = campaign.parent / "library"
    assert list(verify(Folder(str(library)))) == []
    (victim,) = (library / "shards").rglob("*.parquet")
    damage(victim)
    (line,) = verify(Folder(str(library)))
    assert "part-00000000.parquet" in line
    assert "build the library again" in line


def test_damaged_structures_are_named_of_a_library_and_of_their_own_folder(campaign):
    library = Folder(str(campaign.parent / "library"))
    victim = next((campaign.parent / "library" / "structures").rglob("*.zip"))
    assert list(verify(library.child("structures"))) == []
    flip(victim)
    for folder in (library, library.child("structures")):
        (line,) = verify(folder)
        assert victim.name in line
        assert "makes it again" in line
