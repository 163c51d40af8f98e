"""One real campaign in many ways, and the same bytes from each of them."""

import itertools
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import nullcontext
from pathlib import Path
from statistics import NormalDist

import forked
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from distributed import Client, Scheduler, SpecCluster, Worker
from explained import explain
from rdkit import Chem
from rdkit.DataStructs import TanimotoSimilarity

from screener.campaign.driver import stage_run
from screener.campaign.driver.run import run_campaign
from screener.campaign.results import segments
from screener.campaign.results.accounts import accounts
from screener.campaign.results.compare import compare
from screener.campaign.results.explain import explain as explanation
from screener.campaign.results.rank import rank_again
from screener.campaign.results.status import status
from screener.campaign.settings.config import CampaignConfig
from screener.campaign.settings.frozen import open_setup
from screener.campaign.settings.plan import StagePlan
from screener.campaign.settings.ranking import RankingConfig
from screener.campaign.settings.resolve import resolve
from screener.campaign.settings.stage import Campaign, CampaignStage
from screener.chemistry.fingerprints import fingerprint
from screener.chemistry.known_names import known_as
from screener.chemistry.nearest import nearest_known
from screener.cluster.factory import connect
from screener.cluster.settings import LocalSettings
from screener.errors import ConfigError, SchemaError
from screener.execution.tasks import run_tasks
from screener.models.bundle_files import CARD
from screener.ranking.pareto import fronts
from screener.stores.files import Folder
from screener.stores.frozen_toml import to_toml
from screener.stores.library import LibraryStore

N_UNITS = (6, 5)  # 22 rows by 4, 10 finalists by 2
SHORTLIST = ("shortlist.parquet", "shortlist.csv", "shortlist.sdf")


def shortlist(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in SHORTLIST}


def events_of(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def test_progress_counts_every_unit(finished):
    for index, n_units in enumerate(N_UNITS):
        done = [each.n_units_done for each in finished.progress if each.index == index]
        assert done == [*range(1, n_units + 1), n_units]  # and once more at the end of the stage
    last = finished.progress[-1]
    assert (last.stage, last.n_rows_done, last.n_rows) == ("gfn2-opt", 10, 10)
    assert last.rate > 0
    assert last.seconds_left == 0


def test_the_shortlist_says_what_was_asked(finished):
    table = pq.read_table(finished.folder / "shortlist.parquet").to_pandas()
    assert table["rank"].tolist() == [1, 2, 3, 4]
    assert table["score"].is_monotonic_decreasing
    assert table["in_domain"].all()
    assert (table["n_heavy"] <= 7).all()
    assert (table["geometry_level"] == "gfn2-opt").all()
    for column in ("homo_b3lyp_ev", "gap_gfn2_ev", "price"):
        assert table[f"desirability_{column}"].between(0, 1).all()
        assert table[column].notna().all()
    # and why each row is there
    assert table["margin_n_heavy"].tolist() == (7 - table["n_heavy"]).tolist()
    for row in table.to_dict("records"):
        known, similarity = nearest_known(row["smiles"])
        assert (row["nearest_known"], row["nearest_known_similarity"]) == (known, similarity)
        assert f"homo_b3lyp_ev:low=-9,high=-4.5: {row['homo_b3lyp_ev']:.4g} eV (90 %" in row["why"]
        assert f"desirability {row['desirability_price']:.3f}" in row["why"]
        assert f"n_heavy<=7: {row['n_heavy']}, met by {7 - row['n_heavy']}" in row["why"]
        assert row["why"].startswith(("domain: inside; ", "domain: inside, but "))
        assert row["eox_uncorrected_gfn2_v_li"] > row["ered_uncorrected_gfn2_v_li"]
    # the low-fidelity value and the correction add up to the prediction
    sum_of_both = table["homo_gfn2_ev"] + table["homo_b3lyp_ev_delta"]
    assert sum_of_both.tolist() == pytest.approx(table["homo_b3lyp_ev"].tolist(), abs=1e-9)
    assert (table["homo_b3lyp_ev_lo90"] < table["homo_b3lyp_ev"]).all()
    assert table["known"].tolist() == [bool(mark) for mark in table["known_as"]]


def test_the_sd_file_holds_the_stored_geometries(finished):
    table = pq.read_table(finished.folder / "shortlist.parquet").to_pandas()
    path = str(finished.folder / "shortlist.sdf")
    with Chem.SDMolSupplier(path, removeHs=False) as supplier:
        molecules = list(supplier)
    assert [molecule.GetProp("_Name") for molecule in molecules] == table["source_id"].tolist()
    for molecule, smiles in zip(molecules, table["smiles"], strict=True):
        assert Chem.CanonSmiles(Chem.MolToSmiles(Chem.RemoveHs(molecule))) == smiles
        assert molecule.GetConformer().Is3D()
        assert float(molecule.GetProp("gap_gfn2_ev")) > 0


def test_every_row_has_one_final_state(finished):
    found = accounts(Folder(str(finished.folder)))
    assert found.is_balanced
    assert (found.n_read, found.n_kept, found.n_duplicates, found.n_quarantined) == (24, 22, 1, 1)
    first, second = found.stages
    assert first.quarantined == 1  # camphor with its bridge inside out
    assert first.out_of_domain >= 1  # fluoroethylene carbonate
    assert first.passed == second.n_in == 10
    assert second.passed == 4
    assert first.not_done == second.not_done == 0
    assert found.final["shortlisted"] == 4
    assert sum(found.final.values()) == 22


def test_the_fate_of_known_molecules_is_followed(finished):
    path = next((finished.folder / "rankings").glob("*/known.parquet"))
    known = pq.read_table(path).to_pandas().set_index("source_id")
    assert set(known.index) == {"EC", "DMC", "ACN", "FEC"}
    assert known.loc["FEC", "state"] == "out of domain"
    assert known.loc["FEC", "reason"]
    ranked = known[known["rank"].notna()]
    shortlisted = pq.read_table(finished.folder / "shortlist.parquet").to_pandas()
    for name, fate in ranked.iterrows():
        in_list = shortlisted[shortlisted["source_id"] == name]
        assert (fate["state"] == "shortlisted") == (len(in_list) == 1)
        assert in_list["rank"].tolist() in ([], [fate["rank"]])


def test_every_molecule_is_explained(finished):
    folder = Folder(str(finished.folder))
    ended = {name: dict(explain(folder, name)) for name in ("EC", "FEC", "C1COC(=O)O1")}
    assert ended["EC"] == ended["C1COC(=O)O1"]  # by id and by another SMILES of it
    assert ended["EC"]["nearest known"].startswith("ethylene carbonate (EC), Tanimoto similarity 1")
    assert ended["FEC"]["ended"].startswith("out of domain at ")
    assert ended["FEC"]["domain"].startswith("outside: ")
    for row in pq.read_table(finished.folder / "shortlist.parquet").to_pylist():
        said = dict(explain(folder, row["mol_id"]))
        assert said["ended"].startswith(f"shortlisted: rank {row['rank']} with score ")
        values = [text for label, text in said.items() if "homo" in label or "lumo" in label]
        assert values
        assert all("90 %" in text for text in values)
        assert all(" eV" in text for text in values)
    library = LibraryStore.open(str(finished.library))
    twice = next(library.duplicates()).to_pylist()[0]
    assert "first at" in dict(explain(folder, twice["smiles_input"]))["duplicate"]
    aside = next(library.quarantine()).to_pylist()[0]
    assert dict(explain(folder, aside["raw"])).keys() == {"ended", "source_id", "as given"}
    assert aside["code"] in explain(folder, aside["raw"])[0][1]
    with pytest.raises(ConfigError, match="no molecule of the library"):
        explain(folder, "unobtainium")


@pytest.mark.parametrize(
    ("name", "source_id"),
    [
        ("ethylene carbonate", "EC"),
        ("Fluoroethylene Carbonate (FEC)", "FEC"),
        ("96-49-1", "EC"),
        ("propylene carbonate", "PC"),  # whose isomer the library has chosen
        ("γ-butyrolactone", "GBL"),
    ],
)
def test_a_known_molecule_is_found_by_what_chemists_call_it(finished, name, source_id):
    said = dict(explain(Folder(str(finished.folder)), name))
    assert said["source_id"] == source_id
    assert known_as(name)[0].name == said["known as"]


def test_an_id_of_the_library_comes_before_the_name_of_a_known_molecule(finished):
    assert "known as" not in dict(explain(Folder(str(finished.folder)), "EC"))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("ethylen carbonat", r"Do you mean ethylene carbonate \(EC\)"),
        (
            "adiponitrile",
            r"it is the known molecule adiponitrile \(ADN\), N#CCCCCC#N, which is not",
        ),
        ("7732-18-5", "no known one has this CAS number; give the SMILES"),
        ("96-49-2", "its last digit does not fit, so it is mistyped"),
    ],
)
def test_a_name_that_leads_nowhere_says_why_and_what_is_near(finished, name, message):
    with pytest.raises(ConfigError, match=message):
        explain(Folder(str(finished.folder)), name)


def test_an_explanation_has_sentences_for_people_and_numbers_for_programs(finished):
    told = explanation(Folder(str(finished.folder)), "FEC")
    assert dict(told.lines)["ended"].endswith("has fluorine, which the model never saw")
    as_json = told.as_json()
    assert as_json["domain"] == [{"reason": "has fluorine, which the model never saw"}]
    assert (as_json["stage"], as_json["predictions"]["source_id"]) == ("mmff94", "FEC")
    inside = explanation(Folder(str(finished.folder)), "EC").as_json()
    assert inside["domain"] == []
    assert inside["predictions"]["homo_b3lyp_ev_lo90"] < inside["predictions"]["homo_b3lyp_ev"]


def test_ranks_in_a_large_stage_are_counted_on_workers(finished, client, monkeypatch):
    folder = Folder(str(finished.folder))
    listed = pq.read_table(finished.folder / "shortlist.parquet")["mol_id"].to_pylist()
    tables = CampaignStage(Campaign.open(folder), 1).tables()
    inside = [row for each in tables for row in each.to_pylist() if row["in_domain"]]
    below = next(row["mol_id"] for row in inside if row["mol_id"] not in listed)
    connected = []

    def connect():
        connected.append(client)
        return nullcontext(client)

    said = explain(folder, below, connect)
    assert said[0][1].startswith("below the shortlist: rank ")
    assert connected == []  # a small stage is looked at here
    monkeypatch.setattr(segments, "N_ON_WORKERS", 0)
    assert explain(folder, below, connect) == said
    assert connected == [client]
    explain(folder, listed[0], connect)
    assert connected == [client]  # its rank stands in the shortlist


def test_a_diverse_shortlist_is_that_of_a_full_sort_in_memory(finished, tmp_path):
    folder = Folder(str(tmp_path / "other"))
    shutil.copytree(finished.folder, tmp_path / "other")
    everything = RankingConfig(objectives=["minimise:homo_b3lyp_ev"], top=1000)
    rank_again(folder, everything, command=["screener", "rank"], main=True)
    full = pq.read_table(tmp_path / "other" / "shortlist.parquet").to_pylist()
    assert len(full) > 6
    prints = {row["mol_id"]: fingerprint(Chem.MolFromSmiles(row["smiles"])) for row in full}

    def likeness(one, other) -> float:
        return TanimotoSimilarity(prints[one["mol_id"]], prints[other["mol_id"]])

    limit = sorted(likeness(a, b) for a, b in itertools.combinations(full, 2))[-4] - 1e-9
    wanted: list[dict] = []
    for row in full:
        if all(likeness(row, better) <= limit for better in wanted):
            wanted.append(row)
    assert len(wanted) < len(full)
    apart = everything.model_copy(update={"max_similarity": limit})
    rank_again(folder, apart, command=["screener", "rank"], main=True)
    found = pq.read_table(tmp_path / "other" / "shortlist.parquet").to_pylist()
    assert [row["mol_id"] for row in found] == [row["mol_id"] for row in wanted]
    assert [row["rank"] for row in found] == [*range(1, len(found) + 1)]
    assert accounts(folder).is_balanced
    left = {row["mol_id"] for row in full} - {row["mol_id"] for row in found}
    missing = next(row for row in full if row["mol_id"] in left)
    assert explain(folder, missing["mol_id"])[0][1].startswith("passed over, too much like better")


def ranked_anew(finished, tmp_path, **asked) -> tuple[list[dict], dict]:
    """The shortlist by another ranking, and what `ranking.json` says."""
    if not (tmp_path / "other").exists():
        shutil.copytree(finished.folder, tmp_path / "other")
    config = CampaignConfig().with_options(**asked).ranking
    ranking = rank_again(Folder(str(tmp_path / "other")), config, command=[], main=True)
    return pq.read_table(tmp_path / "other" / "shortlist.parquet").to_pylist(), dict(ranking.told)


def test_fronts_are_those_of_a_full_sort_in_memory(finished, tmp_path):
    both = ["minimise:homo_b3lyp_ev:low=-9,high=-4", "maximise:gap_gfn2_ev:low=2,high=11"]
    everybody, _ = ranked_anew(finished, tmp_path, objectives=both, top=50)
    worth = np.array([(-row["homo_b3lyp_ev"], row["gap_gfn2_ev"]) for row in everybody])
    found, _ = ranked_anew(finished, tmp_path, objectives=both, by="pareto", top=50)
    front = dict(zip((row["mol_id"] for row in everybody), fronts(worth), strict=True))
    assert len(found) == len(everybody) > 5
    assert [front[row["mol_id"]] for row in found] == sorted(front.values())
    assert [np.floor(row["score"]) for row in found] == [-front[row["mol_id"]] - 1 for row in found]
    few, _ = ranked_anew(finished, tmp_path, objectives=both, by="pareto", top=3)
    assert [row["mol_id"] for row in few] == [row["mol_id"] for row in found[:3]]
    ended = explain(Folder(str(tmp_path / "other")), found[-1]["mol_id"])[0][1]
    assert ended == "below the shortlist"


def test_what_is_likely_to_meet_its_target_comes_first(finished, tmp_path):
    everybody, _ = ranked_anew(finished, tmp_path, objectives=["minimise:homo_b3lyp_ev"], top=50)
    middle = sorted(row["homo_b3lyp_ev"] for row in everybody)[len(everybody) // 2]
    asked = {
        "objectives": [f"minimise:homo_b3lyp_ev:low={middle - 1},high={middle + 1}"],
        "constraints": ["dipole_b3lyp_debye>=2"],
        "by": "probability",
        "top": 50,
    }
    found, ranking = ranked_anew(finished, tmp_path, **asked)
    assert ranking["counts"]["filtered"] == 0  # a constraint that is uncertain excludes nobody
    for row in found:
        expected = 1.0
        for column, bound, sign in (("homo_b3lyp_ev", middle, 1), ("dipole_b3lyp_debye", 2, -1)):
            side = "hi90" if bound > row[column] else "lo90"
            deviation = abs(row[f"{column}_{side}"] - row[column]) / 1.6448536
            expected *= NormalDist().cdf(sign * (bound - row[column]) / deviation)
        assert row["score"] == pytest.approx(expected, abs=1e-6)


def test_a_table_of_prices_is_joined_and_ranked_by(finished, tmp_path):
    """On InChIKeys and on SMILES as somebody else writes them, for a ranking made again."""
    everybody, _ = ranked_anew(finished, tmp_path, objectives=["minimise:homo_b3lyp_ev"], top=50)
    cost = {row["mol_id"]: 3.0 + place % 4 for place, row in enumerate(everybody)}
    priced = everybody[1:]  # one molecule has no price
    lines = [f"{row['inchikey']},{cost[row['mol_id']]},'=CAS {row['rank']}" for row in priced]
    (tmp_path / "a.csv").write_text("\n".join(["InChIKey,cost,cas", *lines, "XXX,1.0,none"]) + "\n")
    kekule = [Chem.MolToSmiles(Chem.MolFromSmiles(row["smiles"]), doRandom=True) for row in priced]
    table = pa.table({"smiles": kekule, "cost": [cost[row["mol_id"]] for row in priced]})
    pq.write_table(table, tmp_path / "b.parquet")
    folder = Folder(str(tmp_path / "other"))
    for name in ("a.csv", "b.parquet"):
        asked = CampaignConfig().with_options(
            objectives=["minimise:cost"], constraints=["cost<=5"], join=str(tmp_path / name), top=50
        )
        ranking = rank_again(folder, asked.ranking, command=[], join=asked.join, main=True).told
        found = pq.read_table(tmp_path / "other" / "shortlist.parquet").to_pylist()
        expected = sorted(
            (cost[row["mol_id"]], row["mol_id"]) for row in priced if cost[row["mol_id"]] <= 5.0
        )
        # `3.0` in text stays as it is written, and is ranked by as a number
        assert [(float(row["cost"]), row["mol_id"]) for row in found] == expected
        assert ranking["joined"]["columns"][0] == "cost"
        if name == "a.csv":  # its quotes mark text for spreadsheets
            assert {row["cas"][:4] for row in found} == {"=CAS"}
        dear = next(row for row in priced if cost[row["mol_id"]] > 5.0)
        assert explain(folder, dear["mol_id"])[0][1].endswith(": cost<=5")
        assert "no value of cost" in explain(folder, everybody[0]["mol_id"])[0][1]
    ranked = CampaignConfig().with_options(objectives=["minimise:cas:low=0,high=1"]).ranking
    join = CampaignConfig().with_options(join=str(tmp_path / "a.csv")).join
    with pytest.raises(ConfigError, match=r"cas.* is no column of numbers.*'=CAS \d+' in row 1;"):
        rank_again(folder, ranked, command=[], join=join)


def test_a_joined_table_chooses_the_finalists_too(finished, client, tmp_path):
    library = LibraryStore.open(finished.library)
    rows = library.read_range(0, library.n_rows, ["inchikey", "n_atoms"]).to_pylist()
    lines = [f"{row['inchikey']},{row['n_atoms'] % 7}" for row in rows]
    (tmp_path / "t.csv").write_text("\n".join(["inchikey,stock", *dict.fromkeys(lines)]) + "\n")
    out = str(tmp_path / "campaign")
    config = CampaignConfig().with_options(
        library=finished.library,
        out=out,
        stages=finished.config.stages,
        objectives=["maximise:stock:low=0,high=6"],
        constraints=["n_heavy<=7"],
        finalists=5,
        top=4,
        join=str(tmp_path / "t.csv"),
    )
    run_campaign(config, client)
    stock = {line.split(",")[0]: int(line.split(",")[1]) for line in lines}
    table = pq.read_table(tmp_path / "campaign" / "predictions" / "mmff94").to_pylist()
    inside = [row for row in table if row["in_domain"] and row["n_heavy"] <= 7]
    best = sorted(inside, key=lambda row: (-stock[row["inchikey"]], row["mol_id"]))[:5]
    chosen = pq.read_table(tmp_path / "campaign" / "batches" / "gfn2-opt.parquet")
    assert chosen["row"].to_pylist() == [row["row"] for row in best]
    (tmp_path / "t.csv").unlink()  # the campaign has its own copy
    run_campaign(CampaignConfig(out=out), client)
    assert accounts(Folder(out)).is_balanced


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,cost\nEC,1\n", "no column inchikey or smiles; it has name, cost"),
        ("smiles\nCC#N\n", "nothing is to be joined"),
        ("smiles,price\nCC#N,1\n", "column price is one of the library's already"),
        ("smiles,cost\nCC#N,1\nN#CC,2\n", "more than once, such as rows 1, 2"),
        ("inchikey,cost\nXXX,1\n", "none of the 1 rows"),
        ("smiles,gap_gfn2_ev\nCC#N,1\n", "column gap_gfn2_ev is one of the predictions' already"),
        ("smiles,score\nCC#N,1\n", "column score is one of the ranking's already"),
        ("smiles,a<,a>\nCC#N,1,2\n", "several columns that are called 'a_' in the results"),
        ("smiles,rank\tof,\nCC#N,1,2\n", None),
    ],
)
def test_a_table_that_cannot_be_joined_is_told(finished, tmp_path, text, message):
    (tmp_path / "t.csv").write_text(text)
    config = finished.config.with_options(
        library=finished.library, out=str(tmp_path / "campaign"), join=str(tmp_path / "t.csv")
    )
    if message is None:  # names are changed where they would break an SD file
        assert resolve(config)[1].joined.columns == ("rank_of", "unnamed_3")
    else:
        with pytest.raises(ConfigError, match=message):
            resolve(config)
    assert not (tmp_path / "campaign").exists()


def test_an_objective_that_decides_nothing_is_told(finished, tmp_path, caplog):
    caplog.handler.setLevel(logging.NOTSET)
    asked = {"objectives": ["minimise:homo_b3lyp_ev", "minimise:charge:low=-1,high=1"], "top": 3}
    _, ranking = ranked_anew(finished, tmp_path, **asked)
    assert ranking["without_spread"] == ["minimise:charge:low=-1,high=1"]
    assert "decides nothing: all" in caplog.text
    assert "have the same value" in caplog.text


def test_two_campaigns_are_compared(finished, tmp_path):
    other = Folder(str(tmp_path / "other"))
    shutil.copytree(finished.folder, tmp_path / "other")
    before = pq.read_table(finished.folder / "shortlist.parquet").to_pylist()
    same = compare(Folder(str(finished.folder)), other)
    assert (same.settings, same.entered, same.left, same.moved) == ((), (), (), ())
    assert same.n_unmoved == len(before)

    ranking = RankingConfig(objectives=["minimise:n_heavy"], constraints=["n_heavy<=5"], top=3)
    rank_again(other, ranking, command=["screener", "rank"], main=True)
    found = compare(Folder(str(finished.folder)), other)
    after = pq.read_table(tmp_path / "other" / "shortlist.parquet").to_pylist()
    assert any("ranking.objectives" in line for line in found.settings)
    assert {each.mol_id for each in found.left} == (
        {row["mol_id"] for row in before} - {row["mol_id"] for row in after}
    )
    for each in found.left:
        assert each.rank_after is None
        large = Chem.MolFromSmiles(each.smiles).GetNumHeavyAtoms() > 5
        assert each.why.startswith("filtered at" if large else "below the shortlist: rank ")
    back = compare(other, Folder(str(finished.folder)))
    assert [each.mol_id for each in back.left] == [each.mol_id for each in found.entered]
    for each in back.entered:
        assert each.why == {one.mol_id: one.why for one in found.left}[each.mol_id]


def test_provenance_and_log_tell_how_it_came_about(finished):
    told = json.loads((finished.folder / "provenance.json").read_text())
    assert told["sessions"][0]["command"] == ["screener", "screen"]
    assert told["sessions"][0]["finished"] >= told["sessions"][0]["started"]
    assert [stage["left_out"] for stage in told["stages"]] == [
        ["maximise:gap_gfn2_ev:low=2,high=11"],
        [],
    ]
    assert told["versions"]["rdkit"]
    events = events_of(finished.folder)
    by_stage = {"mmff94": Counter(), "gfn2-opt": Counter()}
    for event in events:
        if event["event"] == "units":
            by_stage[event["stage"]].update({"units": event["n_units"], **event["counts"]})
            assert sum(event["hosts"].values()) == event["n_units"] == len(event["units"])
    assert [sums["units"] for sums in by_stage.values()] == list(N_UNITS)
    ends = [event for event in events if event["event"] == "stage finished"]
    assert [each["stage"] for each in ends] == list(by_stage)
    for end in ends:
        assert end["counts"].items() <= by_stage[end["stage"]].items()
    assert sum(ends[0]["quarantine"].values()) == ends[0]["counts"]["quarantined"] == 1


def test_a_finished_campaign_says_so(finished):
    found = status(Folder(str(finished.folder)))
    assert found.is_finished
    assert [(stage.n_units_done, stage.n_rows_done) for stage in found.stages] == [(6, 22), (5, 10)]
    assert sum(found.quarantine["mmff94"].values()) == 1


def test_the_same_call_again_does_nothing_twice(finished, client, monkeypatch):
    before = shortlist(finished.folder)
    receipts = sorted((finished.folder / "receipts").rglob("*.json"))
    times = [path.stat().st_mtime_ns for path in receipts]
    monkeypatch.setattr(stage_run, "run_tasks", None)  # nothing is left to be done
    run_campaign(
        finished.config.with_options(library=finished.library, out=str(finished.folder)),
        client,
    )
    assert shortlist(finished.folder) == before
    assert [path.stat().st_mtime_ns for path in receipts] == times


def test_another_computation_is_refused_and_shown(finished, client):
    before = shortlist(finished.folder)
    other = finished.config.with_options(out=str(finished.folder), finalists=9)
    with pytest.raises(ConfigError, match=r"stage gfn2-opt.rows: 10 in the campaign, 9 now"):
        run_campaign(other, client)
    assert shortlist(finished.folder) == before


def test_other_objectives_rank_the_rows_that_reached_the_last_stage(finished, tmp_path, caplog):
    caplog.handler.setLevel(logging.NOTSET)  # the shared cluster has silenced it
    campaign = tmp_path / "campaign"
    shutil.copytree(finished.folder, campaign)
    asked = CampaignConfig().with_options(objectives=["maximise:gap_gfn2_ev"], top=3).ranking
    ranking = rank_again(Folder(str(campaign)), asked, command=["screener", "rank"], main=True)
    assert "were chosen by other objectives" in caplog.text
    table = pq.read_table(campaign / "shortlist.parquet").to_pandas()
    assert len(table) == 3
    assert table["score"].tolist() == table["gap_gfn2_ev"].tolist()
    stored = pq.read_table(campaign / "predictions" / "gfn2-opt").to_pandas()
    inside = stored[stored["in_domain"]]
    assert table["gap_gfn2_ev"].tolist() == sorted(inside["gap_gfn2_ev"], reverse=True)[:3]
    assert len(list((campaign / "rankings").iterdir())) == 2
    assert accounts(Folder(str(campaign))).is_balanced
    assert ranking.told["chosen_by"]["objectives"][0].startswith("minimise:homo_b3lyp_ev")


def test_objectives_in_another_order_have_chosen_the_same_rows(finished, tmp_path, caplog):
    caplog.handler.setLevel(logging.NOTSET)
    campaign = tmp_path / "campaign"
    shutil.copytree(finished.folder, campaign)
    backwards = CampaignConfig().with_options(
        objectives=[each.text for each in reversed(finished.config.ranking.objectives)],
        constraints=["n_heavy<=7"],
    )
    rank_again(Folder(str(campaign)), backwards.ranking, command=[])
    assert "chosen by other objectives" not in caplog.text


def test_where_every_candidate_went_on_nothing_is_missing(finished, client, tmp_path, caplog):
    caplog.handler.setLevel(logging.NOTSET)
    campaign = tmp_path / "campaign"
    everybody = finished.config.with_options(
        library=finished.library, out=str(campaign), finalists=22
    )
    run_campaign(everybody, client)
    folder = Folder(str(campaign))
    assert accounts(folder).stages[0].not_selected == 0
    same_rows = CampaignConfig().with_options(
        objectives=["maximise:gap_gfn2_ev", "minimise:price:low=0,high=9"],
        constraints=["n_heavy<=7"],
    )
    rank_again(folder, same_rows.ranking, command=[])
    assert "chosen by other objectives" not in caplog.text
    # two molecules have no price, and larger ones were filtered: these objectives may want them
    wider = CampaignConfig().with_options(objectives=["maximise:gap_gfn2_ev"])
    rank_again(folder, wider.ranking, command=[])
    assert "chosen by other objectives" in caplog.text


def test_a_model_that_predicts_otherwise_here_ends_the_campaign(
    small_library, tiny_bundles, client, tmp_path
):
    bundle = Path(shutil.copytree(tiny_bundles.direct, tmp_path / "bundle"))
    card = json.loads((bundle / CARD).read_text())
    card["golden"][0]["homo_b3lyp_ev"] += 0.1
    (bundle / CARD).write_text(json.dumps(card))
    config = CampaignConfig().with_options(
        library=small_library.folder.url, out=str(tmp_path / "campaign"),
        stages=[str(bundle)], objectives=["minimise:homo_b3lyp_ev"], top=3,
    )  # fmt: skip
    with pytest.raises(SchemaError, match="golden predictions here: homo_b3lyp_ev of molecule 0"):
        run_campaign(config, client)
    account = accounts(Folder(str(tmp_path / "campaign"))).stages[0]
    assert account.not_done == account.n_in


def test_receipts_and_predictions_rank_alike(finished, tmp_path):
    """Merging what tasks told of their best gives what judging every stored row again gives."""
    campaign = tmp_path / "campaign"
    shutil.copytree(finished.folder, campaign)
    shutil.rmtree(campaign / "rankings")
    for path in (campaign / "receipts" / "gfn2-opt").iterdir():
        receipt = json.loads(path.read_text())
        receipt["details"]["top"] = {"k": 1, "scores": [], "mol_ids": [], "rows": []}
        path.write_text(json.dumps(receipt))
    rank_again(Folder(str(campaign)), CampaignConfig().ranking, command=[])
    assert shortlist(campaign) == shortlist(finished.folder)


def test_an_unfinished_campaign_is_not_ranked(finished, tmp_path):
    campaign = tmp_path / "campaign"
    shutil.copytree(finished.folder, campaign)
    next((campaign / "receipts" / "gfn2-opt").iterdir()).unlink()
    asked = CampaignConfig().with_options(top=2).ranking
    with pytest.raises(ConfigError, match=r"stage gfn2-opt of .* is not finished"):
        rank_again(Folder(str(campaign)), asked, command=[])
    assert accounts(Folder(str(campaign))).is_balanced
    assert status(Folder(str(campaign))).is_finished is False
    next((campaign / "receipts" / "mmff94").iterdir()).unlink()  # where it has come to
    with pytest.raises(ConfigError, match=r"stage mmff94 of .* is not finished"):
        rank_again(Folder(str(campaign)), asked, command=[])


class Backwards(StagePlan):
    """The same units, the last one first."""

    def units(self, indices=None):
        return map(self.unit, reversed(indices or range(self.n_units)))


def test_one_worker_and_another_order_give_the_same_bytes(finished, tmp_path, monkeypatch):
    forwards = CampaignStage.plan

    def backwards(stage):
        plan = forwards.fget(stage)
        return Backwards(plan.stage_digest, plan.batches, plan.unit_rows, plan.segment_units)

    monkeypatch.setattr(CampaignStage, "plan", property(backwards))
    library = finished.copy_of_library(tmp_path / "library")
    with connect(LocalSettings(workers=1)) as client:
        run_campaign(
            finished.config.with_options(library=library, out=str(tmp_path / "campaign")), client
        )
    assert shortlist(tmp_path / "campaign") == shortlist(finished.folder)
    order, there = (
        [unit for event in events_of(folder) for unit in event.get("units", ())]
        for folder in (tmp_path / "campaign", finished.folder)
    )
    assert sorted(order) == sorted(there)
    assert order[0] != there[0]


@pytest.mark.slow
def test_killed_and_resumed_gives_the_same_bytes(finished, client, tmp_path):
    """A client with two workers is killed in the midst of the second stage."""
    library = finished.copy_of_library(tmp_path / "library")
    campaign = tmp_path / "campaign"
    file = tmp_path / "campaign.toml"
    file.write_text(to_toml(finished.config.model_dump(mode="json")))
    command = [sys.executable, "-m", "screener", "screen", library]
    command += ["--out", str(campaign), "--config", str(file), "--workers", "2"]
    with forked.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        deadline = time.monotonic() + 240
        while not list((campaign / "receipts" / "gfn2-opt").glob("*.json")):
            assert time.monotonic() < deadline
            assert process.poll() is None, process.stdout.read().decode()
            time.sleep(0.02)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
    assert not (campaign / "shortlist.parquet").exists()
    found = accounts(Folder(str(campaign)))
    assert found.is_balanced
    assert found.stages[1].not_done > 0
    times = mtimes(campaign / "receipts")
    run_campaign(finished.config.with_options(library=library, out=str(campaign)), client)
    assert shortlist(campaign) == shortlist(finished.folder)
    assert times.items() <= mtimes(campaign / "receipts").items()  # nothing was done twice


def test_what_an_attempt_left_without_a_receipt_is_done_again(finished, client, tmp_path):
    library = finished.copy_of_library(tmp_path / "library")
    campaign = tmp_path / "campaign"
    shutil.copytree(finished.folder, campaign)
    for name in ("receipts/gfn2-opt", "batches", "rankings"):
        shutil.rmtree(campaign / name)
    for name in (*SHORTLIST, "provenance.json", "report.html"):
        (campaign / name).unlink(missing_ok=True)
    for path in sorted((campaign / "receipts" / "mmff94").iterdir())[::2]:
        path.unlink()
    (campaign / "predictions" / "mmff94" / "lost.00000000.parquet").write_bytes(b"half")
    times = mtimes(campaign / "receipts")
    assert accounts(Folder(str(campaign))).is_balanced
    run_campaign(finished.config.with_options(library=library, out=str(campaign)), client)
    assert shortlist(campaign) == shortlist(finished.folder)
    assert times.items() <= mtimes(campaign / "receipts").items()
    receipts = [json.loads(path.read_text()) for path in (campaign / "receipts").rglob("*.json")]
    stored = [
        str(path.relative_to(campaign))
        for kind in ("predictions", "quarantine")
        for path in (campaign / kind).rglob("*.parquet")
    ]
    assert sorted(stored) == sorted(path for receipt in receipts for path in receipt["files"])


@pytest.mark.slow
def test_pools_of_cpu_and_gpu_workers_share_the_work(finished, tmp_path, monkeypatch):
    """Where workers declare `GPU`, structures and predictions are tasks of their own."""
    tasks = []

    def watched(client, stream):
        for completed in run_tasks(client, stream):
            tasks.append((completed.task.name.split("-")[0], completed.task.resource))
            yield completed

    monkeypatch.setattr(stage_run, "run_tasks", watched)
    library = finished.copy_of_library(tmp_path / "library")
    workers = {
        name: {
            "cls": Worker,
            "options": {"nthreads": 1, "resources": {name: 1}, "dashboard_address": None},
        }
        for name in ("CPU", "GPU")
    }
    options = {"dashboard_address": "127.0.0.1:0", "host": "127.0.0.1", "port": 0}
    scheduler = {"cls": Scheduler, "options": options}
    with SpecCluster(workers, scheduler) as cluster, Client(cluster) as client:
        config = finished.config.with_options(library=library, out=str(tmp_path / "campaign"))
        run_campaign(config, client)
    assert sorted(tasks) == sorted([("structures", "CPU"), ("predictions", "GPU")] * sum(N_UNITS))
    assert shortlist(tmp_path / "campaign") == shortlist(finished.folder)


def mtimes(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*.json")}


def test_reselect_chooses_anew_and_makes_no_structure_twice(finished, client, tmp_path):
    before = open_setup(Folder(str(finished.folder)))
    config = CampaignConfig().with_options(
        out=str(tmp_path / "again"),
        reselect=str(finished.folder),
        objectives=["minimise:dipole_b3lyp_debye"],
    )
    folder, _ = run_campaign(config, client)
    setup = open_setup(folder)
    assert setup.stages == before.stages
    assert setup.own_columns == before.own_columns
    assert setup.acquisition.objectives != before.acquisition.objectives
    structures = {
        stage.name: sum(
            receipt.details["made"]
            for receipt in CampaignStage(Campaign(folder, setup), index).store.receipts.all()
        )
        for index, stage in enumerate(setup.stages)
    }
    assert structures["mmff94"] == 0
    best = pq.read_table(folder.local_path() / "shortlist.parquet")["dipole_b3lyp_debye"]
    assert best.to_pylist() == sorted(best.to_pylist())


def test_reselect_needs_a_campaign(tmp_path):
    config = CampaignConfig().with_options(out=str(tmp_path / "a"), reselect=str(tmp_path / "b"))
    with pytest.raises(ConfigError, match="holds no campaign"):
        resolve(config)
