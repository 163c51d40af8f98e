"""What is chosen of values in parts is what is chosen of all of them in one place."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from screener.funnel.selection import (
    Bracket,
    Sketch,
    ceiling_of,
    floor_of,
    in_bracket,
    key_limit,
    splits_at,
)

values_in_parts = st.lists(
    st.lists(st.integers(-6, 6).map(float), max_size=60), min_size=1, max_size=6
)


def descending(parts: list[list[float]]) -> list[np.ndarray]:
    return [np.sort(np.array(part, dtype=float))[::-1] for part in parts]


@given(parts=values_in_parts, data=st.data())
def test_a_floor_lets_enough_through_and_a_ceiling_not_too_many(parts, data):
    sketches = [Sketch.of(each) for each in descending(parts)]
    everything = np.concatenate(descending(parts))
    assert sum(each.n for each in sketches) == len(everything)
    k = data.draw(st.integers(1, len(everything) + 2))
    assert np.count_nonzero(everything >= floor_of(sketches, k)) >= min(k, len(everything))
    assert np.count_nonzero(everything >= ceiling_of(sketches, k)) <= k


def test_little_more_than_what_is_wanted_passes_the_floor():
    generator = np.random.default_rng(0)
    parts = [np.sort(generator.normal(size=16_384))[::-1] for _ in range(40)]
    sketches = [Sketch.of(part) for part in parts]
    for k in (1_000, 20_000, 300_000):
        n_passed = sum(np.count_nonzero(part >= floor_of(sketches, k)) for part in parts)
        assert k <= n_passed < 1.05 * k + len(parts)
    assert max(len(each.ranks) for each in sketches) < 300  # of 16,384 values


@given(parts=values_in_parts, data=st.data())
def test_the_best_are_split_among_the_parts_as_in_one_sorted_list(parts, data):
    ordered = descending(parts)
    everything = np.concatenate(ordered)
    if not len(everything):
        return
    rank = data.draw(st.integers(1, len(everything)))
    bracket = Bracket.of([Sketch.of(each) for each in ordered], rank)
    splits = splits_at([in_bracket(each, bracket) for each in ordered], rank)
    number = np.repeat(np.arange(len(parts)), [len(each) for each in ordered])
    # equals by their part, and in a part by their place
    best = np.lexsort((np.arange(len(everything)), -everything))[:rank]
    assert splits.tolist() == np.bincount(number[best], minlength=len(parts)).tolist()


@pytest.mark.parametrize(("k", "n"), [(10, 1_000), (5_000, 20_000), (7, 7), (9, 3)])
def test_enough_random_keys_are_below_their_limit(k, n):
    limit = key_limit(k, n)
    assert 0.0 < limit <= 1.0
    for seed in range(50):
        drawn = np.random.default_rng(seed).random(n)
        assert np.count_nonzero(drawn <= limit) >= min(k, n)
    assert limit * n <= max(n * (k >= n), k + 8 * np.sqrt(k) + 64)
