"""A library, a campaign and a bundle from somebody who wants files outside of them touched.

Each is made as usual, then made hostile by hand: paths that lead out in receipts, manifests, frozen
configurations and cards, links, and archives. What a person would run is run on them; it has to
say which file is wrong, and what lies outside has to be as it was.
"""

import gzip
import hashlib
import io
import json
import os
import shutil
import struct
import sys
import uuid
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from small_campaign import shortlist

import screener
from screener.campaign.driver.run import run_campaign
from screener.campaign.results.verify import verify
from screener.campaign.settings.config import read_config
from screener.campaign.settings.frozen import open_setup
from screener.chemistry.standardise import StandardiseSettings
from screener.cli.main import main
from screener.errors import DamagedError, SchemaError, StoreError
from screener.library_build.build import build_library
from screener.models.bundle import load_bundle
from screener.models.bundle_files import CARD, MODEL
from screener.report.collect import write_report
from screener.stores.files import Folder
from screener.stores.library import MANIFEST, SHARDS
from screener.stores.predictions import PredictionStore
from screener.stores.structures import StructureStore

STAGE = "mmff94"
BUNDLES = Path(screener.__file__).parent / "data" / "bundles"

Look = dict[str, tuple[int, bytes]]


def look(folder: Path) -> Look:
    """Everything in a folder: times of files and folders, and what they hold."""
    found = {}
    for path in [folder, *folder.rglob("*")]:
        held = path.read_bytes() if path.is_file() else b"\n".join(map(os.fsencode, names(path)))
        found[str(path)] = (path.stat().st_mtime_ns, held)
    return found


def names(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[Path]:
    """What belongs to somebody else; the test fails where anything of it has changed."""
    folder = tmp_path / "outside"
    (folder / "folder" / "deep").mkdir(parents=True)
    (folder / "empty").mkdir()
    (folder / "folder" / "deep" / "thesis.txt").write_text("three years")
    (folder / "precious.parquet").write_bytes(b"not ours")
    for path in sorted(folder.rglob("*"), reverse=True):
        os.utime(path, (1_000_000_000, 1_000_000_000))
    before = look(folder)
    yield folder
    assert look(folder) == before


@pytest.fixture
def copied(local_campaign: SimpleNamespace, tmp_path: Path) -> SimpleNamespace:
    """A finished campaign and its library, to be made hostile: `library`, `campaign`, `config`, and
    the `shortlist` that it comes to."""
    received = tmp_path / "received"
    shutil.copytree(local_campaign.folder, received)
    campaign = received / "campaign"
    edit_toml(campaign, str(local_campaign.folder), str(received))
    config = read_config(str(received / "campaign.toml")).with_options(
        library=str(received / "library"), out=str(campaign)
    )
    return SimpleNamespace(
        library=received / "library",
        campaign=campaign,
        config=config,
        shortlist=local_campaign.shortlist,
    )


def edit_toml(campaign: Path, old: str, new: str) -> None:
    text = (campaign / "campaign.toml").read_text()
    assert old in text
    (campaign / "campaign.toml").write_text(text.replace(old, new))


def edit_json(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    values = json.loads(path.read_text())
    change(values)
    path.write_text(json.dumps(values))


def ways_to(victim: Path, folder: Path) -> dict[str, str]:
    """Paths that lead from a folder to a file outside of it, if they are joined unchecked."""
    up = os.path.relpath(victim, folder)
    return {
        "relative": up,
        "through a folder": f"predictions/{STAGE}/../../{up}",
        "absolute": str(victim),
        "URL": f"file://{victim}",
        "backslashes": up.replace("/", "\\"),
        "NUL": f"{up}\0.parquet",
    }


WAYS = list(ways_to(Path("/a"), Path("/b")))


def checksum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "0" * 64


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Run a command that has to end with an error in one line; returns it."""

    def run(*arguments: object) -> str:
        monkeypatch.setattr(sys, "argv", ["screener", *map(str, arguments)])
        monkeypatch.setenv("COLUMNS", "1000")
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr().err
        assert ended.value.code not in (0, None), said
        assert "Traceback" not in said
        return said

    return run


# receipts


def add_file(receipt: dict[str, Any], path: str, of: Path) -> None:
    receipt["files"][path] = checksum(of)


def first_receipt(campaign: Path) -> Path:
    return sorted((campaign / "receipts" / STAGE).glob("*.json"))[0]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("victim", ["precious.parquet", "folder"])
def test_a_receipt_that_names_what_lies_outside(copied, outside, client, refused, way, victim):
    """Its unit is done again, and compaction removes nothing but what it joined."""
    edit_toml(copied.campaign, "segment_units = 1024", "segment_units = 2")
    path = ways_to(outside / victim, copied.campaign)[way]
    broken = first_receipt(copied.campaign)
    edit_json(broken, lambda receipt: add_file(receipt, path, outside / victim))
    for command in (["status"], ["rank", "--maximise", "lumo_b3lyp_ev"]):
        said = refused(command[0], copied.campaign, *command[1:])
        assert f"{broken.name} is not a receipt" in said
        assert "no path in this folder" in said
    run_campaign(copied.config, client)
    joined = copied.campaign / "receipts" / STAGE / "joined"
    assert len(list(joined.glob("*.jsonl.gz"))) == 5
    assert list(verify(Folder(str(copied.campaign)))) == []
    assert shortlist(Folder(str(copied.campaign))) == copied.shortlist


@pytest.mark.parametrize("way", WAYS)
def test_a_receipt_is_not_joined_with_what_it_does_not_own(copied, outside, way):
    folder = Folder(str(copied.campaign))
    store = PredictionStore(folder, STAGE)
    units = sorted(store.receipts.done())[:2]
    for path in (ways_to(outside / "folder", copied.campaign)[way], "campaign.toml", "rankings"):
        broken = copied.campaign / "receipts" / STAGE / f"{units[0]}.json"
        text = broken.read_text()
        edit_json(broken, lambda receipt, path=path: add_file(receipt, path, outside / "folder"))
        assert store.compact("00000000", units) == (units[0],)  # to be done again first
        assert not store.receipts.has(units[0])
        broken.write_text(text)
    assert store.compact("00000000", units) == ()
    assert open_setup(folder)
    assert (copied.campaign / "rankings").is_dir()


@pytest.mark.parametrize("way", WAYS)
def test_joined_receipts_that_name_what_lies_outside(copied, outside, client, refused, way):
    edit_toml(copied.campaign, "segment_units = 1024", "segment_units = 2")
    run_campaign(copied.config, client)
    joined = sorted((copied.campaign / "receipts" / STAGE / "joined").glob("*.jsonl.gz"))[0]
    lines = [json.loads(line) for line in gzip.decompress(joined.read_bytes()).splitlines()]
    path = ways_to(outside / "folder", copied.campaign)[way]
    for receipt in lines:
        add_file(receipt, path, outside / "folder")
    joined.write_bytes(gzip.compress("".join(json.dumps(each) + "\n" for each in lines).encode()))
    assert f"{joined.name} is broken" in refused(
        "rank", copied.campaign, "--maximise", "lumo_b3lyp_ev"
    )
    with pytest.raises(SchemaError, match="no path in this folder"):
        PredictionStore(Folder(str(copied.campaign)), STAGE).compact("00000000", [])
    run_campaign(copied.config, client)
    assert shortlist(Folder(str(copied.campaign))) == copied.shortlist
    assert list(verify(Folder(str(copied.campaign)))) == []


@pytest.mark.parametrize("what", ["unit", "structure_units"])
def test_names_of_units_that_lead_out(copied, outside, refused, what):
    broken = first_receipt(copied.campaign)
    name = os.path.relpath(outside / "precious", broken.parent)

    def change(receipt: dict[str, Any]) -> None:
        if what == "unit":
            receipt["unit"] = name
        else:
            receipt["details"]["structure_units"] = [name]

    edit_json(broken, change)
    said = refused("status", copied.campaign)
    assert "is no name in this folder" in said
    assert broken.name in said


def test_a_receipt_of_another_unit_is_refused(copied, refused):
    first, second = sorted((copied.campaign / "receipts" / STAGE).glob("*.json"))[:2]
    shutil.copy(second, first)
    assert f"it is that of unit '{second.stem}'" in refused("status", copied.campaign)


def test_a_store_that_is_no_folder_of_this_machine_is_checked_alike():
    """Of an object store `..` is the name of a key, which other programs take for more."""
    root = f"memory://{uuid.uuid4().hex}"
    victim = Folder(root)
    victim.write_bytes("victim/data", b"not ours")
    folder = Folder(f"{root}/campaign")
    key = {"row": [0], "mol_id": ["a"], "inchikey": ["b"], "smiles": ["C"], "source_id": ["d"]}
    store = PredictionStore(folder, STAGE)
    store.write_unit("u1", pa.table(key), [], counts={"in": 1}, seconds=0.0, details={})
    values = json.loads(folder.read_bytes(f"receipts/{STAGE}/u1.json"))
    for path in ("../victim", f"{root}/victim", "/victim", "*", f"predictions/{STAGE}/*"):
        hostile = values | {"files": values["files"] | {path: "0" * 64}}
        folder.write_json(f"receipts/{STAGE}/u1.json", hostile)
        with pytest.raises(SchemaError, match=r"u1\.json is not a receipt.*no path"):
            list(store.receipts.all())
        assert store.compact("00000000", ["u1"]) == ("u1",)
        with pytest.raises(StoreError, match="is no path below"):
            folder.remove(path)
    assert victim.read_bytes("victim/data") == b"not ours"
    assert len(folder.names(f"predictions/{STAGE}")) == 1


# frozen campaigns


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (f'name = "{STAGE}"', 'name = "../../outside/folder"'),
        (f'name = "{STAGE}"', 'name = "/outside"'),
        (f'name = "{STAGE}"', 'name = ".."'),
        (f'name = "{STAGE}"', 'name = "a\\u0000b"'),
        ('structures_digest = "', 'structures_digest = "../../../outside/folder/'),
        ('library = "', 'library = "../outside/'),
    ],
)
def test_a_frozen_campaign_that_leads_out(copied, outside, client, refused, old, new):
    edit_toml(copied.campaign, old, new)
    for command in ("status", "verify", "rank"):
        options = ["--top", "3"] if command == "rank" else []
        said = refused(command, copied.campaign, *options)
        assert "campaign.toml was not written by screener, or was edited" in said
    with pytest.raises(SchemaError, match="was not written by screener, or was edited"):
        run_campaign(copied.config, client)


def test_a_joined_table_that_lies_outside(copied, outside, refused):
    text = (copied.campaign / "campaign.toml").read_text()
    table = (
        '[joined]\nsource = "prices.csv"\nkey = "mol_id"\ncolumns = ["price"]\nnumeric = []\n'
        'digest = "../../outside/precious"\n\n'
    )
    (copied.campaign / "campaign.toml").write_text(text.replace("[versions]", f"{table}[versions]"))
    said = refused("status", copied.campaign)
    assert "'../../outside/precious' is no name in this folder" in said


def test_a_ranking_that_lies_outside(copied, outside, refused):
    edit_json(
        copied.campaign / "provenance.json",
        lambda told: told["ranking"].update(digest="../../outside/folder"),
    )
    for command in (["status"], ["explain", "CC#N"], ["compare", copied.campaign]):
        said = refused(command[0], copied.campaign, *command[1:])
        assert "provenance.json names no ranking" in said
    with pytest.raises(SchemaError, match=r"provenance\.json names no ranking"):
        write_report(Folder(str(copied.campaign)))


# libraries


@pytest.mark.parametrize("way", WAYS)
def test_shards_that_lie_outside(copied, outside, client, refused, tmp_path, way):
    """Its rows are another's Parquet file, so that they would end in the campaign's results."""
    shards = copied.library / SHARDS
    table = pq.read_table(shards)
    (shard,) = table["file"].to_pylist()
    path = ways_to(outside / "precious.parquet", copied.library)[way]
    pq.write_table(table.set_column(0, "file", pa.array([path])), shards)
    for command in (("library", "info"), ("verify",)):
        said = refused(*command, copied.library)
        assert f"{SHARDS} names" in said
        assert "no path in the library" in said
    with pytest.raises(SchemaError, match="no path in the library"):
        run_campaign(copied.config.with_options(out=str(tmp_path / "new")), client)
    assert (copied.library / shard).exists()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("key", ["quarantine", "duplicates"])
def test_a_manifest_that_leads_out(copied, outside, client, refused, key, way):
    path = ways_to(outside / "precious.parquet", copied.library)[way]
    edit_json(copied.library / MANIFEST, lambda values: values.update({key: [path]}))
    source = copied.library.parent / "input.csv"
    for command in (
        ("library", "info", copied.library),
        ("library", "build", source, "--out", copied.library),
        ("verify", copied.library),
    ):
        said = refused(*command)
        assert f"{MANIFEST} is broken" in said
        assert "no path in this folder" in said
    with pytest.raises(SchemaError, match="no path in this folder"):
        run_campaign(copied.config, client)


@pytest.mark.parametrize("is_joined", [False, True])
def test_an_unfinished_library_whose_receipts_lead_out(
    outside, client, tmp_path, copied, is_joined
):
    """The parts that are done already are named by receipts below `tmp/`, alone or together."""
    out = tmp_path / "library"
    receipt = {
        "unit": "part-00000000",
        "stage": "part",
        "counts": {"duplicates": 0, "quarantine": 1},
        "files": {os.path.relpath(outside / "precious.parquet", out): "0" * 64},
        "seconds": 0.0,
    }
    folder = out / "tmp" / "receipts" / "part"
    (folder / "000").mkdir(parents=True)
    if is_joined:
        (folder / "000.json").write_text(json.dumps([receipt]))
    else:
        (folder / "000" / "part-00000000.json").write_text(json.dumps(receipt))
    source = str(copied.library.parent / "input.csv")
    with pytest.raises(SchemaError, match=r"000\.json.* receipt.*no path"):
        build_library([source], str(out), StandardiseSettings(), client)
    assert not (out / MANIFEST).exists()


# links


def replace_by_link(path: Path, target: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)


CAMPAIGN_LINKS = [
    ("predictions", "folder"),
    (f"predictions/{STAGE}", "folder"),
    ("receipts", "folder"),
    (f"receipts/{STAGE}", "empty"),
    ("rankings", "folder"),
    ("leases", "folder"),
    ("log.jsonl", "precious.parquet"),
    ("shortlist.csv", "precious.parquet"),
    ("provenance.json", "precious.parquet"),
    ("campaign.toml", "precious.parquet"),
]


@pytest.mark.parametrize(("place", "target"), CAMPAIGN_LINKS)
def test_links_in_a_campaign_that_lead_out(copied, outside, client, place, target):
    replace_by_link(copied.campaign / place, outside / target)
    changed = copied.config.with_options(objectives=["maximise:lumo_b3lyp_ev"])
    with pytest.raises(StoreError, match=f"{place} is a link that leads out of"):
        run_campaign(changed, client, main=True)


def test_a_report_is_not_written_through_a_link(copied, outside):
    replace_by_link(copied.campaign / "report.html", outside / "precious.parquet")
    with pytest.raises(StoreError, match=r"report\.html is a link that leads out of"):
        write_report(Folder(str(copied.campaign)))


@pytest.mark.parametrize("place", ["structures", "structures/{}", "shards", SHARDS, "shards/{}"])
def test_links_in_a_library_that_lead_out(copied, outside, client, tmp_path, place):
    (structures,) = (copied.library / "structures").iterdir()
    (shard,) = (copied.library / "shards").iterdir()
    place = place.format(shard.name if place.startswith("shards") else structures.name)
    target = outside / ("folder" if (copied.library / place).is_dir() else "precious.parquet")
    replace_by_link(copied.library / place, target)
    with pytest.raises(StoreError, match=f"{place} is a link that leads out of"):
        run_campaign(copied.config.with_options(out=str(tmp_path / "new")), client)


def test_the_rest_of_a_build_is_not_cleared_through_a_link(copied, outside, refused):
    """A finished library clears what a build left when it is built again."""
    (copied.library / "tmp").symlink_to(outside / "folder")
    source = copied.library.parent / "input.csv"
    said = refused("library", "build", source, "--out", copied.library)
    assert "tmp is a link that leads out of" in said


def test_folders_that_are_links_themselves_are_used_as_before(copied, client, tmp_path):
    (tmp_path / "library").symlink_to(copied.library)
    (tmp_path / "campaign").symlink_to(copied.campaign)
    edit_toml(copied.campaign, str(copied.library), str(tmp_path / "library"))
    config = copied.config.with_options(
        library=str(tmp_path / "library"), out=str(tmp_path / "campaign"), top=3
    )
    run_campaign(config, client, main=True)
    assert pq.read_table(copied.campaign / "shortlist.parquet").num_rows == 3
    assert list(verify(Folder(str(tmp_path / "campaign")))) == []


# archives


def repack(path: Path, change: Callable[[dict[str, bytes]], None], sizes: int = 0) -> None:
    """Rewrite a zip file; `sizes` is written as the size of its last entry."""
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    change(entries)
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    data = bytearray(sink.getvalue())
    if sizes:
        struct.pack_into("<I", data, data.rindex(b"PK\x01\x02") + 24, sizes)
    path.write_bytes(bytes(data))


def huge_array(entries: dict[str, bytes]) -> None:
    described = json.loads(entries["positions/zarr.json"])
    described["shape"] = described["chunk_grid"]["configuration"]["chunk_shape"] = [10**6, 10**6, 3]
    entries["positions/zarr.json"] = json.dumps(described).encode()


ARCHIVES: dict[str, tuple[Callable[[dict[str, bytes]], Any], int, str]] = {
    "upwards": (lambda e: e.update({"../../../outside/x": b"1"}), 0, "no path in this folder"),
    "absolute": (lambda e: e.update({"/outside/x": b"1"}), 0, "no path in this folder"),
    "backslash": (lambda e: e.update({"..\\outside\\x": b"1"}), 0, "no path in this folder"),
    "too large": (lambda e: None, 0xFFFFFFF0, "its entries declare"),
    "huge array": (huge_array, 0, "its arrays declare"),
}


@pytest.mark.parametrize("kind", ARCHIVES)
def test_archives_that_lead_out_or_are_absurd(copied, outside, client, tmp_path, kind):
    """Structures in them are made again."""
    change, sizes, message = ARCHIVES[kind]
    (folder,) = (copied.library / "structures").iterdir()
    store = StructureStore(Folder(str(folder)))
    for archive in (folder / "units").rglob("*.zip"):
        repack(archive, change, sizes)
        with pytest.raises(DamagedError, match=rf"{archive.name} is broken.*{message}"):
            store.read(archive.stem)
    run_campaign(copied.config.with_options(out=str(tmp_path / "new")), client)
    assert shortlist(Folder(str(tmp_path / "new"))) == copied.shortlist


# bundles


@pytest.fixture
def ladder(tmp_path: Path) -> Path:
    """A shipped ladder as a folder of somebody's own, which stands on a shipped bundle."""
    shutil.copytree(BUNDLES / "gfn2opt-to-g4mp2", tmp_path / "received" / "ladder")
    return tmp_path / "received" / "ladder"


@pytest.mark.parametrize(
    "named",
    [
        "../../outside/folder",
        "/a/../outside",
        "a/../../outside",
        "file:///a/../outside",
        "zip://card.json::file:///outside",
        "..",
        "a\0b",
    ],
)
def test_a_card_that_names_what_lies_outside(ladder, outside, refused, named):
    edit_json(ladder / CARD, lambda card: card["first"].update(bundle=named))
    assert f"{CARD} is not the card of a bundle" in refused("models", "info", ladder)
    with pytest.raises(SchemaError, match="is not the card of a bundle"):
        screener.load_model(ladder)


def test_a_card_does_not_send_us_to_another_store(ladder):
    edit_json(ladder / CARD, lambda card: card["first"].update(bundle="http://example.org/x"))
    with pytest.raises(SchemaError, match="names its first rung in another store"):
        load_bundle(ladder)


@pytest.mark.parametrize("name", [MODEL, CARD])
def test_files_of_a_bundle_that_lie_outside(ladder, outside, name):
    replace_by_link(ladder / name, outside / "precious.parquet")
    with pytest.raises(StoreError, match=f"{name} is a link that leads out of"):
        load_bundle(ladder)


def test_a_bundle_that_is_a_link_is_used_as_before(tmp_path):
    (tmp_path / "linked").symlink_to(BUNDLES / "qm9-mmff94-direct")
    assert load_bundle(tmp_path / "linked").card.name == "qm9-mmff94-direct"
