"""Structures outlive campaigns and libraries: shared, compacted, converted, used again."""

import csv
import shutil

import pytest
from former_structures import write_former_unit
from small_campaign import shortlist
from structure_examples import unit_files

from screener.campaign.driver.run import run_campaign
from screener.campaign.results.rank import rank_again
from screener.campaign.results.verify import verify
from screener.campaign.settings import stages
from screener.campaign.settings.config import CampaignConfig, StageConfig
from screener.campaign.settings.stage import Campaign
from screener.chemistry.standardise import StandardiseSettings
from screener.errors import ConfigError
from screener.library_build.build import build_library
from screener.stores.files import Folder
from screener.stores.library import LibraryStore
from screener.stores.structures import StructureStore
from screener.structures.compact import compact
from screener.structures.convert import convert, former_digest
from screener.structures.index_tasks import on
from screener.structures.recipe import Recipe

SMILES = ["COC", "COCC", "CCOCC", "C1CCOC1", "C1COCO1", "OCCO", "CCO", "CC#N", "CCC#N", "CCOC=O"]
BY_GAP = CampaignConfig().with_options(objectives=["maximise:gap_b3lyp_ev"], top=3).ranking


def a_library(folder, smiles, client):
    folder.mkdir()
    with open(folder / "input.csv", "w", newline="") as file:
        csv.writer(file).writerows([["smiles"], *([text] for text in smiles)])
    url = str(folder / "library")
    build_library([str(folder / "input.csv")], url, StandardiseSettings(), client)
    return url


def screen(config, library, out, client, **options):
    """Run a campaign; returns how many structures the unit files of each stage's store hold then.

    A molecule that was made twice counts twice. What the campaign says itself is not looked at: of
    a task that was begun twice one attempt counts, which may have found what the other made.
    """
    run_campaign(config.with_options(library=library, out=str(out), **options), client)
    stores = [StructureStore(stage.structures) for stage in Campaign.open(Folder(str(out))).stages]
    return [sum(len(each.read(unit).mol_ids) for unit in unit_files(each)) for each in stores]


@pytest.fixture
def config(tiny_bundles):
    return CampaignConfig().with_options(
        stages=[
            StageConfig(bundle=tiny_bundles.direct, unit_rows=4),
            StageConfig(bundle=tiny_bundles.delta, unit_rows=2),
        ],
        finalists=4,
        objectives=["minimise:homo_b3lyp_ev"],
        top=3,
    )


def store_of(out):
    return StructureStore(Campaign.open(Folder(str(out))).stages[0].structures)


def test_a_library_with_one_molecule_more_computes_one_molecule(config, client, tmp_path):
    shared = str(tmp_path / "shared")
    first = a_library(tmp_path / "a", SMILES, client)
    assert screen(config, first, tmp_path / "one", client, structures=shared) == [10, 4]
    longer = a_library(tmp_path / "b", [SMILES[0], "CO", *SMILES[1:]], client)
    held = screen(config, longer, tmp_path / "two", client, structures=shared)
    assert held[0] == 11
    assert held[1] in (4, 5)  # with the new one, if it is among the best
    assert not (tmp_path / "a" / "library" / "structures").exists()
    assert len((tmp_path / "shared").joinpath().glob("*/about.json").__next__().read_text()) > 0
    with pytest.raises(ConfigError, match="keeps its structures in"):
        screen(config, longer, tmp_path / "two", client, structures=str(tmp_path / "other"))
    assert screen(config, longer, tmp_path / "two", client) == held  # resumed where they are


@pytest.mark.slow
def test_other_objectives_on_another_library_use_them_again(config, client, tmp_path):
    first = a_library(tmp_path / "a", SMILES, client)
    screen(config, first, tmp_path / "one", client)
    longer = a_library(tmp_path / "b", [*SMILES, "CO"], client)
    chosen = CampaignConfig().with_options(
        reselect=str(tmp_path / "one"), objectives=["maximise:homo_b3lyp_ev"]
    )
    assert screen(chosen, longer, tmp_path / "two", client)[0] == 11
    campaign = Campaign.open(Folder(str(tmp_path / "two")))
    assert campaign.setup.structures_root == f"{first}/structures"


@pytest.mark.slow
def test_compacted_structures_serve_campaigns_that_are_there_and_new_ones(config, client, tmp_path):
    library = a_library(tmp_path / "a", SMILES, client)
    screen(config, library, tmp_path / "one", client)
    campaign = Folder(str(tmp_path / "one"))
    rank_again(campaign, BY_GAP, command=[], main=True)
    before = shortlist(campaign)
    for stage in Campaign.open(campaign).stages:
        done = compact(on(client), StructureStore(stage.structures))
        assert done.n_left == 0
    assert not list((tmp_path / "a").rglob("structures/*/units/*/*.zip"))
    assert list(verify(campaign)) == []
    shutil.rmtree(tmp_path / "one" / "rankings")
    rank_again(campaign, BY_GAP, command=[], main=True)
    assert shortlist(campaign) == before
    assert screen(config, library, tmp_path / "two", client) == [0, 0]
    for victim in (tmp_path / "a").rglob("compacted.zarr/*/atoms-*/positions/c"):
        shutil.rmtree(victim)
    assert len(list(verify(campaign))) > 0
    client.restart()  # which forgets what is open
    assert screen(config, library, tmp_path / "three", client) == [10, 4]
    assert shortlist(Folder(str(tmp_path / "three"))) == shortlist(Folder(str(tmp_path / "two")))


def as_before(library, out):
    """Structures as they lay while they belonged to a library, in units of its rows."""
    table = library.read_range(0, library.n_rows, ["mol_id", "row"]).to_pylist()
    rows = {each["mol_id"]: each["row"] for each in table}
    for stage in Campaign.open(Folder(str(out))).stages:
        store = StructureStore(stage.structures)
        recipe = Recipe.from_drawing(stage.settings.geometry, stage.setup.versions)
        former = library.folder.child(f"structures/{former_digest(library.digest, recipe)}")
        for unit in unit_files(store):
            content = store.read(unit)
            of_unit = [rows[each.tobytes().hex()] for each in content.mol_ids]
            write_former_unit(former, unit, of_unit, content.outcomes)
        store.folder.clear()


@pytest.mark.slow
def test_a_campaign_of_before_is_resumed_and_ranked_after_a_conversion(
    config, client, tmp_path, monkeypatch
):
    url = a_library(tmp_path / "a", SMILES, client)
    library, out = LibraryStore.open(url), tmp_path / "one"
    inner = stages.decided_stages

    def decided_before(*arguments):
        bundles, decided = inner(*arguments)
        named = [
            stage.model_copy(
                update={
                    "structures_digest": former_digest(
                        library.digest, Recipe.from_drawing(stage.geometry)
                    )
                }
            )
            for stage in decided
        ]
        return bundles, tuple(named)

    with monkeypatch.context() as patch:
        patch.setattr("screener.campaign.settings.resolve.decided_stages", decided_before)
        screen(config, url, out, client)
    held = [10, 4]
    before = shortlist(Folder(str(out)))
    as_before(library, out)
    assert (
        former_digest(library.digest, Campaign.open(Folder(str(out))).stages[0].recipe)
        in (out / "campaign.toml").read_text()
    )

    told = [stage.recipe for stage in Campaign.open(Folder(str(out))).stages]
    done = list(convert(on(client), library, Folder(url).child("structures"), told))
    assert sorted(each.n_units for each in done) == [2, 3]
    shutil.rmtree(out / "rankings")
    for name in ("shortlist.parquet", "shortlist.csv", "shortlist.sdf"):
        (out / name).unlink()
    n_predicted = len(list((out / "predictions").rglob("*.parquet")))
    assert screen(config, url, out, client) == held
    assert len(list((out / "predictions").rglob("*.parquet"))) == n_predicted
    assert shortlist(Folder(str(out))) == before
    assert screen(config, url, tmp_path / "two", client) == held
