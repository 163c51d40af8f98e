"""Campaigns whose first stage evaluates a part of the library, searched for batch by batch."""

import itertools
import json
import logging
import shutil
from types import SimpleNamespace

import numpy as np
import pyarrow.parquet as pq
import pytest
from explained import explain
from rdkit import Chem

from screener.campaign.driver import candidates
from screener.campaign.driver.run import run_campaign
from screener.campaign.results.accounts import accounts
from screener.campaign.results.rank import rank_again
from screener.campaign.results.status import status
from screener.campaign.settings.config import CampaignConfig, FunnelConfig
from screener.campaign.settings.frozen import open_setup
from screener.campaign.settings.resolve import resolve
from screener.campaign.settings.stage import Campaign
from screener.campaign.tasks import fitting
from screener.campaign.tasks.searching import SearchJob
from screener.chemistry.coordination import coordinations, drawn_coordinations
from screener.chemistry.standardise import StandardiseSettings
from screener.chemistry.structures import StructureSettings, make_structure
from screener.errors import ConfigError
from screener.execution.threads import one_thread
from screener.funnel import surrogate
from screener.funnel.acquisition import Chooser, acquisition_values, origin_of
from screener.funnel.draws import keys
from screener.funnel.features import bits_of
from screener.funnel.prediction import Scorer
from screener.funnel.projection import Projection
from screener.funnel.recall import Audit, draw_audit
from screener.funnel.scoring import TableScorer, learnt
from screener.funnel.search import Search
from screener.funnel.settings import AcquisitionSettings, SurrogateSettings
from screener.funnel.surrogate import fit_surrogate
from screener.library_build.build import build_library
from screener.report.collect import write_report
from screener.stores.files import Folder

HEADS = ("C", "CC", "CCC", "C(C)(C)", "N#CC", "COC", "CC(=O)C", "FC", "CS")
MIDDLES = ("OC(=O)O", "C(=O)O", "O", "OCCO", "C(=O)N(C)", "C(C#N)")
TAILS = ("C", "CC", "C(C)C", "CC#N", "CCOC", "C1CC1", "C1CCCC1", "C[N+](=O)[O-]")
BUDGET, TOP, FINALISTS = 120, 5, 8
AUDIT = 4  # of the finalists
SHORTLIST = ("shortlist.parquet", "shortlist.csv", "shortlist.sdf")


@pytest.fixture(scope="module")
def searched(client, tmp_path_factory) -> SimpleNamespace:
    """A campaign with a search, and one that evaluates every row of the same library."""
    folder = tmp_path_factory.mktemp("searched")
    drawn = sorted({"".join(parts) for parts in itertools.product(HEADS, MIDDLES, TAILS)})
    (folder / "input.smi").write_text("\n".join(drawn) + "\n")
    library = str(folder / "library")
    build_library([str(folder / "input.smi")], library, StandardiseSettings(), client)
    everything = CampaignConfig().with_options(
        library=library,
        stages=["mmff94"],
        objectives=[
            "maximise:lumo_b3lyp_ev:low=-2,high=2",
            "minimise:homo_b3lyp_ev:low=-10,high=-5",
        ],
        constraints=["n_heavy>=4", "dipole_b3lyp_debye>=2.5", "alerts<=2"],
        top=TOP,
    )
    config = everything.with_options(
        stages=["mmff94", "gfn2-opt"],
        finalists=FINALISTS,
        budget=BUDGET,
    )
    config = config.model_copy(update={"funnel": FunnelConfig(budget=BUDGET, batches=3)})
    progress = []
    run_campaign(everything.with_options(out=str(folder / "all")), client)
    with pytest.MonkeyPatch.context() as patch:
        # two parts; whoever resumes it has one, and chooses the same
        patch.setattr(candidates, "PART_ROWS", 256)
        run_campaign(
            config.with_options(out=str(folder / "part")), client, progress=progress.append
        )
    return SimpleNamespace(
        folder=folder / "part",
        all=folder / "all",
        library=library,
        config=config.with_options(out=str(folder / "part")),
        progress=progress,
    )


def batches_of(folder) -> list[dict]:
    paths = sorted((folder / "batches" / "mmff94").glob("*.parquet"))
    return [pq.read_table(path).to_pydict() for path in paths]


def test_a_search_evaluates_its_budget_and_finds_most_of_the_best(searched):
    batches = batches_of(searched.folder)
    rows = [row for batch in batches for row in batch["row"]]
    assert [len(batch["row"]) for batch in batches] == [24, 24, 24, 24, 24]
    assert len(set(rows)) == BUDGET
    evaluated = pq.read_table(searched.folder / "predictions" / "mmff94")["row"].to_pylist()
    assert set(evaluated) <= set(rows)
    truth = pq.read_table(searched.all / "predictions" / "mmff94").to_pandas()
    best = pq.read_table(searched.all / "shortlist.parquet")["row"].to_pylist()
    assert len(truth) > 3 * BUDGET
    assert len(set(best) & set(rows)) >= TOP - 1
    first, second = json.loads((searched.folder / "recall.json").read_text())
    assert (first["stage"], first["top_n"], first["n_audit"]) == ("mmff94", FINALISTS, 24)
    assert 0.0 <= first["low"] <= first["recall"] <= first["high"] <= 1.0
    assert (second["stage"], second["top_n"], second["n_audit"]) == ("gfn2-opt", TOP, AUDIT)
    assert second["n_rows"] == FINALISTS + AUDIT
    assert status(Folder(str(searched.folder))).recall == (first, second)


class Held:
    """The same candidates held in memory, with the values of the campaign that evaluated all."""

    def __init__(self, searched: SimpleNamespace) -> None:
        setup = open_setup(Folder(str(searched.folder)))
        drawings = pq.read_table(searched.folder / "predictions" / "2d").sort_by("row")
        allowed = [
            row["in_domain"] and row["n_heavy"] >= 4 and row["alerts"] <= 2
            for row in drawings.to_pylist()
        ]
        self.known = drawings.filter(allowed)
        self.rows = self.known["row"].to_numpy()
        self.settings, self.acquisition = setup.funnel, setup.acquisition
        truth = pq.read_table(searched.all / "predictions" / "mmff94")
        names = learnt(setup.acquisition, truth.column_names, ())
        assert names == ("lumo_b3lyp_ev", "homo_b3lyp_ev", "dipole_b3lyp_debye")
        self.quantities = names
        self.truth = np.full((len(self.rows), 3), np.nan)
        for row in truth.to_pylist():
            if row["in_domain"] and row["row"] in self.rows:
                place = np.searchsorted(self.rows, row["row"])
                self.truth[place] = [row[name] for name in names]
        bits = bits_of(self.known["smiles"].to_pylist())
        sample = np.searchsorted(self.rows, np.sort(self.draw(8000)))
        self.points = Projection.of(bits.take(sample), 384, 0)(bits)
        self.batches: list[np.ndarray] = []

    def at(self, rows: np.ndarray) -> np.ndarray:
        return np.searchsorted(self.rows, rows)

    def scorer(self, places: np.ndarray) -> Scorer:
        return TableScorer(self.known.take(places), self.quantities, self.acquisition).scorer

    def scores(self, rows: np.ndarray) -> np.ndarray:
        places = self.at(rows)
        values = self.truth[places]
        return np.where(values[:, 2] >= 2.5, self.scorer(places).score(values), np.nan)

    def draw(self, n: int) -> np.ndarray:
        return self.rows[np.argsort(keys(self.rows, 0, 0), kind="stable")[:n]]

    def fit(self, number: int) -> None:
        self.places = np.concatenate([self.at(np.sort(batch)) for batch in self.batches])
        values = self.truth[self.places]
        scores = self.scorer(self.places).score(values)
        self.origin = origin_of(scores[: len(self.batches[0])])
        self.surrogate = fit_surrogate(
            self.points[self.places], values, scores, SurrogateSettings(), 0
        )

    def _values(self, number: int, taken: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        left = np.setdiff1d(self.rows, taken)
        found = self.surrogate.predict(self.points[self.at(left)])
        settings = AcquisitionSettings()
        values = acquisition_values(
            found, self.scorer(self.at(left)), left, settings, 0, number, self.origin
        )
        return left, values

    def choose(self, number: int, taken: np.ndarray, size: int) -> np.ndarray:
        left, values = self._values(number, taken)
        chooser = Chooser(size, 0.05, 0, number)
        chooser.add(values, self.known.take(self.at(left))["mol_id"].to_pylist(), left)
        return chooser.rows()

    def gain(self, number: int, rows: np.ndarray, threshold: float) -> float:
        raise AssertionError("the whole budget is spent")

    def audit(self, number: int, taken: np.ndarray, n: int, purpose: int) -> Audit:
        rows, values = self._values(number, taken)
        return draw_audit(values, rows, keys(rows, 0, purpose), n)


def test_a_campaign_chooses_what_a_search_in_memory_chooses(searched):
    held = Held(searched)
    assert len(held.rows) < 300  # others are no candidates
    search = Search(held, held.settings, len(held.rows))
    for written in batches_of(searched.folder):
        batch = search.ask()
        assert batch.rows.tolist() == written["row"]
        held.batches.append(batch.rows)
        search.tell(batch, held.scores(batch.rows))
    assert search.ask() is None
    told = json.loads((searched.folder / "recall.json").read_text())[0]
    said = search.recall()
    assert (told["recall"], told["low"], told["high"]) == (said.recall, said.low, said.high)


def test_a_fit_in_parts_is_the_fit_in_memory(searched, tmp_path, monkeypatch):
    """Results gathered by seven rows, moments of forty: the same bytes as in one place."""
    one_thread()  # as workers: the last digits of the directions depend on how many
    shutil.copytree(searched.folder, tmp_path / "part")
    shutil.rmtree(tmp_path / "part" / "funnel")
    folder = Folder(str(tmp_path / "part"))
    monkeypatch.setattr(fitting, "RESULT_ROWS", 7)
    for module in (fitting, surrogate):
        monkeypatch.setattr(
            module, "parts_of", lambda n: [slice(i, min(i + 40, n)) for i in range(0, n, 40)]
        )
    setup = open_setup(folder)
    job, number = SearchJob(folder.url, setup.compute_digest), 3
    held = Held(searched)
    projection = fitting.project(job, held.draw(8000))
    for batch, written in enumerate(batches_of(searched.folder)[:number]):
        rows = np.array(written["row"])
        held.batches.append(rows)
        for part in range(fitting.n_parts(len(rows))):
            fitting.gather(job, batch, part)
        assert np.array_equal(
            fitting.scores_of_batch(folder, batch, rows), held.scores(rows), equal_nan=True
        )
    basis = fitting.fit_basis(job, number, projection)
    sums = [fitting.fit_moments(job, number, projection, basis, part) for part in range(2)]
    checksum = fitting.fit_solution(job, number, basis, sums)
    found, origin = fitting.surrogate_of(job, fitting.Fitted(number, checksum, projection))
    held.fit(number)
    assert origin == held.origin
    assert found.scale == held.surrogate.scale
    for name in ("inducing", "weights", "centre", "std"):
        assert np.array_equal(getattr(found, name), getattr(held.surrogate, name)), name


def test_values_that_are_lost_are_made_again(searched, client, tmp_path, monkeypatch):
    """The files that lie between rating and choosing are gone when a batch is chosen."""
    shutil.copytree(searched.folder, tmp_path / "part")
    folder = tmp_path / "part"
    written = batches_of(folder)
    for name in ("mmff94/00002.parquet", "mmff94/00003.parquet", "mmff94/00004.parquet"):
        (folder / "batches" / name).unlink()
    stage = Campaign.open(Folder(str(folder))).searched
    rated = candidates.CampaignCandidates._rated

    def lost(self, number, parts, *, is_audit):
        answers = rated(self, number, parts, is_audit=is_audit)
        shutil.rmtree(folder / "funnel" / f"values-{number:05d}")
        return answers

    monkeypatch.setattr(candidates.CampaignCandidates, "_rated", lost)
    held = Held(searched)
    chosen = candidates.CampaignCandidates(stage, client, len(held.rows))
    for number in range(2):
        chosen.scores(number, np.array(written[number]["row"]))
    chosen.fit(2)
    taken = np.sort(np.concatenate([each["row"] for each in written[:2]]))
    assert chosen.choose(2, taken, 24).tolist() == written[2]["row"]
    assert not list((folder / "funnel").glob("values-*"))
    assert not list((folder / "funnel").glob("fit-*"))


def test_every_row_is_accounted_for_and_explained(searched):
    folder = Folder(str(searched.folder))
    found = accounts(folder)
    assert found.is_balanced
    drawings, direct, delta = found.stages
    assert drawings.passed == direct.n_in == BUDGET
    assert drawings.not_selected > BUDGET
    assert drawings.out_of_domain > 30  # with sulfur or fluorine
    assert direct.passed == delta.n_in == FINALISTS + AUDIT
    assert found.final["shortlisted"] == TOP
    told = status(folder)
    assert told.is_finished
    assert [stage.n_rows_done for stage in told.stages] == [
        drawings.n_in,
        BUDGET,
        FINALISTS + AUDIT,
    ]
    evaluated = {row for batch in batches_of(searched.folder) for row in batch["row"]}
    for row in pq.read_table(searched.folder / "predictions" / "2d").to_pylist():
        if row["row"] not in evaluated and row["in_domain"] and row["n_heavy"] >= 4:
            said = dict(explain(folder, row["mol_id"]))
            assert said["ended"] in ("not selected at 2d", "filtered at 2d: alerts<=2")
            break
    sulfur = next(
        row
        for row in pq.read_table(searched.folder / "predictions" / "2d").to_pylist()
        if "S" in row["smiles"]
    )
    assert (
        "has sulfur, which the model never saw" in dict(explain(folder, sulfur["mol_id"]))["ended"]
    )


@pytest.mark.parametrize(
    "n_kept", [2, *(pytest.param(each, marks=pytest.mark.soak) for each in (0, 4))]
)
def test_a_search_that_was_cut_off_goes_on_to_the_same_bytes(searched, client, tmp_path, n_kept):
    folder = tmp_path / "part"
    shutil.copytree(searched.folder, folder)
    kept = {row for batch in batches_of(folder)[:n_kept] for row in batch["row"]}
    for number, path in enumerate(sorted((folder / "batches" / "mmff94").glob("*.parquet"))):
        if number >= n_kept:
            path.unlink()
    (folder / "batches" / "gfn2-opt.parquet").unlink()
    for path in (folder / "receipts" / "mmff94").glob("*.json"):
        files = json.loads(path.read_text())["files"]
        rows = {
            row
            for name in files
            if name.startswith("predictions")
            for row in pq.read_table(folder / name)["row"].to_pylist()
        }
        # the last batch that is kept was cut off in the middle
        if not rows <= kept or (n_kept and min(rows) < 60):
            path.unlink()
    for name in ("rankings", "funnel", "receipts/gfn2-opt"):
        shutil.rmtree(folder / name)
    for name in (*SHORTLIST, "recall.json"):
        (folder / name).unlink()
    run_campaign(searched.config.with_options(out=str(folder)), client)
    for name in (*SHORTLIST, "recall.json"):
        assert (folder / name).read_bytes() == (searched.folder / name).read_bytes(), name
    assert batches_of(folder) == batches_of(searched.folder)


def test_the_report_tells_the_recall(searched):
    write_report(Folder(str(searched.folder)))
    text = (searched.folder / "report.html").read_text()
    assert f"of the best {FINALISTS} of the library are among the {BUDGET} evaluated" in text
    assert f"of the best {TOP} of what stage mmff94 evaluated are among" in text
    assert "work at 2d" in text


def test_nobody_to_search_among_says_which_rule_is_why(searched, client, tmp_path):
    config = searched.config.with_options(out=str(tmp_path / "new"), constraints=["n_heavy>=30"])
    with pytest.raises(ConfigError, match=r"no molecule is left to search among: n_heavy>=30"):
        run_campaign(config, client)
    assert accounts(Folder(str(tmp_path / "new"))).is_balanced


def test_the_recall_is_for_the_objectives_that_chose(searched, tmp_path, caplog):
    caplog.handler.setLevel(logging.NOTSET)
    folder = tmp_path / "part"
    shutil.copytree(searched.folder, folder)
    asked = CampaignConfig().with_options(objectives=["maximise:dipole_b3lyp_debye"], top=3)
    rank_again(Folder(str(folder)), asked.ranking, command=[])
    assert "the recall that was estimated does not apply" in caplog.text


def test_what_cannot_be_searched_is_refused_before_anything_is_written(searched, tmp_path, caplog):
    caplog.handler.setLevel(logging.NOTSET)
    new = searched.config.with_options(out=str(tmp_path / "new"))

    def refused(match: str, **changes) -> None:
        with pytest.raises(ConfigError, match=match):
            resolve(new.model_copy(update=changes))

    refused("budget of 3 molecules is too small", funnel=FunnelConfig(budget=3))
    refused(
        "budget of 20 molecules is too small: 16 of them",
        funnel=FunnelConfig(budget=20, batches=2),
        finalists=17,
    )
    refused("no budget, and batches", funnel=FunnelConfig(batches=2))
    refused("rule", funnel=FunnelConfig(budget=100, rule="best"))
    refused("initial_fraction", funnel=FunnelConfig(budget=100, initial_fraction=1.5))
    known = new.ranking.model_copy(
        update={"objectives": tuple(CampaignConfig().with_options(
            objectives=["minimise:n_heavy"]).ranking.objectives), "constraints": ()}
    )  # fmt: skip
    refused("n_heavy is known of every molecule beforehand", ranking=known)
    with pytest.raises(ConfigError, match=r"funnel.budget: 120 in the campaign, 130 now"):
        resolve(searched.config.with_options(budget=130))
    assert not (tmp_path / "new").exists()
    _, setup = resolve(new.with_options(budget=10_000))
    assert setup.funnel is None
    assert [stage.name for stage in setup.stages] == ["mmff94", "gfn2-opt"]
    assert "covers all" in caplog.text


def test_drawings_and_structures_agree_on_what_is_bonded_to_what():
    for smiles in ("CC(=O)OC", "C[N+](=O)[O-]", "N#CC1CC1", "OCC(F)(F)F", "c1ccncc1", "C=CC=O"):
        structure = make_structure(smiles, "0" * 32, StructureSettings())
        assert drawn_coordinations(Chem.MolFromSmiles(smiles)) == set(coordinations(structure))
        with_hydrogens = Chem.AddHs(Chem.MolFromSmiles(smiles))
        assert drawn_coordinations(with_hydrogens) == set(coordinations(structure))
