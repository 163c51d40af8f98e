import numpy as np
import pytest

from screener.training.bootstrap import as_metrics, coverage, figure


def test_the_interval_is_that_of_the_mean():
    errors = np.random.default_rng(0).standard_normal(400)
    found = figure(errors)
    expected = np.abs(errors).std() / 20.0  # standard error of the mean
    assert (found.n, found.mae) == (400, pytest.approx(np.abs(errors).mean()))
    assert found.rmse == pytest.approx(np.hypot(errors.mean(), errors.std()))
    assert found.bias == pytest.approx(errors.mean())
    assert found.high - found.low == pytest.approx(2 * 1.96 * expected, rel=0.1)
    assert found.low < found.mae < found.high
    assert figure(errors) == found


def test_coverage_counts_what_lies_inside():
    true = np.arange(100.0)
    found = coverage(true[::-1], true, np.full(100, -1.0), np.full(100, 89.5))
    assert (found.share, found.n, found.width) == (0.9, 100, 90.5)
    assert (found.least, found.most, found.rank) == (0.0, 1.0, None)
    assert found.low == pytest.approx(0.824, abs=0.001)  # Clopper and Pearson's, tabulated
    assert found.high == pytest.approx(0.951, abs=0.001)


def test_the_widths_of_intervals_are_ranked_beside_errors():
    values = np.arange(40.0)
    errors = np.random.default_rng(0).permutation(40) + 1.0
    found = coverage(values, values + errors, values - errors, values + errors)
    assert found.rank == pytest.approx(1.0)
    assert coverage(values, values + errors, values - 1 / errors, values + 1 / errors).rank < -0.99


def test_metrics_hold_both_figures_under_their_names():
    errors = figure(np.array([-3.0, 1.0, 4.0, 0.0]))
    widths = np.arange(5.0, 14.0)
    covered = coverage(np.arange(9.0) ** 2, np.arange(9.0), np.full(9, -1.0), widths)
    found = as_metrics(errors)
    assert found == {
        "n": 4.0,
        "mae": 2.0,
        "mae_95_low": errors.low,
        "mae_95_high": errors.high,
        "rmse": pytest.approx(26**0.5 / 2),
        "bias": 0.5,
    }
    both = as_metrics(errors, covered)
    assert {name: both[name] for name in found} == found
    assert {name: both[name] for name in both.keys() - found.keys()} == {
        "coverage90": covered.share,
        "coverage90_95_low": covered.low,
        "coverage90_95_high": covered.high,
        "median_width90": covered.width,
        "coverage90_least": covered.least,
        "coverage90_most": covered.most,
        "spearman_std_error": covered.rank,
    }
    assert all(type(value) is float for value in both.values())  # so that JSON can hold them
