"""What is chosen part by part, with floors, is what is chosen of everything in memory."""

from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest

from screener.campaign.driver.candidates import CampaignCandidates
from screener.campaign.tasks import fitting, rating
from screener.campaign.tasks.fitting import Fitted
from screener.campaign.tasks.rating import Part
from screener.errors import ConfigError
from screener.funnel.acquisition import Chooser
from screener.funnel.draws import keys
from screener.funnel.recall import draw_audit
from screener.funnel.search import FIRST
from screener.funnel.settings import AcquisitionSettings, SearchSettings
from screener.stores.files import Folder

SEED, UNIT, UNITS_EACH, N_ROWS = 3, 40, 4, 5_000
PURPOSE = 11


class Parts(CampaignCandidates):
    """Candidates whose values are given; tasks run here, one after the other."""

    def __init__(self, values: np.ndarray, exploration: float, folder: str) -> None:
        self.values = values  # NaN for rows that cannot be chosen
        self.rows = np.flatnonzero(np.isfinite(values))
        self.mol_ids = np.array([f"{row * 7919 % N_ROWS:08d}" for row in range(N_ROWS)])
        self._settings = SearchSettings(
            budget=100,
            top_n=5,
            seed=SEED,
            acquisition=AcquisitionSettings(exploration=exploration),
        )
        self._stage = SimpleNamespace(folder=Folder(folder))
        self._job, self._fitted = None, Fitted(2, "", "")
        self._n_candidates = len(self.rows)
        n_units = -(-N_ROWS // UNIT)
        self._parts = [
            range(start, min(start + UNITS_EACH, n_units))
            for start in range(0, n_units, UNITS_EACH)
        ]
        self._rows_each = UNIT * UNITS_EACH
        self.n_sent = 0

    def units(self, part: range) -> list[SimpleNamespace]:
        return [
            SimpleNamespace(rows=np.arange(index * UNIT, min((index + 1) * UNIT, N_ROWS)))
            for index in part
        ]

    def candidates(self, units, *, only_rows=False):
        for unit in units:
            rows = unit.rows[np.isfinite(self.values[unit.rows])]
            yield unit, pa.table({"row": rows, "mol_id": self.mol_ids[rows]})

    def kept(self, job, fitted, part: Part, checksum="", *, is_audit: bool):
        rows = np.concatenate([unit.rows for unit in self.units(part.units)])
        rows = rows[np.isfinite(self.values[rows])]
        rows = rows[~np.isin(rows, part.taken)]
        order = np.lexsort((rows, -self.values[rows]))
        return rating._Values(rows[order], self.values[rows][order])

    def rated(self, job, fitted, part: Part, is_audit: bool):
        return self.kept(job, fitted, part, is_audit=is_audit), ""

    def _of_parts(self, name, function, arguments):
        answers = [function(self._job, *each) for each in arguments]
        if function is rating.offer:
            self.n_sent += sum(len(each.rows) for each in answers)
        elif function is rating.sample:
            self.n_sent += sum(len(rows) for answer in answers for rows, _ in answer)
        elif function is rating.draw:
            self.n_sent += sum(len(rows) for rows, _ in answers)
        return answers


@pytest.fixture
def parts(monkeypatch, tmp_path):
    def made(values: np.ndarray, exploration: float = 0.05) -> Parts:
        candidates = Parts(values, exploration, str(tmp_path))
        monkeypatch.setattr(rating, "_kept", candidates.kept)
        monkeypatch.setattr(rating, "_rated", candidates.rated)
        search = SimpleNamespace(
            settings=candidates._settings,
            units=candidates.units,
            candidates=candidates.candidates,
        )
        monkeypatch.setattr(rating, "open_search", lambda job: search)
        return candidates

    return made


def some_values(seed: int) -> np.ndarray:
    """Many are equal, and some are those of rows that cannot be chosen."""
    generator = np.random.default_rng(seed)
    values = np.round(generator.normal(size=N_ROWS), generator.integers(0, 3))
    values[generator.random(N_ROWS) < 0.1] = np.nan
    return values


def taken_of(candidates: Parts, n: int) -> np.ndarray:
    return np.sort(np.random.default_rng(1).choice(candidates.rows, n, replace=False))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("size", "exploration"), [(1, 0.0), (60, 0.05), (900, 0.3), (9_000, 0.1)])
def test_a_batch_is_the_one_that_is_chosen_in_memory(parts, seed, size, exploration):
    candidates = parts(some_values(seed), exploration)
    taken = taken_of(candidates, 300)
    left = np.setdiff1d(candidates.rows, taken)
    chooser = Chooser(size, exploration, SEED, 2)
    chooser.add(candidates.values[left], candidates.mol_ids[left], left)
    assert candidates.choose(2, taken, size).tolist() == chooser.rows().tolist()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("n", [4, 50, 700, 9_000])
def test_an_audit_is_the_one_that_is_drawn_in_memory(parts, seed, n):
    candidates = parts(some_values(seed))
    taken = taken_of(candidates, 300)
    left = np.setdiff1d(candidates.rows, taken)
    expected = draw_audit(candidates.values[left], left, keys(left, SEED, PURPOSE), n)
    found = candidates.audit(2, taken, n, PURPOSE)
    assert found.sizes.tolist() == expected.sizes.tolist()
    assert found.strata.tolist() == expected.strata.tolist()
    assert found.rows.tolist() == expected.rows.tolist()


@pytest.mark.parametrize("n", [1, 80, 3_000, 9_000])
def test_the_first_sample_is_the_one_that_is_drawn_in_memory(parts, n):
    candidates = parts(some_values(0))
    order = keys(candidates.rows, SEED, FIRST)
    expected = candidates.rows[np.argsort(order, kind="stable")[:n]]
    assert candidates.draw(n).tolist() == expected.tolist()


def test_little_more_than_what_is_chosen_is_sent(parts):
    candidates = parts(np.random.default_rng(0).normal(size=N_ROWS), exploration=0.0)
    nobody = np.empty(0, np.int64)
    candidates.choose(2, nobody, 1_000)
    assert 1_000 <= candidates.n_sent < 1_100
    candidates.n_sent = 0
    candidates.draw(1_000)
    assert 1_000 <= candidates.n_sent < 1_500
    candidates.n_sent = 0
    candidates.audit(2, nobody, 400, PURPOSE)
    assert 400 <= candidates.n_sent < 1_300  # each of four strata is drawn with some to spare


def test_nobody_left_is_told(parts):
    candidates = parts(some_values(0))
    with pytest.raises(ConfigError, match="no molecule is left to choose from"):
        candidates.choose(2, candidates.rows, 10)
    audit = candidates.audit(2, candidates.rows, 10, PURPOSE)
    assert (len(audit.rows), audit.sizes.tolist()) == (0, [0, 0, 0, 0])


def test_a_batch_is_gathered_in_parts_of_bounded_size():
    assert [fitting.n_parts(n) for n in (1, fitting.RESULT_ROWS, fitting.RESULT_ROWS + 1)] == [
        1,
        1,
        2,
    ]
