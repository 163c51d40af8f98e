"""What is asked of single molecules looks at what can tell of them, and at nothing else."""

import shutil

import pyarrow as pa
import pytest
from explained import explain

from screener.campaign.driver.run import run_campaign
from screener.campaign.results import segments
from screener.campaign.results.compare import compare
from screener.campaign.results.rank import rank_again
from screener.campaign.settings.config import CampaignConfig, StageConfig
from screener.campaign.settings.ranking import RankingConfig
from screener.campaign.settings.stage import Campaign
from screener.chemistry.standardise import StandardiseSettings
from screener.library_build.build import build_library
from screener.ranking.topk import Ranked
from screener.stores.files import Folder
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
    rank_again(Folder(str(folder)), config, command=[], main=True)
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
    assert said["ended"].startswith("set aside by the library (input.csv:14), blank_in_smiles")
    assert said["source_id"] == "nonsense"
    assert said["as given"] == "not a molecule"
