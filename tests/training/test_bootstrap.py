import numpy as np
import pytest

from screener.training.bootstrap import coverage, figure


def test_the_interval_is_that_of_the_mean():
    errors = np.random.default_rng(0).standard_normal(400)
    found = figure(errors)
    expected = np.abs(errors).std() / 20.0  # standard error of the mean
    assert (found.n, found.mae) == (400, pytest.approx(np.abs(errors).mean()))
    assert found.high - found.low == pytest.approx(2 * 1.96 * expected, rel=0.1)
    assert found.low < found.mae < found.high
    assert figure(errors) == found


def test_coverage_counts_what_lies_inside():
    true = np.arange(100.0)
    found = coverage(true, np.full(100, -1.0), np.full(100, 89.5))
    assert (found.share, found.n, found.width) == (0.9, 100, 90.5)
    assert found.low == pytest.approx(0.824, abs=0.001)  # Clopper and Pearson's, tabulated
    assert found.high == pytest.approx(0.951, abs=0.001)
