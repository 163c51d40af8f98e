"""Rankings have names; none is overwritten, and the main one changes only when that is asked."""

import json
import shutil
import threading

import pyarrow.parquet as pq
import pytest
from explained import explain

from screener.campaign.driver.run import run_campaign
from screener.campaign.results.accounts import accounts
from screener.campaign.results.compare import compare
from screener.campaign.results.provenance import read_ranking
from screener.campaign.results.rank import rank_again
from screener.campaign.results.rankings import (
    as_ranked,
    find_ranking,
    rankings,
    take_name,
)
from screener.campaign.settings.config import CampaignConfig
from screener.campaign.settings.ranking import RankingConfig
from screener.campaign.settings.stage import Campaign
from screener.errors import ConfigError
from screener.report.collect import write_report
from screener.stores.files import Folder
from screener.stores.lease import Lease

GAP = RankingConfig(objectives=["maximise:gap_gfn2_ev"], top=3)
SMALL = RankingConfig(objectives=["minimise:n_heavy"], top=3)


@pytest.fixture
def folder(finished, tmp_path) -> Folder:
    shutil.copytree(finished.folder, tmp_path / "campaign")
    return Folder(str(tmp_path / "campaign"))


def in_its_folder(folder: Folder) -> dict[str, bytes]:
    names = ("shortlist.parquet", "shortlist.csv", "shortlist.sdf", "columns.csv")
    return {name: folder.read_bytes(name) for name in (*names, "provenance.json")}


def as_before(folder: Folder) -> None:
    """Make of the main ranking what campaigns of before have."""
    main = find_ranking(folder)
    told = {key: value for key, value in main.told.items() if key not in ("name", "known_column")}
    place = folder.local_path("rankings")
    (place / main.name / "asked.json").unlink()
    (place / main.name / "columns.csv").unlink()
    (place / main.name).rename(place / told["digest"])
    del told["files"]["columns.csv"]
    folder.write_json(f"rankings/{told['digest']}/ranking.json", told)
    provenance = folder.read_json("provenance.json")
    folder.write_json("provenance.json", {**provenance, "ranking": told})


def test_the_first_ranking_is_the_main_one(folder):
    (only,) = rankings(folder)
    assert only.name == "minimise-homo_b3lyp_ev-and-2-more"
    assert only.is_main
    assert only.n_shortlisted == 4
    assert only.command == ("screener", "screen")
    assert only.made >= "2020"
    assert find_ranking(folder) == find_ranking(folder, only.name) == only
    assert folder.read_bytes("shortlist.csv") == folder.read_bytes(f"{only.path}shortlist.csv")
    legend = folder.read_bytes("columns.csv").decode()
    header = folder.read_bytes("shortlist.csv").decode().splitlines()[0]
    assert [line.split(",")[0] for line in legend.splitlines()[1:]] == header.split(",")


def test_another_ranking_changes_nothing_of_the_main_one(folder):
    before = in_its_folder(folder)
    made = rank_again(folder, GAP, command=["screener", "rank", "x"])
    assert made.name == "maximise-gap_gfn2_ev"
    assert not made.is_main
    assert in_its_folder(folder) == before
    assert made.command == ("screener", "rank", "x")
    table = folder.read_table(f"{made.path}shortlist.parquet")
    assert table["score"].to_pylist() == table["gap_gfn2_ev"].to_pylist()
    assert [each.name for each in rankings(folder)][1:] == [made.name]
    # the same command again is the same ranking, and another one has another name
    assert rank_again(folder, GAP, command=[]) == made
    wider = GAP.model_copy(update={"top": 2})
    assert rank_again(folder, wider, command=[]).name == "maximise-gap_gfn2_ev-2"
    assert len(rankings(folder)) == 3


def test_the_main_one_changes_when_that_is_asked(folder):
    first = find_ranking(folder)
    made = rank_again(folder, GAP, command=["a"], name="by-gap", main=True)
    assert made.is_main
    assert find_ranking(folder).name == "by-gap"
    assert folder.read_bytes("shortlist.sdf") == folder.read_bytes(f"{made.path}shortlist.sdf")
    assert accounts(folder).final["shortlisted"] == 3
    assert accounts(folder, first.name).final["shortlisted"] == 4
    assert [each.is_main for each in rankings(folder)] == [True, False]
    told = folder.read_json("provenance.json")
    assert told["ranking"]["name"] == "by-gap"
    assert told["digests"]["ranking"] == made.told["digest"]
    # with a name alone it is the ranking of that name
    back = rank_again(folder, RankingConfig(), command=["b"], name=first.name, main=True)
    assert back.is_main
    assert back.told == first.told
    assert rank_again(folder, RankingConfig(), command=[], name="by-gap").is_main is False
    assert find_ranking(folder).name == first.name
    assert len(told["sessions"]) + 1 == len(folder.read_json("provenance.json")["sessions"])


def test_a_name_belongs_to_one_ranking(folder):
    made = rank_again(folder, GAP, command=[], name="mine")
    before = sorted(folder.sizes("").items())
    with pytest.raises(ConfigError, match="called 'mine' already, which ranks by maximise:gap"):
        rank_again(folder, SMALL, command=[], name="mine")
    with pytest.raises(ConfigError, match=r"ranking name '\.\./x'"):
        rank_again(folder, SMALL, command=[], name="../x")
    assert sorted(folder.sizes("").items()) == before
    assert rank_again(folder, GAP, command=[], name="mine") == made
    assert rank_again(folder, GAP, command=[], name="yours").name == "yours"


def test_a_name_that_is_not_there_is_told_with_the_nearest(folder):
    rank_again(folder, GAP, command=[], name="cheap")
    with pytest.raises(ConfigError, match="called 'chaep'; did you mean cheap"):
        find_ranking(folder, "chaep")
    with pytest.raises(ConfigError, match="called 'zzz'; there are minimise-homo"):
        rank_again(folder, RankingConfig(), command=[], name="zzz")


def test_a_ranking_of_before_is_the_main_one(folder):
    before = in_its_folder(folder)
    as_before(folder)
    (only,) = rankings(folder)
    assert only.is_main
    assert only.name == "minimise-homo_b3lyp_ev-and-2-more"
    assert find_ranking(folder, only.told["digest"]) == only
    assert read_ranking(folder) == only.told
    assert as_ranked(folder)[0].setup.known_column is not None
    write_report(folder)
    # the ranking that the campaign has is the one of before, whatever its folder is called
    assert rank_again(folder, RankingConfig(), command=[]) == only
    made = rank_again(folder, GAP, command=[])
    assert [each.name for each in rankings(folder)] == [only.name, made.name]
    rank_again(folder, RankingConfig(), command=[], name=made.name, main=True)
    rank_again(folder, RankingConfig(), command=[], name=only.name, main=True)
    after = in_its_folder(folder) if folder.exists("columns.csv") else {}
    assert not after  # it has no legend, and that of the other one would be wrong
    assert folder.read_bytes("shortlist.csv") == before["shortlist.csv"]


def test_resuming_with_another_size_leaves_the_main_ranking(finished, folder, client):
    before = in_its_folder(folder)
    config = finished.config.with_options(library=finished.library, out=folder.url, top=2)
    _, ranking = run_campaign(config, client, command=["screener", "screen", "--top", "2"])
    assert ranking.n_shortlisted == 2
    assert not ranking.is_main
    after = in_its_folder(folder)
    told = [json.loads(each.pop("provenance.json")) for each in (before, after)]
    assert after == before
    assert told[0]["ranking"] == told[1]["ranking"]
    assert len(told[1]["sessions"]) == len(told[0]["sessions"]) + 1
    with pytest.raises(ConfigError, match="another --name"):
        run_campaign(config, client, name=find_ranking(folder).name)
    _, ranking = run_campaign(config, client, main=True)
    assert ranking.is_main
    assert pq.read_table(folder.local_path("shortlist.parquet")).num_rows == 2


def test_work_that_was_done_anew_makes_the_main_ranking_anew(finished, folder, client):
    before = in_its_folder(folder)
    main = find_ranking(folder)
    folder.write_bytes(f"{main.path}shortlist.csv", b"")
    next(folder.local_path("receipts/gfn2-opt").iterdir()).unlink()
    config = finished.config.with_options(library=finished.library, out=folder.url, top=2)
    _, ranking = run_campaign(config, client)
    assert not ranking.is_main
    after = in_its_folder(folder)
    assert after["shortlist.csv"] == before["shortlist.csv"]
    assert folder.read_bytes(f"{main.path}shortlist.csv") == before["shortlist.csv"]


def test_several_that_rank_at_once_do_no_harm(folder):
    """Two want the same name for different rankings, two make the same one, two the main one."""
    asked = [
        (GAP, "mine", False),
        (SMALL, "mine", False),
        (GAP.model_copy(update={"top": 2}), None, True),
        (GAP.model_copy(update={"top": 2}), None, False),
        (SMALL.model_copy(update={"top": 2}), None, True),
    ]
    start = threading.Barrier(len(asked))
    made, refused = [], []

    def rank(config, name, main):
        start.wait()
        try:
            made.append(rank_again(folder, config, command=[], name=name, main=main))
        except ConfigError as error:
            refused.append(str(error))

    threads = [threading.Thread(target=rank, args=each) for each in asked]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    (message,) = refused
    assert "called 'mine' already" in message
    known = {each.name: each for each in rankings(folder)}
    assert len(known) == 1 + 3
    for each in made:
        assert known[each.name].told == each.told
        table = folder.read_table(f"{each.path}shortlist.parquet")
        assert table.num_rows == each.n_shortlisted
    main = find_ranking(folder)
    assert main.name in {"maximise-gap_gfn2_ev", "minimise-n_heavy"}
    for name in ("shortlist.parquet", "shortlist.csv", "shortlist.sdf", "columns.csv"):
        assert folder.read_bytes(name) == folder.read_bytes(main.path + name)


def test_a_ranking_that_was_killed_is_finished_by_the_same_command(folder):
    campaign = Campaign.open(folder)
    setup = campaign.setup.model_copy(update={"ranking": GAP.settings(campaign.setup.ranking)})
    place = take_name(folder, setup, None, ["a"])
    assert [each.is_main for each in rankings(folder)] == [True]  # it is not there yet
    assert rank_again(folder, SMALL, command=[]).name == "minimise-n_heavy"
    with pytest.raises(ConfigError, match="is not finished"):
        rank_again(folder, SMALL, command=[], name=place)
    made = rank_again(folder, GAP, command=["b"])
    assert made.name == place
    assert made.command == ("a",)


def test_the_main_one_waits_for_who_works_in_the_campaign(folder, monkeypatch):
    monkeypatch.setattr("screener.campaign.results.rank.WAIT_SECONDS", 0.3)
    with Lease(folder).held():
        made = rank_again(folder, GAP, command=[])
        with pytest.raises(ConfigError, match="in use by"):
            rank_again(folder, GAP, command=[], main=True)
        assert not find_ranking(folder, made.name).is_main
        release = threading.Timer(0.1, lambda: None)
        release.start()
        release.join()
    assert rank_again(folder, GAP, command=[], main=True).is_main


def test_two_rankings_of_one_campaign_are_compared_and_explained(folder):
    made = rank_again(folder, SMALL, command=[], name="small")
    changes = compare(folder, folder, ranking_after="small")
    assert any("ranking.objectives" in line for line in changes.settings)
    held = [set(folder.read_table(f"{path}shortlist.parquet")["mol_id"].to_pylist())
            for path in (find_ranking(folder).path, made.path)]  # fmt: skip
    assert {each.mol_id for each in changes.entered} == held[1] - held[0]
    assert {each.mol_id for each in changes.left} == held[0] - held[1]
    assert changes.left or changes.entered
    best = folder.read_table(f"{made.path}shortlist.parquet")["mol_id"][0].as_py()
    under = dict(explain(folder, best, ranking="small"))
    assert under["ended"].startswith("shortlisted: rank 1 with score")
    assert under["ranking"] == "small"
    assert under["score"].startswith("minus value. Minus n_heavy")
    assert "(the main one)" in dict(explain(folder, best))["ranking"]


def test_a_report_of_a_ranking_lies_with_it(folder):
    write_report(folder)
    before = folder.read_bytes("report.html")
    made = rank_again(folder, SMALL, command=[], name="small")
    assert write_report(folder, "small") == f"{made.path}report.html"
    html = folder.read_bytes(f"{made.path}report.html").decode()
    assert "Ranking <b>small</b> ·" in html
    assert "3</b> in the shortlist" in html
    assert "Minus n_heavy, so that the higher is the better" in html
    assert folder.read_bytes("report.html") == before
    assert "(the main one)" in before.decode()


def test_a_ranking_that_cannot_be_read_is_passed_over(folder, caplog):
    rank_again(folder, SMALL, command=[], name="small")
    folder.write_bytes("rankings/small/ranking.json", b"{}")
    assert len(rankings(folder)) == 1
    with pytest.raises(ConfigError, match="no ranking called 'small'"):
        find_ranking(folder, "small")


@pytest.mark.parametrize("by", ["probability", "pareto"])
def test_what_orders_equal_scores_stands_beside_them(folder, by):
    both = ["minimise:homo_b3lyp_ev:low=-9,high=-4", "maximise:gap_gfn2_ev:low=2,high=11"]
    config = CampaignConfig().with_options(objectives=both, by=by, top=50).ranking
    made = rank_again(folder, config, command=[])
    rows = folder.read_table(f"{made.path}shortlist.parquet").to_pylist()
    assert made.meaning.tie_column in rows[0]
    keys = [(-row["score"], -row[made.meaning.tie_column], row["mol_id"]) for row in rows]
    assert keys == sorted(keys)
    if by == "pareto":
        assert [row["pareto_front"] for row in rows] == [-int(row["score"] // 1) for row in rows]
        assert len({row["score"] for row in rows}) < len(rows)  # the ends of a front are equal
    last = rows[-1]["mol_id"]
    few = rank_again(folder, config.model_copy(update={"top": 2}), command=[])
    ended = dict(explain(folder, last, ranking=few.name))["ended"]
    if by == "probability":
        assert ended.startswith(f"below the shortlist: rank {len(rows)} with score")
    assert made.told["score_meaning"] == made.meaning.sentence
