import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from screener.errors import SchemaError
from screener.ranking.topk import Ranked, TopK

# few different scores, so that ties are common
SCORES = st.one_of(st.sampled_from([0.0, 0.5, 1.0, float("nan")]), st.floats())


@st.composite
def molecules(draw):
    scores = draw(st.lists(SCORES, max_size=60))
    order = draw(st.permutations(range(len(scores))))
    ties = draw(st.lists(st.sampled_from([0.0, 0.25]), min_size=len(scores), max_size=len(scores)))
    return [
        (score, f"{place:032x}", row, tie)
        for row, (score, place, tie) in enumerate(zip(scores, order, ties, strict=True))
    ]


def top(entries, k):
    scores, mol_ids, rows, ties = zip(*entries, strict=True) if entries else ((), (), (), ())
    return TopK.from_arrays(
        np.array(scores, dtype=np.float64), mol_ids, rows, k, np.array(ties, dtype=np.float64)
    )


def full_sort(entries, k):
    ranked = [entry for entry in entries if np.isfinite(entry[0])]
    return sorted(ranked, key=lambda entry: (-entry[0], -entry[3], entry[1]))[:k]


@settings(deadline=None)
@given(entries=molecules(), k=st.integers(1, 20), data=st.data())
def test_any_split_merged_in_any_order_equals_a_full_sort(entries, k, data):
    labels = data.draw(st.lists(st.integers(0, 4), min_size=len(entries), max_size=len(entries)))
    parts = [
        top([entry for entry, label in zip(entries, labels, strict=True) if label == part], k)
        for part in range(5)
    ]
    while len(parts) > 1:  # a random tree of merges, not only a chain
        left, right = data.draw(st.permutations(range(len(parts))))[:2]
        merged = parts[left].merge(parts[right])
        parts = [part for place, part in enumerate(parts) if place not in (left, right)] + [merged]
    assert list(parts[0].entries) == full_sort(entries, k)


@settings(deadline=None)
@given(entries=molecules(), k=st.integers(1, 20))
def test_counting_a_unit_twice_changes_nothing(entries, k):
    whole = top(entries, k)
    assert whole.merge(whole) == whole
    assert whole.merge(top(entries[::2], k)) == whole
    assert TopK(k).merge(whole) == whole == whole.merge(TopK(k))


@settings(deadline=None)
@given(entries=molecules(), k=st.integers(1, 20))
def test_json_keeps_every_bit(entries, k):
    whole = top(entries, k)
    back = TopK.from_json(json.loads(json.dumps(whole.to_json())))
    assert back == whole
    scores = [np.array([entry.score for entry in each.entries]).tobytes() for each in (back, whole)]
    assert scores[0] == scores[1]


def test_equal_scores_are_ordered_by_mol_id():
    scores = np.array([0.5, 0.5, 0.7, float("nan")])
    best = TopK.from_arrays(scores, ["b", "a", "c", "d"], [0, 1, 2, 3], 3)
    assert [entry.mol_id for entry in best.entries] == ["c", "a", "b"]
    assert best.rows.tolist() == [2, 1, 0]
    assert best.rows.dtype == np.int64


def test_ties_order_equal_scores_alone():
    scores, ties = np.array([0.5, 0.5, 0.7]), np.array([0.1, 0.2, 0.0])
    best = TopK.from_arrays(scores, ["a", "b", "c"], [0, 1, 2], 3, ties)
    assert [entry.mol_id for entry in best.entries] == ["c", "b", "a"]
    assert "ties" not in TopK.from_arrays(scores, ["a", "b", "c"], [0, 1, 2], 3).to_json()


def test_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match="cannot merge a top 3 with a top 4"):
        TopK(3).merge(TopK(4))
    with pytest.raises(ValueError, match="positive"):
        TopK(0)
    with pytest.raises(ValueError, match="shorter"):
        TopK.from_arrays(np.array([1.0, 2.0]), ["a"], [1, 2], 3)


@pytest.mark.parametrize(
    "value",
    [
        {},
        [],
        {"k": 2, "scores": [1.0], "mol_ids": [], "rows": [1]},
        {"k": 2, "scores": ["high"], "mol_ids": ["a"], "rows": [1]},
        {"k": 2, "scores": [0.1, 0.2], "mol_ids": ["a", "b"], "rows": [1, 2]},
        {"k": 1, "scores": [0.2, 0.1], "mol_ids": ["a", "b"], "rows": [1, 2]},
        {"k": 1, "scores": [0.2], "mol_ids": ["a"], "rows": [1], "ties": [float("nan")]},
        {"k": 1, "scores": [0.2], "mol_ids": ["a"], "rows": [1], "ties": [0.1, 0.2]},
    ],
)
def test_refuses_json_that_it_did_not_write(value):
    with pytest.raises(SchemaError, match="top-k"):
        TopK.from_json(value)


def test_entries_cannot_be_changed():
    best = TopK.of([Ranked(1.0, "a", 0)], 3)
    with pytest.raises(AttributeError):
        best.k = 4  # type: ignore[misc]
