import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from screener.models.calibration import QuantityCalibration
from screener.models.uncertainty.conformal import (
    conformal_quantile,
    growth_per_heavy_atom,
    std_scale,
    tails,
    widening,
)


def test_the_quantile_counts_the_new_molecule_itself():
    # ceil((9 + 1) * 0.9) = 9: the largest of nine scores
    assert conformal_quantile(np.arange(1.0, 10.0), np.ones(9)) == 9.0
    # ceil((19 + 1) * 0.9) = 18: the second largest of nineteen
    assert conformal_quantile(-np.arange(1.0, 20.0), np.full(19, 2.0)) == 9.0


def test_too_few_molecules_promise_nothing():
    with pytest.raises(ValueError, match="8 calibration molecules"):
        conformal_quantile(np.ones(8), np.ones(8))


@given(seed=st.integers(0, 10**6), n=st.integers(50, 300))
def test_new_draws_are_covered(seed, n):
    generator = np.random.default_rng(seed)
    stds = generator.uniform(0.5, 2.0, n + 4000)
    errors = generator.standard_t(3, n + 4000) * stds
    quantile = conformal_quantile(errors[:n], stds[:n])
    covered = np.mean(np.abs(errors[n:]) <= quantile * stds[n:])
    # of n calibration molecules the coverage follows a beta distribution around 0.9
    assert covered > 0.9 - 5 * np.sqrt(0.09 / n) - 0.02


def test_stds_are_scaled_to_hold_two_thirds():
    generator = np.random.default_rng(0)
    stds = generator.uniform(0.5, 2.0, 20_000)
    assert std_scale(3.0 * stds * generator.normal(size=20_000), stds) == pytest.approx(3, rel=0.03)


def test_intervals_are_never_narrowed_beyond_the_training_range():
    small, large = np.linspace(0, 1, 101), np.linspace(0, 1.2, 101)
    assert growth_per_heavy_atom(small, large) == pytest.approx(1.2)
    assert growth_per_heavy_atom(large, small) == 1.0
    found = widening(np.array([1, 9, 10, 14]), 9, 1.2)
    np.testing.assert_allclose(found, [1.0, 1.0, 1.2, 1.2**5])


def drawn_with_wide_ends(n, generator):
    """Predictions whose errors are larger at the upper end, and stds that do not know it."""
    values = generator.normal(size=n)
    errors = generator.normal(size=n) * np.where(values > 1.2, 2.0, 1.0)
    return values, errors, np.ones(n)


def test_the_ends_of_the_range_are_covered_too():
    generator = np.random.default_rng(0)
    values, errors, stds = drawn_with_wide_ends(5_000, generator)
    calibrated = QuantityCalibration(
        std_scale=1.0,
        quantile=conformal_quantile(errors, stds),
        growth=1.0,
        n=5_000,
        tails=tails(values, errors, stds),
    )
    new, wrong, _ = drawn_with_wide_ends(100_000, generator)
    plain = np.abs(wrong) <= calibrated.quantile
    widened = np.abs(wrong) <= calibrated.quantile * calibrated.factors(new)
    top = new >= np.quantile(new, 0.95)
    bottom = new <= np.quantile(new, 0.05)
    assert plain[top].mean() < 0.8
    assert widened[top].mean() == pytest.approx(0.9, abs=0.03)
    assert widened[bottom].mean() >= plain[bottom].mean() > 0.9
    assert (calibrated.factors(new)[~top & ~bottom] == 1.0).mean() > 0.99


def test_few_molecules_have_no_tails_and_none_narrows():
    values, errors, stds = drawn_with_wide_ends(900, np.random.default_rng(1))
    assert tails(values, errors, stds) is None
    values = np.linspace(0.0, 1.0, 1_000)
    errors = np.where((values < 0.06) | (values > 0.94), 0.01, 1.0)
    found = tails(values, errors, np.ones(1_000))
    assert found is not None
    assert [tail.widening for tail in found] == [1.0, 1.0]
    assert [tail.limit for tail in found] == pytest.approx([0.049, 0.951], abs=0.001)
