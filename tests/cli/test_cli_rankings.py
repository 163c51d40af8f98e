"""Rankings, reports and presets at the command line."""

import json
import shutil
import tomllib

import pytest

from screener.ranking.objectives import RankingSettings
from screener.ranking.presets import load_preset, preset_names


@pytest.fixture
def campaign(finished, tmp_path):
    shutil.copytree(finished.folder, tmp_path / "campaign")
    return tmp_path / "campaign"


def test_a_ranking_is_made_listed_shown_and_made_the_main_one(screener, campaign):
    before = (campaign / "shortlist.csv").read_bytes()
    code, out, err = screener(
        *("rank", campaign, "--minimise", "n_heavy", "--top", 2, "--name", "small")
    )
    assert code == 0, err
    assert "minus value: Minus n_heavy, so that the higher is the better" in out
    assert "--name small --main` makes this one the main one" in out
    assert f"{campaign}/rankings/small/shortlist.csv" in out.splitlines()
    assert f"{campaign}/rankings/small/report.html" in out.splitlines()
    assert (campaign / "shortlist.csv").read_bytes() == before

    code, out, _ = screener("rankings", campaign)
    assert code == 0
    lines = out.splitlines()
    assert lines[0] == "minimise-homo_b3lyp_ev-and-2-more (the main one)"
    place = lines.index("small")
    assert lines[place + 1].startswith("  2 of ")
    assert lines[place + 2] == "  by value: minimise:n_heavy"
    listed = json.loads(screener("rankings", campaign, "--json")[1])
    assert [(each["name"], each["main"]) for each in listed] == [
        ("minimise-homo_b3lyp_ev-and-2-more", True),
        ("small", False),
    ]
    assert listed[1]["command"][:2] == ["screener", "rank"]
    assert listed[1]["shortlisted"] == 2

    code, out, _ = screener("rank", campaign, "--name", "small", "--main")
    assert code == 0
    assert "this is small, the main ranking of the campaign" in out
    assert len((campaign / "shortlist.csv").read_text().splitlines()) == 3


def test_a_ranking_as_json_has_every_column(screener, campaign):
    code, out, _ = screener("rank", campaign, "--maximise", "gap_gfn2_ev", "--top", 2, "--json")
    assert code == 0
    told = json.loads(out)
    assert told["ranking"]["name"] == "maximise-gap_gfn2_ev"
    assert told["ranking"]["score_meaning"].startswith("The value of gap_gfn2_ev itself")
    assert len(told["shortlist"]) == 2
    assert told["shortlist"][0]["score"] == told["shortlist"][0]["gap_gfn2_ev"]
    assert told["files"][0].endswith("/rankings/maximise-gap_gfn2_ev/shortlist.parquet")


def test_what_orders_equal_scores_is_shown_beside_them(screener, campaign):
    both = ("--objective", "minimise:homo_b3lyp_ev", "--maximise", "gap_gfn2_ev", "--top", 3)
    code, out, _ = screener("rank", campaign, *both, "--by", "pareto")
    assert code == 0
    head = out.splitlines()[1].split()
    assert head[:5] == ["rank", "Pareto", "score", "pareto", "utility"]
    rows = [line.split() for line in out.splitlines()[2:] if line.lstrip()[:1].isdigit()]
    keys = [(-float(row[1]), -float(row[2])) for row in rows[:3]]
    assert keys == sorted(keys)
    assert keys[0][0] == keys[1][0] == 0.5  # both ends of the first front


def test_explain_compare_and_report_take_a_ranking(screener, campaign):
    screener("rank", campaign, "--minimise", "n_heavy", "--top", 2, "--name", "small")
    best = json.loads(screener("rank", campaign, "--name", "small", "--json")[1])["shortlist"][0]
    code, out, _ = screener("explain", campaign, best["mol_id"], "--ranking", "small")
    assert code == 0
    assert "ended: shortlisted: rank 1 with score" in out
    assert "ranking: small" in out
    code, out, _ = screener("compare", campaign, "--after", "small")
    assert code == 0
    assert "ranking.top: 4 in the campaign, 2 now" in out
    code, out, _ = screener("report", campaign, "--ranking", "small")
    assert (code, out) == (0, f"{campaign}/rankings/small/report.html\n")
    told = json.loads(screener("report", campaign, "--json")[1])
    assert told == {
        "ranking": "minimise-homo_b3lyp_ev-and-2-more",
        "main": True,
        "report": f"{campaign}/report.html",
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["rankings", "nowhere"], "is not a campaign"),
        (["report", "CAMPAIGN", "--ranking", "smal"], "there are minimise-homo"),
        (["explain", "CAMPAIGN", "CC#N", "--ranking", "x"], "has no ranking called 'x'"),
        (["compare", "CAMPAIGN"], "another ranking of this one with --after"),
        (["compare", "CAMPAIGN", "--after", "x"], "has no ranking called 'x'"),
        (["rank", "CAMPAIGN", "--top", "2", "--name", "A b"], "small letters, digits"),
        (["presets", "show", "electrolite-solvent"], "did you mean electrolyte-solvent?"),
        (
            ["screen", "LIBRARY", "--out", "CAMPAIGN", "--top", "2", "--name", "MAIN"],
            "another --name",
        ),
        (
            ["screen", "LIBRARY", "--out", "new", "--preset", "redoxactive"],
            "did you mean redox-active?",
        ),
    ],
)
def test_mistakes_say_what_to_do(screener, finished, campaign, arguments, message):
    words = {
        "CAMPAIGN": campaign,
        "LIBRARY": finished.library,
        "MAIN": "minimise-homo_b3lyp_ev-and-2-more",
    }
    code, out, err = screener(*(words.get(each, each) for each in arguments))
    assert code == 2
    assert message in err
    assert out == ""


def test_presets_are_listed_with_what_they_need(screener):
    code, out, _ = screener("presets", "list")
    assert code == 0
    lines = out.splitlines()
    assert [line for line in lines if line in preset_names()] == preset_names()
    assert "For solvents of lithium-ion electrolytes" in lines[1]
    assert any("needs" in line and "predicted by qm9-mmff94-direct" in line for line in lines)
    uncorrected = [line for line in lines if line.lstrip().startswith("needs GFN2-xTB vertical")]
    assert len(uncorrected) == 3
    assert all("uncorrected: computed by gfn2-redox" in line for line in uncorrected)
    listed = json.loads(screener("presets", "list", "--json")[1])
    assert [each["name"] for each in listed] == preset_names()
    assert {need["column"] for need in listed[0]["needs"]} >= {"homo_b3lyp_ev", "sa_score"}


@pytest.mark.parametrize("name", preset_names())
def test_a_preset_that_is_shown_can_be_saved_and_used(screener, name):
    code, out, _ = screener("presets", "show", name)
    assert code == 0
    saved = RankingSettings.from_mapping(tomllib.loads(out), name)
    assert saved == load_preset(name)
    told = json.loads(screener("presets", "show", name, "--json")[1])
    assert told["toml"] == out
    assert [each["text"] for each in told["objectives"]] == [each.text for each in saved.objectives]
