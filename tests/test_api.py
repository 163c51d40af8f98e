"""Screener from Python: cheap to import, thin over the same functions, at home in a notebook."""

import shutil
import subprocess
import sys
from types import SimpleNamespace

import pandas as pd
import pytest
from IPython.core.interactiveshell import InteractiveShell

import screener
from screener.api import Campaign, Library, load_model
from screener.errors import ConfigError, Interrupted, StoreError

HEAVY = ("torch", "rdkit", "distributed", "pandas", "numpy", "pyarrow", "zarr")


def test_importing_screener_loads_nothing():
    script = f"import sys, screener; print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
    assert {"Library", "Campaign", "load_model"} <= set(dir(screener))
    assert screener.Campaign is Campaign
    with pytest.raises(AttributeError, match="no attribute 'Screen'"):
        _ = screener.Screen


@pytest.fixture(scope="module")
def campaign(finished) -> Campaign:
    return Campaign(finished.library, finished.folder)


def test_a_library_is_built_and_opened(client, tmp_path):
    (tmp_path / "input.smi").write_text("CC#N acetonitrile\nCOC=O\nno molecule\nN#CC again\n")
    built = Library.build(tmp_path / "input.smi", tmp_path / "library", client=client)
    opened = Library.open(tmp_path / "library")
    assert len(built) == len(opened) == 2
    assert opened.manifest.totals.quarantined == opened.manifest.totals.duplicates == 1
    assert opened.rows()["source_id"].iloc[0] == "acetonitrile"
    assert opened.rows(1, 2)["smiles"].tolist() == ["COC=O"]
    assert "2 molecules" in repr(opened)
    assert "4 read" in opened._repr_html_()
    with pytest.raises(StoreError, match="holds no finished library"):
        Library.open(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match=r"open a library with Library\.open\("):
        Library("library")


def test_columns_of_a_table_are_named(client, tmp_path):
    (tmp_path / "input.csv").write_text("smiles,structure,cas\nC,CC#N,75-05-8\n")
    built = Library.build(
        tmp_path / "input.csv",
        tmp_path / "library",
        client=client,
        smiles_column="structure",
        id_column="cas",
    )
    assert built.rows()[["smiles", "source_id"]].to_numpy().tolist() == [["CC#N", "75-05-8"]]


def test_a_finished_campaign_answers(campaign, finished):
    shortlist = campaign.shortlist()
    assert shortlist["rank"].tolist() == [1, 2, 3, 4]
    assert campaign.status().is_finished
    accounts = campaign.accounts()
    assert accounts["rows"].sum() == 22
    assert accounts.set_index("state").loc["shortlisted", "rows"] == 4
    assert str(finished.folder) in repr(campaign)


def test_what_was_set_aside_is_asked_for(campaign, finished):
    of_library = Library.open(finished.library).quarantine()
    assert of_library.reader().read_all()["source_id"].to_pylist() == ["nonsense"]
    assert campaign.quarantine().counts.items() >= of_library.counts.items()


def test_a_shortlist_that_is_not_there_yet_is_told_in_words(campaign, finished, tmp_path):
    with pytest.raises(ConfigError, match="is not a campaign"):
        Campaign(finished.library, tmp_path / "new").shortlist()
    shutil.copytree(finished.folder, tmp_path / "begun")
    begun = Campaign(finished.library, tmp_path / "begun")
    for name in ("shortlist.parquet", "provenance.json"):
        (tmp_path / "begun" / name).unlink()
    with pytest.raises(ConfigError, match="all stages are done, and they are not ranked"):
        begun.shortlist()
    for path in sorted((tmp_path / "begun" / "receipts" / "gfn2-opt").glob("*.json"))[:2]:
        path.unlink()
    with pytest.raises(
        ConfigError,
        match=r"has no shortlist yet: stage gfn2-opt has 6 of 10 rows done; resume it with "
        r"`screener screen`, or with `Campaign.run` in Python",
    ):
        begun.shortlist()


def test_an_interrupt_is_one_line_in_a_notebook(campaign, client, monkeypatch):
    def interrupt(*_arguments, **_named):
        raise KeyboardInterrupt

    monkeypatch.setattr("screener.api.campaign.run_campaign", interrupt)
    with pytest.raises(Interrupted) as ended:
        campaign.run(client)
    assert isinstance(ended.value, KeyboardInterrupt)
    shell = InteractiveShell()
    lines: list[str] = []
    monkeypatch.setattr(shell, "_showtraceback", lambda _kind, _error, text: lines.extend(text))
    shell.showtraceback((Interrupted, ended.value, ended.tb))
    assert lines == ["interrupted; the same call goes on where this one was"]
    monkeypatch.setattr("screener.api.library.build_library", interrupt)
    with pytest.raises(Interrupted, match="the same call goes on"):
        Library.build("input.smi", "library", client=client)


def test_rankings_have_names(finished, tmp_path):
    shutil.copytree(finished.folder, tmp_path / "campaign")
    campaign = Campaign(finished.library, tmp_path / "campaign")
    before = campaign.shortlist()
    small = campaign.rank(name="small", objectives=["minimise:n_heavy"], top=2)
    assert len(small) == 2
    assert small.attrs["score"] == "minus value"
    pd.testing.assert_frame_equal(campaign.shortlist(), before)
    pd.testing.assert_frame_equal(campaign.shortlist("small"), small)
    listed = campaign.rankings()
    assert listed["name"].tolist() == ["minimise-homo_b3lyp_ev-and-2-more", "small"]
    assert listed["main"].tolist() == [True, False]
    assert (tmp_path / "campaign" / "rankings" / "small" / "report.html").exists()
    pd.testing.assert_frame_equal(campaign.rank(name="small", main=True), small)
    pd.testing.assert_frame_equal(campaign.shortlist(), small)
    with pytest.raises(ConfigError, match="did you mean small"):
        campaign.shortlist("smal")


def test_it_shows_itself_in_a_notebook(campaign):
    shown = campaign._repr_html_()
    assert "gfn2-opt" in shown
    assert campaign.shortlist()["smiles"].iloc[0] in shown


def test_running_a_finished_campaign_changes_nothing_but_writes_the_report(
    campaign, client, finished
):
    before = campaign.shortlist()
    again = Campaign(Library.open(finished.library), finished.folder, config=finished.config).run(
        client
    )
    pd.testing.assert_frame_equal(again.shortlist(), before)
    assert (finished.folder / "report.html").stat().st_size > 1000


def test_a_campaign_is_asked_for_in_words_or_by_a_file(tmp_path):
    file = tmp_path / "campaign.toml"
    file.write_text('finalists = 7\n[ranking]\nobjectives = ["maximise:lumo_b3lyp_ev"]\n')
    campaign = Campaign("library", tmp_path / "out", config=file, top=2, stages=["mmff94"])
    assert campaign.config.finalists == 7
    assert campaign.config.ranking.top == 2
    assert campaign.config.ranking.objectives[0].column == "lumo_b3lyp_ev"
    assert "not started" in campaign._repr_html_()
    with pytest.raises(ConfigError, match="is not a campaign"):
        campaign.status()
    with pytest.raises(ConfigError, match="give the campaign's folder"):
        Campaign("library")
    with pytest.raises(ConfigError, match="top"):
        Campaign("library", tmp_path, top=0)


def test_text_of_the_input_is_escaped():
    totals = SimpleNamespace(read=1, kept=1, duplicates=0, quarantined=0)
    frame = pd.DataFrame({"source_id": ["<script>"]})
    store = SimpleNamespace(
        folder=SimpleNamespace(url="<b>"),
        manifest=SimpleNamespace(totals=totals),
        n_rows=1,
        read_range=lambda *_: SimpleNamespace(to_pandas=lambda: frame),
    )
    shown = Library(store)._repr_html_()
    assert "<script>" not in shown
    assert "&lt;b&gt;" in shown


def test_a_model_is_loaded_by_its_path(tiny_bundles):
    model = load_model(tiny_bundles.direct)
    assert model.predict("COC=O")["gap_b3lyp_ev"].notna().all()
    assert "mmff94" in repr(model)
    with pytest.raises(ConfigError, match="there is no bundle nothing"):
        load_model("nothing")
