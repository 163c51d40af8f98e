"""The campaign commands: what they print, and how mistakes end."""

import json
import logging
import re
import shutil

import pytest

from screener.stores.frozen_toml import to_toml


@pytest.fixture
def campaign(finished, tmp_path):
    shutil.copytree(finished.folder, tmp_path / "campaign")
    return tmp_path / "campaign"


def test_the_same_command_again_shows_the_shortlist(screener, finished, campaign, tmp_path):
    file = tmp_path / "campaign.toml"
    file.write_text(to_toml(finished.config.model_dump(mode="json")))
    code, out, err = screener(
        "screen", finished.library, "--out", campaign, "--config", file, "--workers", 1
    )
    assert code == 0, err
    lines = out.splitlines()
    assert "the best 4 of 4" in lines[0]
    assert sum(line.strip()[:1].isdigit() for line in lines) == 4
    assert f"{campaign}/shortlist.csv" in lines
    assert f"{campaign}/report.html" in lines
    assert "Dask dashboard: http" in err
    assert "and tiny-delta can speak about" in err
    assert "can speak about 20 of 22 molecules, as far as drawings tell; not about what" in err
    assert "has fluorine, which the model never saw (1)" in err
    assert "6/6 units" in err
    assert "5/5 units" in err


def test_status_and_accounts(screener, campaign):
    code, out, _ = screener("status", campaign, "--accounts")
    assert code == 0
    assert "22/22" in out
    assert "4 in the shortlist" in out
    assert "24 read = 22 kept + 1 duplicates + 1 quarantined" in out
    assert "filtered: no value of price" in out
    assert "out of domain: has fluorine, which the model never saw (1)" in out
    (total,) = (line for line in out.splitlines() if line.startswith("all "))
    assert "22" in total


def test_programs_are_told_the_same_as_json(screener, campaign):
    code, out, _ = screener("explain", campaign, "FEC", "--json")
    assert code == 0
    told = json.loads(out)
    assert told["domain"] == [{"reason": "has fluorine, which the model never saw"}]
    assert told["lines"][0]["text"].startswith("out of domain at mmff94: has fluorine")
    code, out, _ = screener("compare", campaign, campaign, "--json")
    assert json.loads(out)["n_unmoved"] == 4
    code, out, _ = screener("rank", campaign, "--minimise", "homo_b3lyp_ev", "--json")
    ranked = json.loads(out)
    assert ranked["shortlist"][0]["rank"] == 1
    assert f"{campaign}/rankings/minimise-homo_b3lyp_ev/shortlist.csv" in ranked["files"]
    code, out, _ = screener("verify", campaign, "--json")
    assert (code, json.loads(out)["damaged"]) == (0, [])


def test_a_campaign_without_a_shortlist_says_how_far_it_is(screener, campaign):
    for name in ("provenance.json", "shortlist.parquet"):
        (campaign / name).unlink()
    code, out, err = screener("explain", campaign, "EC")
    assert (code, out) == (2, "")
    assert "has no shortlist yet: all stages are done, and they are not ranked; resume it" in err


def test_status_of_a_campaign_under_way(screener, campaign):
    shutil.rmtree(campaign / "batches")
    shutil.rmtree(campaign / "receipts" / "gfn2-opt")
    for path in sorted((campaign / "receipts" / "mmff94").iterdir())[:2]:
        path.unlink()
    (campaign / "provenance.json").unlink()
    code, out, _ = screener("status", campaign, "--accounts")
    assert code == 0
    assert "4/6" in out
    assert re.search(r"gfn2-opt +at most 10 .* waits", out)
    assert "not ranked yet" in out
    assert "not done" in out


def test_rank_by_other_objectives(screener, campaign, caplog):
    caplog.handler.setLevel(logging.NOTSET)  # the shared cluster has silenced it
    code, out, _ = screener("rank", campaign, "--minimise", "price", "--top", 2)
    assert code == 0
    assert "the best 2 of 2" in out
    assert "chosen by other objectives" in caplog.text
    assert len((campaign / "shortlist.csv").read_text().splitlines()) == 5
    ranked = campaign / "rankings" / "minimise-price" / "shortlist.csv"
    assert len(ranked.read_text().splitlines()) == 3


@pytest.mark.parametrize("option", ["--estimate", "--plan"])
def test_an_estimate_writes_nothing(screener, finished, tiny_bundles, tmp_path, caplog, option):
    caplog.handler.setLevel(logging.NOTSET)  # the shared cluster has silenced it
    out_folder = tmp_path / "campaign"
    code, out, _ = screener(
        *("screen", finished.library, "--out", out_folder, "--minimise", "homo_b3lyp_ev"),
        *("--stages", tiny_bundles.direct, "--workers", 2, option),
    )
    assert code == 0
    assert ("--plan is called --estimate now" in caplog.text) == (option == "--plan")
    assert "for 2 workers" in out
    assert "memory:" in out
    assert not out_folder.exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["screen", "nowhere", "--out", "campaign"], "nowhere holds no finished library"),
        (["screen", "file", "--out", "c"], "screener library build file --out DIR"),
        (["screen", "LIBRARY"], "give the campaign's folder"),
        (["screen", "LIBRARY", "--out", "campaign", "--config", "no.toml"], "cannot read no.toml"),
        (["screen", "LIBRARY", "--out", "campaign", "--minimise", "homo_b3lyp"], "homo_b3lyp_ev"),
        (["screen", "LIBRARY", "--out", "campaign", "--objective", "x"], "write GOAL:COLUMN"),
        (["screen", "LIBRARY", "--out", "campaign", "--constraint", "x"], "write COLUMN<=NUMBER"),
        (["screen", "LIBRARY", "--out", "campaign", "--top", "0"], "top"),
        (["screen", "LIBRARY", "--out", "campaign", "--preset", "none"], "electrolyte-solvent"),
        (["screen", "LIBRARY", "--out", "campaign", "--stages", "none"], "there is no bundle none"),
        (["screen", "LIBRARY", "--out", "campaign", "--stages", "DIRECT@gfn2-opt"], "refuses"),
        (["screen", "LIBRARY", "--out", "file/campaign", "--stages", "DIRECT"], "ot a directory"),
        (
            ["screen", "LIBRARY", "--out", "c", "--estimate", "--scheduler", "tcp://a:1"],
            "--workers",
        ),
        (["status", "nowhere"], "is not a campaign"),
        (["rank", "nowhere"], "is not a campaign"),
    ],
)
def test_mistakes_end_with_2_and_leave_nothing(
    screener, finished, tiny_bundles, tmp_path, monkeypatch, arguments, message
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("x")
    words = {"LIBRARY": finished.library, "DIRECT": tiny_bundles.direct}
    for word, path in words.items():
        arguments = [argument.replace(word, str(path)) for argument in arguments]
    code, out, err = screener(*arguments)
    assert code == 2
    assert message in err
    assert err.startswith("error: ")
    assert out == ""
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.slow
def test_a_scheduler_that_does_not_answer(screener, finished, tiny_bundles, tmp_path):
    code, _, err = screener(
        *("screen", finished.library, "--out", tmp_path / "campaign", "--stages"),
        *(tiny_bundles.direct, "--minimise", "homo_b3lyp_ev", "--scheduler", "tcp://127.0.0.1:9"),
    )
    assert code == 2
    assert "no Dask scheduler answers at tcp://127.0.0.1:9" in err
    assert not (tmp_path / "campaign").exists()


def test_a_changed_computation_is_shown(screener, campaign):
    code, _, err = screener("screen", "--out", campaign, "--finalists", 3)
    assert code == 2
    assert "stage gfn2-opt.rows: 10 in the campaign, 3 now" in err
