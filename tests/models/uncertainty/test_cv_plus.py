import numpy as np
import pytest

from screener.errors import ConfigError
from screener.models.uncertainty.cv_plus import CvPlus


def draw(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Inputs, targets, and how noisy each is."""
    x = rng.uniform(-1.0, 1.0, size=(n, 3))
    noise = 0.1 + np.abs(x[:, 0])
    return x, x @ [1.0, -2.0, 0.5] + noise * rng.standard_normal(n), noise


def cross_validated(rng: np.random.Generator, n: int, n_folds: int) -> tuple[CvPlus, np.ndarray]:
    x, y, noise = draw(rng, n)
    folds = rng.permutation(n) % n_folds
    fits = np.array(
        [np.linalg.lstsq(x[folds != k], y[folds != k], rcond=None)[0] for k in range(n_folds)]
    )
    errors = (x * fits[folds]).sum(axis=1) - y
    return CvPlus.of(errors, noise, folds), fits


def test_intervals_cover_nine_in_ten_of_new_draws():
    rng = np.random.default_rng(0)
    covered, widths, noises = [], [], []
    for _ in range(40):
        intervals, fits = cross_validated(rng, 120, 5)
        x, y, noise = draw(rng, 200)
        low, high = intervals.interval(fits @ x.T, np.tile(noise, (5, 1)))
        covered.append(((low <= y) & (y <= high)).mean())
        widths.append(high - low)
        noises.append(noise)
    assert np.mean(covered) == pytest.approx(0.9, abs=0.02)
    assert np.corrcoef(np.concatenate(widths), np.concatenate(noises))[0, 1] > 0.9


def test_folds_that_disagree_widen_the_interval():
    rng = np.random.default_rng(1)
    intervals = CvPlus.of(rng.standard_normal(100), np.ones(100), np.arange(100) % 5)
    same, spread = np.zeros((5, 1)), np.array([[-3.0], [-1.0], [0.0], [1.0], [3.0]])
    narrow, wide = (intervals.interval(v, np.ones((5, 1))) for v in (same, spread))
    assert wide[1] - wide[0] > narrow[1] - narrow[0] + 2.0


def test_with_one_fold_it_is_the_conformal_quantile():
    errors = np.arange(1.0, 100.0)
    intervals = CvPlus.of(errors, np.ones(99), np.zeros(99, dtype=np.int64))
    low, high = intervals.interval(np.array([[5.0]]), np.array([[1.0]]))
    assert (low[0], high[0]) == (5.0 - 90.0, 5.0 + 90.0)


def test_too_few_molecules_or_stds_of_zero_are_refused():
    with pytest.raises(ConfigError, match="too few"):
        CvPlus.of(np.ones(8), np.ones(8), np.zeros(8, dtype=np.int64))
    with pytest.raises(ConfigError, match="positive std"):
        CvPlus.of(np.ones(20), np.zeros(20), np.zeros(20, dtype=np.int64))
