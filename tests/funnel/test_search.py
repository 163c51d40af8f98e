"""A search on made-up molecules whose values follow from their drawings."""

import itertools

import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import Crippen, rdMolDescriptors

from screener.errors import ConfigError
from screener.funnel.acquisition import Chooser, acquisition_values
from screener.funnel.draws import keys
from screener.funnel.features import bits_of
from screener.funnel.in_memory import InMemory, Known
from screener.funnel.prediction import Prediction, Scorer
from screener.funnel.projection import Projection
from screener.funnel.recall import draw_audit, estimate_recall
from screener.funnel.search import Batch, Search
from screener.funnel.settings import AcquisitionSettings, SearchSettings, SurrogateSettings
from screener.funnel.surrogate import fit_surrogate
from screener.ranking.topk import TopK

HEADS = ("C", "CC", "CCC", "CC(C)", "FC(F)(F)C", "N#CC", "COC", "C=CC", "CC(=O)C", "FC")
MIDDLES = ("OC(=O)O", "C(=O)O", "O", "C(=O)N(C)", "OCCO", "C(C)", "C(F)", "S(=O)(=O)", "C(C#N)")
TAILS = ("C", "CC", "C(C)C", "CC(F)(F)F", "CC#N", "CCOC", "CC=C", "C1CC1", "C1CCCC1", "C1CCOC1")
SURROGATE = SurrogateSettings(n_dims=64, n_inducing=128, n_members=4)


@pytest.fixture(scope="module")
def library():
    drawn = ["".join(parts) for parts in itertools.product(HEADS, MIDDLES, TAILS)]
    mols = [Chem.MolFromSmiles(smiles) for smiles in drawn]
    values = np.array([(Crippen.MolLogP(mol), rdMolDescriptors.CalcTPSA(mol)) for mol in mols])
    return bits_of(drawn), [f"{i:04d}" for i in range(len(drawn))], values


def score(values: np.ndarray) -> np.ndarray:
    return values[:, 0] + values[:, 1] / 50


def settings(**changes) -> SearchSettings:
    given = {"budget": 180, "top_n": 30, "n_batches": 4, "surrogate": SURROGATE, "audit": 0.1}
    return SearchSettings(**{**given, **changes})


def carried_out(library, chosen: SearchSettings, before: Known | None = None) -> Search:
    values = library[2]
    candidates, search = begun(library, chosen, before)
    while batch := search.ask():
        told(candidates, search, batch, values)
    return search


def begun(library, chosen: SearchSettings, before: Known | None = None) -> tuple[InMemory, Search]:
    bits, mol_ids, _ = library
    candidates = InMemory(bits, mol_ids, Scorer(score), chosen, before)
    return candidates, Search(candidates, chosen, len(bits), is_trained=before is not None)


def told(candidates: InMemory, search: Search, batch: Batch, values: np.ndarray) -> None:
    candidates.tell(batch.rows, values[batch.rows])
    search.tell(batch, score(values[batch.rows]))


@pytest.mark.parametrize("rule", ["greedy", "ucb", "thompson"])
def test_a_fifth_of_a_library_holds_most_of_its_best(library, rule):
    search = carried_out(library, settings(acquisition=AcquisitionSettings(rule=rule)))
    assert len(search.rows) == len(set(search.rows.tolist())) == 180
    best = np.argsort(-score(library[2]))[:30]
    assert np.isin(best, search.rows).mean() > 0.8  # at random: 0.2
    said = search.recall()
    assert 0.0 <= said.low <= said.recall <= said.high <= 1.0


def test_a_search_that_is_told_its_past_asks_for_the_same(library):
    values = library[2]
    whole = carried_out(library, settings())
    candidates, again = begun(library, settings())
    batches = []
    for _ in range(3):
        batches.append(again.ask())
        told(candidates, again, batches[-1], values)
    candidates, resumed = begun(library, settings())
    for batch in batches:  # without being asked
        told(candidates, resumed, batch, values)
    while batch := resumed.ask():
        told(candidates, resumed, batch, values)
    assert (resumed.rows == whole.rows).all()
    other = carried_out(library, settings(seed=1))
    assert set(other.rows.tolist()) != set(whole.rows.tolist())


def test_what_others_have_shown_is_not_looked_for_again(library):
    """A third of the library was evaluated elsewhere; the rest is searched with and without it."""
    bits, _, values = library
    order = np.random.default_rng(5).permutation(len(values))
    there, here = order[:300], order[300:]
    rest = (bits.take(here), [f"{i:04d}" for i in here], values[here])
    known = Known(bits.take(there), values[there])
    chosen = settings(budget=90, n_batches=2)
    with_them, without = (carried_out(rest, chosen, before) for before in (known, None))
    best = np.argsort(-score(values[here]))[:30]
    n_first = chosen.sizes(len(here))[0]
    assert np.isin(with_them.rows[:n_first], best).mean() > 0.7  # exploration is part of it
    assert np.isin(without.rows[:n_first], best).mean() < 0.3
    recall, alone = (np.isin(best, each.rows).mean() for each in (with_them, without))
    assert recall > 0.9 > alone
    assert len(set(with_them.rows.tolist())) == 90


def test_a_search_that_promises_too_little_ends_with_its_audit(library):
    whole = carried_out(library, settings(n_batches=6, budget=400))
    early = carried_out(library, settings(n_batches=6, budget=400, min_expected_gain=0.1))
    assert 80 + 40 < len(early.rows) < 400
    assert early.is_over
    best = np.argsort(-score(library[2]))[:30]
    assert np.isin(best, early.rows).mean() > 0.8
    n_chosen = len(early.rows) - 40  # without the audit
    assert (early.rows[:n_chosen] == whole.rows[:n_chosen]).all()


def test_molecules_that_fail_or_break_a_limit_are_chosen_less_and_less(library):
    """Of molecules with a nitrile nothing is known, and those with fluorine are not allowed."""
    bits, mol_ids, values = library
    drawn = ["".join(parts) for parts in itertools.product(HEADS, MIDDLES, TAILS)]
    fails = np.array(["C#N" in each or "N#C" in each for each in drawn])
    fluorine = np.array([each.count("F") for each in drawn], dtype=float)
    quantities = np.column_stack([values, fluorine])
    quantities[fails] = np.nan
    scorer = Scorer(score, allows=lambda each: each[:, 2] < 0.5)
    chosen = settings(budget=300, n_batches=5)
    candidates = InMemory(bits, mol_ids, scorer, chosen)
    search = Search(candidates, chosen, len(bits))
    in_vain = []
    while batch := search.ask():
        candidates.tell(batch.rows, quantities[batch.rows])
        ok = ~fails[batch.rows] & (fluorine[batch.rows] == 0.0)
        search.tell(batch, np.where(ok, score(values[batch.rows]), np.nan))
        in_vain.append(1.0 - ok.mean())
    assert in_vain[0] > 0.5  # at random
    assert max(in_vain[2:-1]) < 0.35  # with an exploration share of 5 %
    truth = np.where(fails | (fluorine > 0.0), -np.inf, score(values))
    assert np.isin(np.argsort(-truth)[:30], search.rows).mean() > 0.8


def test_a_budget_that_is_too_small_says_what_it_does_not_reach():
    with pytest.raises(ConfigError, match=r"12 molecules is too small: 2 in the first.*20 batches"):
        settings(budget=12, n_batches=20).sizes(1000)
    with pytest.raises(ConfigError, match="too small"):
        settings(budget=5).sizes(1000)
    assert sum(settings(budget=5000).sizes(900)) == 900


def test_the_recall_is_not_known_before_the_audit(library):
    with pytest.raises(ConfigError, match="audit"):
        begun(library, settings())[1].recall()


def test_a_surrogate_knows_more_than_the_mean_and_how_much(library):
    bits, _, values = library
    points = Projection.of(bits, 64, seed=0)(bits)
    order = np.random.default_rng(1).permutation(len(values))
    fit, test = order[:400], order[400:]
    surrogate = fit_surrogate(points[fit], values[fit], score(values[fit]), SURROGATE, seed=0)
    found = surrogate.predict(points[test])
    errors = np.abs(found.mean - values[test])
    assert (errors.mean(axis=0) < 0.3 * values.std(axis=0)).all()
    assert found.members.shape == (4, len(test), 2)
    alone = surrogate.predict(points[test][7:8])
    assert (alone.mean[0] == found.mean[7]).all()


def test_a_surrogate_refuses_what_it_cannot_learn_from():
    points = np.zeros((3, 2), np.float32)
    with pytest.raises(ConfigError, match="at least two"):
        fit_surrogate(points[:1], np.zeros((1, 1)), np.zeros(1), SURROGATE, 0)
    with pytest.raises(ConfigError, match="at least two molecules with values"):
        fit_surrogate(points, np.array([[1.0], [np.nan], [np.nan]]), np.zeros(3), SURROGATE, 0)


def test_keys_are_even_and_depend_on_nothing_but_row_seed_and_purpose():
    rows = np.arange(20_000)
    drawn = keys(rows, 3, 1)
    assert (keys(rows[::-1], 3, 1)[::-1] == drawn).all()
    counts = np.histogram(drawn, bins=20, range=(0.0, 1.0))[0]
    assert ((counts - 1000.0) ** 2 / 1000.0).sum() < 43.8  # chi squared, 19 degrees, 0.1 %
    for other in (keys(rows, 4, 1), keys(rows, 3, 2)):
        assert abs(np.corrcoef(drawn, other)[0, 1]) < 0.03


def test_a_batch_is_the_same_in_whatever_chunks_the_library_goes_by():
    generator = np.random.default_rng(0)
    values = np.round(generator.normal(size=500), 1)  # with many equals
    mol_ids = [f"{i * 7919 % 500:03d}" for i in range(500)]

    def chosen(order: np.ndarray, size: int) -> np.ndarray:
        chooser = Chooser(40, 0.25, seed=2, purpose=1)
        for start in range(0, 500, size):
            rows = order[start : start + size]
            chooser.add(values[rows], [mol_ids[row] for row in rows], rows)
        return chooser.rows()

    whole = chosen(np.arange(500), 500)
    assert len(set(whole.tolist())) == 40
    assert (chosen(generator.permutation(500), 37) == whole).all()
    best = TopK.from_arrays(values, mol_ids, np.arange(500), 30).rows
    assert (whole[:30] == best).all()


def test_what_has_no_score_comes_last():
    members = np.array([[1.0, np.nan, 3.0], [2.0, np.nan, 5.0]])[:, :, None]
    found = Prediction(members[0], members)
    scorer = Scorer(lambda each: each[:, 0])
    for rule in ("greedy", "ucb", "thompson"):
        values = acquisition_values(
            found, scorer, np.arange(3), AcquisitionSettings(rule=rule), 0, 1, 0.0
        )
        assert np.isfinite(values).all()
        assert values.argsort().tolist()[0] == 1


def test_the_stated_recall_holds_the_true_one_as_often_as_it_says():
    """90 % intervals on 60 made-up libraries; by chance alone 46 or fewer would be one in 2,000."""
    held, widths = 0, []
    for seed in range(60):
        generator = np.random.default_rng(seed)
        truth = generator.normal(size=20_000)
        predicted = truth + 0.5 * generator.normal(size=20_000)
        evaluated = np.zeros(20_000, dtype=bool)
        evaluated[np.argsort(-predicted)[:1_700]] = True
        left = np.flatnonzero(~evaluated)
        audit = draw_audit(predicted[left], left, keys(left, seed, 9), 300)
        evaluated[audit.rows] = True
        said = estimate_recall(truth[evaluated], audit, truth[audit.rows], 300, seed)
        recall = evaluated[np.argsort(-truth)[:300]].mean()
        held += said.low <= recall <= said.high
        widths.append(said.high - said.low)
    assert held > 46
    assert np.mean(widths) < 0.6  # 300 looked at of 18,300 say no more


def test_an_audit_of_everything_leaves_nothing_uncertain():
    truth = np.random.default_rng(0).normal(size=400)
    rows = np.arange(100, 400)
    audit = draw_audit(truth[rows], rows, keys(rows, 0, 1), 300)
    assert sorted(audit.rows.tolist()) == rows.tolist()
    assert (audit.probabilities == 1.0).all()
    said = estimate_recall(np.concatenate([truth[:100], truth[audit.rows]]), audit,
                           truth[audit.rows], 50, 0)  # fmt: skip
    assert (said.low, said.recall, said.high) == (1.0, 1.0, 1.0)
    with pytest.raises(ConfigError, match="at least 4"):
        draw_audit(truth, np.arange(400), truth, 3)
    with pytest.raises(ConfigError, match="400 molecules have a score"):
        estimate_recall(truth, audit, truth[audit.rows], 500, 0)
