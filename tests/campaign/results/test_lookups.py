"""What is asked of single molecules looks at what can tell of them, and at nothing else."""

import shutil

import dask
import pyarrow as pa
import pytest

from screener.campaign.driver.run import run_campaign
from screener.campaign.results import segments
from screener.campaign.results.compare import compare
from screener.campaign.results.explain import explain
from screener.campaign.results.quarantine import SCHEMA, of_campaign, set_aside_by
from screener.campaign.results.rank import rank_again
from screener.campaign.settings.config import CampaignConfig, StageConfig
from screener.campaign.settings.ranking import RankingConfig
from screener.campaign.settings.stage import Campaign
from screener.chemistry.standardise import StandardiseSettings
from screener.errors import DamagedError
from screener.library_build.build import build_library
from screener.ranking.topk import Ranked
from screener.stores.files import Folder
from screener.stores.library import LibraryStore
from screener.stores.row_groups import RowGroups


@pytest.fixture
def reads(monkeypatch) -> list[tuple[str, list[str]]]:
    """Path and columns of everything of which columns are read."""
    noted: list[tuple[str, list[str]]] = []
    inner = RowGroups.read

    def read(file, groups, columns):
        noted.append((file.path, list(columns)))
        return inner(file, groups, columns)

    monkeypatch.setattr(RowGroups, "read", read)
    return noted


@pytest.fixture(scope="module")
def ranked(finished, tmp_path_factory) -> Folder:
    """A copy of the campaign whose shortlist has three of all candidates."""
    folder = tmp_path_factory.mktemp("ranked") / "campaign"
    shutil.copytree(finished.folder, folder)
    config = RankingConfig(objectives=["minimise:homo_b3lyp_ev"], top=3)
    rank_again(Folder(str(folder)), config, command=[])
    return Folder(str(folder))


def in_full(folder: Folder) -> list[Ranked]:
    """All candidates of the last stage, best first, from its whole tables."""
    campaign = Campaign.open(folder)
    table = pa.concat_tables(campaign.last.tables())
    rows = zip(
        table["homo_b3lyp_ev"].to_pylist(),
        table["mol_id"].to_pylist(),
        table["row"].to_pylist(),
        table["in_domain"].to_pylist(),
        strict=True,
    )
    candidates = [Ranked(-value, mol_id, row) for value, mol_id, row, inside in rows if inside]
    return sorted(candidates, key=lambda each: (-each.score, each.mol_id))


def test_the_rank_of_each_candidate_is_that_of_a_full_sort(ranked, reads):
    everybody = in_full(ranked)
    assert len(everybody) > 5
    for place, entry in enumerate(everybody[3:], start=4):
        reads.clear()
        ended = explain(ranked, entry.mol_id)[0][1]
        assert ended == f"below the shortlist: rank {place} with score {entry.score:.4f}"
        of_stage = [columns for path, columns in reads if path.startswith("predictions/")]
        scored = ("in_domain", "homo_b3lyp_ev")
        assert {tuple(each) for each in of_stage} == {scored, ("mol_id",)}


def test_a_shortlisted_molecule_needs_no_pass_over_the_stage(ranked, reads, monkeypatch):
    monkeypatch.setattr(segments, "numbers_before_in_segment", None)  # nobody calls it
    best = in_full(ranked)[0]
    ended = explain(ranked, best.mol_id)[0][1]
    assert ended == f"shortlisted: rank 1 with score {best.score:.4f}"
    assert not [path for path, _ in reads if path.startswith("predictions/")]
    looked_through = [columns for path, columns in reads if path.startswith("shards/")]
    assert looked_through[0] == ["mol_id", "source_id"]


def test_campaigns_on_the_same_library_know_each_others_rows(ranked, finished, reads):
    found = compare(ranked, Folder(str(finished.folder)))
    before = {entry.mol_id: place for place, entry in enumerate(in_full(ranked), start=1)}
    assert found.entered
    for each in found.entered:
        score = f"rank {before[each.mol_id]} with score"
        assert each.why.startswith(f"below the shortlist: {score}")
    assert not [path for path, _ in reads if path.startswith("shards/")]


def test_molecules_are_looked_up_in_another_library(ranked, tiny_bundles, client, tmp_path, reads):
    """That has all but one of the first shortlist."""
    before = {row["mol_id"]: row for row in ranked.read_table("shortlist.parquet").to_pylist()}
    *there, absent = before.values()
    lines = [f"{row['smiles']},{row['source_id']}" for row in there]
    (tmp_path / "input.csv").write_text("\n".join(["smiles,name", "CCC#N,PN", *lines, ""]))
    library = build_library(
        [str(tmp_path / "input.csv")], str(tmp_path / "library"), StandardiseSettings(), client
    )
    config = CampaignConfig().with_options(
        stages=[StageConfig(bundle=tiny_bundles.direct)],
        objectives=["maximise:n_heavy"],
        constraints=["n_heavy>=100"],
        library=library.folder.url,
        out=str(tmp_path / "campaign"),
    )
    run_campaign(config, client, command=[])
    reads.clear()
    found = compare(ranked, Folder(str(tmp_path / "campaign")))
    assert [each.mol_id for each in found.left] == list(before)
    why = {each.mol_id: each.why for each in found.left}
    assert why.pop(absent["mol_id"]) == "not in the library"
    assert set(why.values()) == {"filtered at mmff94: n_heavy>=100"}
    assert {tuple(columns) for path, columns in reads if path.startswith("shards/")} == {
        ("mol_id",)
    }


@pytest.mark.parametrize("name", ["nonsense", "not a molecule"])
def test_what_the_library_set_aside_is_explained_by_its_id(ranked, name):
    said = dict(explain(ranked, name))
    assert said["ended"].startswith("set aside by the library (input.csv:14), invalid_smiles")
    assert said["source_id"] == "nonsense"
    assert said["as given"] == "not a molecule"


def test_what_a_stage_set_aside_is_explained_by_its_id(ranked):
    assert dict(explain(ranked, "inside out"))["ended"].startswith("quarantined at mmff94: ")


def test_all_that_was_set_aside_is_listed_with_its_ids(ranked, finished):
    """Of the library first, then stage by stage, as the accounts have it."""
    set_aside = set_aside_by(ranked)
    listed = set_aside.reader().read_all()
    assert listed.schema == SCHEMA
    ids = dict(zip(listed["source_id"].to_pylist(), listed.to_pylist(), strict=True))
    assert list(ids) == ["nonsense", "inside out"]
    assert ids["nonsense"]["stage"] == "library"
    assert ids["inside out"]["stage"] == "mmff94"
    assert ids["inside out"]["smiles_input"] == "CC1([C@H]2CC[C@]1(C(=O)C2)C)C"
    row = ids["inside out"]["row"]
    (kept,) = LibraryStore.open(finished.library).read_range(row, row + 1).to_pylist()
    assert kept["source_id"] == "inside out"
    assert kept["mol_id"] == ids["inside out"]["mol_id"]
    assert len(set_aside) == 2
    assert set(set_aside.counts.values()) == {1}


def test_it_is_read_in_parts_and_by_dask(ranked, monkeypatch):
    monkeypatch.setattr("screener.campaign.results.quarantine._PART_ROWS", 1)
    set_aside = of_campaign(Campaign.open(ranked))
    frame = set_aside.dask()
    assert frame.npartitions == len(set_aside.parts) == 2
    with dask.config.set(scheduler="synchronous"):
        computed = frame.compute()
    assert computed["source_id"].tolist() == ["nonsense", "inside out"]
    assert computed["line"].iloc[0] == 14
    assert str(computed["row"].dtype) == "int64[pyarrow]"
    (table,) = set_aside.tables(["inside out"])
    assert table["code"].to_pylist() == computed["code"].tolist()[1:]


def test_a_lost_file_of_what_was_set_aside_is_an_error(ranked, tmp_path):
    shutil.copytree(ranked.url, tmp_path / "campaign")
    folder = Folder(str(tmp_path / "campaign"))
    (path,) = (name for name in folder.names("quarantine/mmff94"))
    folder.remove(f"quarantine/mmff94/{path}")
    with pytest.raises(DamagedError, match="is lost"):
        list(of_campaign(Campaign.open(folder)).tables())
