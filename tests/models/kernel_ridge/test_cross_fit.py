from dataclasses import asdict

import numpy as np
import pytest
from model_fixtures import ELEMENTS

from screener.errors import ConfigError
from screener.models.kernel_ridge.additive import AdditiveSettings, Fit, whole_kernel
from screener.models.kernel_ridge.cross_evaluator import (
    CrossEvaluator,
    cross_from_arrays,
    cross_to_arrays,
)
from screener.models.kernel_ridge.cross_fit import CrossFit
from screener.models.kernel_ridge.increments import increments, vocabulary
from screener.models.uncertainty.spread import features
from screener.records import Structure
from screener.training.fit.additive import Prepared, fit_additive, prepare
from screener.training.fit.cross_fit import cross_fit

SETTINGS = AdditiveSettings()
N_FOLDS = 5
COMPOSITION, BONDS = vocabulary(ELEMENTS).block("composition"), vocabulary(ELEMENTS).block("bonds")


def made_up_delta(structures: list[Structure]) -> np.ndarray:
    """So much per atom and bond, and noise; kcal/mol."""
    generator = np.random.default_rng(3)
    found = increments(structures, ELEMENTS)
    columns = np.concatenate([COMPOSITION, BONDS])
    exact = found[:, columns] @ generator.normal(scale=0.5, size=len(columns))
    return np.asarray(exact + 0.2 * generator.normal(size=len(structures)))


def bytes_of(fit: Fit) -> list[bytes]:
    return [np.asarray(value).tobytes() for value in asdict(fit).values()]


@pytest.fixture(scope="module")
def asked(solvents: list[Structure]) -> list[Structure]:
    """Further geometries of the same molecules."""
    generator = np.random.default_rng(0)
    return [
        Structure(s.atomic_numbers, (s.positions + noise).astype(np.float32))
        for s in solvents
        for noise in [generator.normal(0.0, 0.02, s.positions.shape)]
    ]


@pytest.fixture(scope="module")
def prepared(solvents: list[Structure], asked: list[Structure]) -> Prepared:
    return prepare(solvents, (SETTINGS.width,), asked)


@pytest.fixture(scope="module")
def delta(solvents: list[Structure]) -> np.ndarray:
    return made_up_delta(solvents)


@pytest.fixture(scope="module")
def wanted(delta: np.ndarray) -> np.ndarray:
    """What should come out at the asked structures: other than what is learned."""
    return delta + np.random.default_rng(4).normal(0.0, 0.1, len(delta))


@pytest.fixture(scope="module")
def folds(delta: np.ndarray) -> np.ndarray:
    return np.random.default_rng(1).permutation(len(delta)) % N_FOLDS


@pytest.fixture(scope="module")
def fitted_on(delta: np.ndarray) -> np.ndarray:
    return np.arange(len(delta)) % 7 != 3


@pytest.fixture(scope="module")
def counted(delta: np.ndarray) -> np.ndarray:
    """Some of those fitted on and some that are not."""
    return np.arange(len(delta)) % 3 != 1


@pytest.fixture(scope="module")
def made(prepared, delta, wanted, folds, fitted_on, counted) -> tuple[CrossFit, np.ndarray]:
    return cross_fit(prepared, delta, wanted, SETTINGS, fit=fitted_on, counted=counted, folds=folds)


@pytest.mark.parametrize("fold", range(N_FOLDS))
def test_the_fit_without_a_fold_never_knows_its_labels(
    prepared, delta, wanted, folds, fitted_on, counted, made, fold
):
    own = folds == fold
    nonsense = np.where(own, np.random.default_rng(5).normal(0.0, 50.0, len(own)), 0.0)
    model, errors = cross_fit(
        prepared,
        delta + nonsense,
        wanted + 7.0 * own,
        SETTINGS,
        fit=fitted_on & ~(own & (np.arange(len(own)) % 2 == 0)),
        counted=counted,
        folds=folds,
    )
    before, old = made
    for place in range(1 + N_FOLDS):
        same = bytes_of(model.fits[place]) == bytes_of(before.fits[place])
        assert same == (place == fold + 1)  # the labels do matter to the others
    np.testing.assert_allclose(errors[own & counted], old[own & counted] - 7.0, atol=1e-9)
    assert (np.abs(errors - old)[~own & counted] > 1e-3).all()


def test_fits_are_those_on_all_and_on_what_is_not_in_each_fold(
    prepared, delta, folds, fitted_on, made
):
    model, _ = made
    known = np.flatnonzero(fitted_on)
    assert len(model.fits) == 1 + N_FOLDS
    for place, fit in enumerate(model.fits):
        rows = np.flatnonzero(fitted_on & (folds != place - 1))
        np.testing.assert_array_equal(known[model.rows(place)], rows)
        assert bytes_of(fit) == bytes_of(fit_additive(prepared, delta, SETTINGS, rows)[0])
    np.testing.assert_array_equal(model.rows(0), np.arange(len(known)))


def test_scores_are_those_of_the_fit_without_the_fold(made, asked, wanted, folds, counted):
    model, errors = made
    raw = CrossEvaluator(model).predict(asked)
    rows = np.flatnonzero(counted)
    places = folds[rows] + 1
    expected = raw.values[places, rows] - wanted[rows]
    np.testing.assert_allclose(errors[rows], expected, atol=1e-6)
    np.testing.assert_allclose(
        model.cvplus.scores, np.abs(expected) / raw.stds[places, rows], rtol=1e-3, atol=1e-5
    )
    np.testing.assert_array_equal(model.cvplus.folds, folds[rows])


def test_what_is_not_counted_has_no_error_and_no_say_in_intervals(
    prepared, delta, wanted, folds, fitted_on, counted, made
):
    model, errors = made
    np.testing.assert_array_equal(np.isnan(errors), ~counted)
    again, same = cross_fit(
        prepared, delta, np.where(counted, wanted, np.nan), SETTINGS,
        fit=fitted_on, counted=counted, folds=folds,
    )  # fmt: skip
    assert again.cvplus.scores.tobytes() == model.cvplus.scores.tobytes()
    np.testing.assert_array_equal(same, errors)


def test_molecules_not_fitted_on_are_judged_but_not_stored(
    prepared, delta, wanted, folds, fitted_on, counted, made, solvents
):
    model, errors = made
    aside = ~fitted_on
    assert len(model.structures) == fitted_on.sum() == len(model.folds) == len(model.kernel)
    assert all(
        found is solvents[row]
        for found, row in zip(model.structures, np.flatnonzero(fitted_on), strict=True)
    )
    assert np.isfinite(errors[aside & counted]).all()
    again, same = cross_fit(
        prepared, np.where(aside, np.nan, delta), wanted, SETTINGS,
        fit=fitted_on, counted=counted, folds=folds,
    )  # fmt: skip
    np.testing.assert_array_equal(same, errors)
    assert [bytes_of(f) for f in again.fits] == [bytes_of(f) for f in model.fits]


def test_intervals_cover_nine_in_ten_of_molecules_never_seen(solvents):
    # labels are drawn from what the fit takes for granted, so its stds are right
    settings = AdditiveSettings(tolerance=None, ridge=0.1)
    prepared = prepare(solvents, (settings.width,))
    n = len(solvents)
    found, every = prepared.increments, np.arange(n)
    prior = prepared.prior(every, settings)
    prior[COMPOSITION] /= 1e3  # hardly known, yet not so large that rounding matters
    kernel = whole_kernel(prepared.kernels[settings.width], found, found, prior, settings)
    root = np.linalg.cholesky(kernel + settings.ridge * np.eye(n))
    generator = np.random.default_rng(6)
    covered, widths, errors = [], [], []
    for _ in range(8):
        y = 0.3 * root @ generator.normal(size=n)
        new = generator.permutation(n) < n // 3
        folds = generator.permutation(n) % 8
        model, _ = cross_fit(prepared, y, y, settings, fit=~new, counted=~new, folds=folds)
        raw = CrossEvaluator(model).predict([solvents[row] for row in np.flatnonzero(new)])
        low, high = model.cvplus.interval(raw.values[1:], raw.stds[1:])
        covered += ((low <= y[new]) & (y[new] <= high)).tolist()
        widths += (high - low).tolist()
        errors += (raw.values[0] - y[new]).tolist()
    # some 250 molecules: 0.02 is one standard deviation; CV+ is rather too wide for few
    assert 0.84 < np.mean(covered) < 0.98
    assert np.median(widths) < 2.0 * 2 * 1.645 * np.sqrt(np.mean(np.square(errors)))


def test_too_few_or_missing_values_are_refused(prepared, delta, wanted, folds, fitted_on, counted):
    few = np.arange(len(delta)) < 8
    with pytest.raises(ConfigError, match="too few"):
        cross_fit(prepared, delta, wanted, SETTINGS, fit=fitted_on, counted=few, folds=folds)
    for values in ((delta, np.where(few, np.nan, wanted)), (np.where(few, np.nan, delta), wanted)):
        with pytest.raises(ConfigError, match="need"):
            cross_fit(prepared, *values, SETTINGS, fit=fitted_on, counted=counted, folds=folds)


def test_a_spread_that_is_fitted_makes_scores_and_is_stored(
    prepared, delta, wanted, folds, fitted_on, counted, made, asked
):
    model, errors = cross_fit(
        prepared, delta, wanted, SETTINGS, fit=fitted_on, counted=counted, folds=folds,
        told=features(asked),
    )  # fmt: skip
    assert made[0].spread is None
    np.testing.assert_array_equal(errors, made[1])  # values are what they were
    raw, rows = CrossEvaluator(model).predict(asked), np.flatnonzero(counted)
    stds = model.stds(asked, raw.stds)[folds[rows] + 1, rows]
    np.testing.assert_allclose(
        model.cvplus.scores, np.abs(errors[rows]) / stds, rtol=1e-3, atol=1e-5
    )
    stored = cross_from_arrays(cross_to_arrays(model), ELEMENTS)
    assert stored.spread.weights.tobytes() == model.spread.weights.tobytes()
    plain = cross_from_arrays(cross_to_arrays(made[0]), ELEMENTS)
    assert plain.spread is None
    np.testing.assert_array_equal(plain.stds(asked, raw.stds), raw.stds)
