import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from screener.models.conformal import (
    conformal_quantile,
    growth_per_heavy_atom,
    std_scale,
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
