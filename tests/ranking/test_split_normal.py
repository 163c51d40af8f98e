"""How likely values lie between bounds, and what they may be."""

import numpy as np
import pytest

from screener.ranking.split_normal import N_PARTS, chance, equally_likely


def test_the_chance_of_a_value_without_spread_is_none_or_all():
    """Bounds count as met, on either side; without an end everything is."""
    values = np.array([1.0, 2.0, 3.0])
    for ends in ((values, values), (values.copy(), values.copy())):
        assert chance(values, ends, 2.0, np.inf).tolist() == [0.0, 1.0, 1.0]
        assert chance(values, ends, -np.inf, 2.0).tolist() == [1.0, 1.0, 0.0]
        assert chance(values, ends, 2.0, 2.0).tolist() == [0.0, 1.0, 0.0]
        assert chance(values, ends, -np.inf, np.inf).tolist() == [1.0, 1.0, 1.0]


def test_chances_follow_the_sides_of_an_interval():
    values = np.array([0.0, 0.0])
    ends = np.array([-1.0, -4.0]), np.array([2.0, 2.0])
    assert chance(values, ends, 0.0, np.inf) == pytest.approx([0.5, 0.5])
    assert chance(values, ends, 2.0, np.inf) == pytest.approx([0.05, 0.05])
    assert chance(values, ends, -np.inf, -1.0) == pytest.approx([0.05, 0.3405], abs=1e-4)
    assert chance(values, ends, -1.0, 2.0) == pytest.approx([0.9, 0.6095], abs=1e-4)


def test_equally_likely_values_follow_the_sides_of_an_interval():
    values = np.array([0.0, 5.0, 1.0])
    ends = np.array([-1.0, 5.0, 0.0]), np.array([4.0, 5.0, 2.0])
    parts = np.array(list(equally_likely(values, ends)))
    assert parts.shape == (N_PARTS, 3)
    assert (np.diff(parts[:, 0]) > 0).all()
    assert (parts[:, 1] == 5.0).all()  # without an interval it is what it is
    below, above = parts[parts[:, 0] < 0, 0], parts[parts[:, 0] > 0, 0]
    assert len(below) == len(above) == N_PARTS // 2
    assert np.sort(-4 * below) == pytest.approx(above)
    assert parts[:, 2].mean() == pytest.approx(1.0)
    assert parts[:, 2].std() == pytest.approx(1 / 1.645, rel=0.05)
