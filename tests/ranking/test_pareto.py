"""Fronts and crowding in pieces are those of a full sort in memory."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from screener.ranking.pareto import ParetoTop, crowding, fronts


def dominates(one, other) -> bool:
    return bool((one >= other).all() and (one > other).any())


def sorted_in_memory(
    values: np.ndarray, mol_ids: list[str], k: int, utility: np.ndarray
) -> list[int]:
    """By definition: front after front, each by crowding, then by utility, then by mol_id."""
    left, order = list(range(len(values))), []
    while left:
        front = [i for i in left if not any(dominates(values[j], values[i]) for j in left)]
        room = dict(zip(front, crowding(values[front]), strict=True))
        order += sorted(front, key=lambda i: (-room[i], -utility[i], mol_ids[i]))
        left = [i for i in left if i not in front]
    return order[:k]


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    n=st.integers(1, 60),
    m=st.integers(1, 4),
    k=st.integers(1, 20),
    piece=st.integers(1, 60),
    grid=st.sampled_from([3, 10, 10**6]),
)
def test_pieces_give_what_a_full_sort_gives(seed, n, m, k, piece, grid):
    rng = np.random.default_rng(seed)
    values = rng.integers(0, grid, (n, m)) / grid
    mol_ids = [f"{i:04x}" for i in rng.permutation(n)]
    utility = rng.integers(0, 4, n) / 4
    top = ParetoTop(k, m)
    order = rng.permutation(n)
    for start in range(0, n, piece):
        rows = order[start : start + piece]
        top.add(values[rows], [mol_ids[row] for row in rows], rows, utility[rows])
    assert top.top.rows.tolist() == sorted_in_memory(values, mol_ids, k, utility)


def test_fronts_of_a_known_case():
    values = np.array([[3.0, 1.0], [1.0, 3.0], [2.0, 2.0], [1.0, 1.0], [2.0, 1.0], [0.0, 0.0]])
    assert fronts(values).tolist() == [0, 0, 0, 2, 1, 3]
    room = crowding(values[:3])
    assert np.isinf(room[:2]).all()
    assert room[2] == pytest.approx(2.0)  # both neighbours span the front in both objectives


def test_scores_tell_the_front():
    top = ParetoTop(6, 2)
    values = np.array([[3.0, 1.0], [1.0, 3.0], [2.0, 2.0], [1.0, 1.0], [2.0, 1.0], [0.0, 0.0]])
    top.add(values, list("abcdef"), np.arange(6), np.zeros(6))
    scores = [entry.score for entry in top.top.entries]
    assert np.floor(scores).tolist() == [-1.0, -1.0, -1.0, -2.0, -3.0, -4.0]
    assert scores == sorted(scores, reverse=True)


def test_both_ends_of_a_front_come_by_their_utility():
    """They have all the room there is, so the score alone leaves them to chance."""
    values = np.array([[3.0, 1.0], [1.0, 3.0], [2.0, 2.0]])
    top = ParetoTop(3, 2)
    top.add(values, ["a", "b", "c"], np.arange(3), np.array([0.2, 0.7, 0.9]))
    entries = top.top.entries
    assert [entry.mol_id for entry in entries] == ["b", "a", "c"]
    assert entries[0].score == entries[1].score == -0.5 > entries[2].score
    assert [entry.tie for entry in entries] == [0.7, 0.2, 0.9]


@pytest.mark.slow
def test_what_is_kept_is_little():
    rng = np.random.default_rng(0)
    top = ParetoTop(50, 3)
    for start in range(0, 20_000, 1000):
        rows = np.arange(start, start + 1000)
        top.add(rng.normal(size=(1000, 3)), [f"{row:06d}" for row in rows], rows, np.zeros(1000))
    assert len(top._rows) < 1500
    assert len(top.top.entries) == 50
