"""The plan covers every row once, names units by their content and needs no memory."""

from itertools import islice

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from screener.campaign.settings.plan import StagePlan, segment_name
from screener.stores.runs import runs_of, unit_name


@given(n_rows=st.integers(0, 5000), unit_rows=st.integers(1, 700))
def test_ranges_cover_every_row_once_in_order(n_rows, unit_rows):
    plan = StagePlan.whole("stage", n_rows, unit_rows, 8)
    units = list(plan.units())
    rows = np.concatenate([unit.rows for unit in units]) if units else np.empty(0, np.int64)
    assert rows.tolist() == list(range(n_rows))
    assert len(units) == plan.n_units
    assert all(0 < unit.n_rows <= unit_rows for unit in units)


@given(rows=st.sets(st.integers(0, 10**9), min_size=1, max_size=200), unit_rows=st.integers(1, 40))
def test_batches_hold_the_chosen_rows_whatever_their_order(rows, unit_rows):
    plan = StagePlan.chosen("stage", [list(rows)], unit_rows, 8)
    units = list(plan.units())
    other_order = StagePlan.chosen("stage", [sorted(rows, reverse=True)], unit_rows, 8)
    assert units == list(other_order.units())
    assert np.concatenate([unit.rows for unit in units]).tolist() == sorted(rows)
    assert len(units) == plan.n_units


@given(
    rows=st.sets(st.integers(0, 300), min_size=1),
    wanted=st.sets(st.integers(0, 400)),
    unit_rows=st.integers(1, 40),
)
def test_rows_are_found_in_the_units_that_hold_them(rows, wanted, unit_rows):
    ascending = sorted(rows)
    for plan in (
        StagePlan.chosen("stage", [list(rows)], unit_rows, 8),
        StagePlan.chosen("stage", [ascending[::2], ascending[1::2]], unit_rows, 8),
        StagePlan.whole("stage", 200, unit_rows, 8),
    ):
        found = list(plan.holding(np.array(sorted(wanted), dtype=np.int64)))
        assert found == [u for u in plan.units() if wanted.intersection(u.rows.tolist())]


@given(
    batches=st.lists(st.sets(st.integers(0, 500), min_size=1, max_size=50), max_size=5),
    unit_rows=st.integers(1, 40),
)
def test_a_batch_that_follows_leaves_the_units_before_it_as_they_were(batches, unit_rows):
    plans = [
        StagePlan.chosen("stage", map(list, batches[:n]), unit_rows, 8)
        for n in range(len(batches) + 1)
    ]
    for before, after, batch in zip(plans, plans[1:], batches, strict=False):
        units = list(after.units())
        assert units[: before.n_units] == list(before.units())
        added = [row for unit in units[before.n_units :] for row in unit.rows.tolist()]
        assert added == sorted(batch)
        assert [unit.index for unit in units] == list(range(after.n_units))


def test_a_unit_is_named_by_its_rows_and_its_stage():
    name = unit_name("mmff94", ((0, 512),))
    assert name == unit_name("mmff94", ((0, 512),))
    assert name != unit_name("gfn2-opt", ((0, 512),))
    assert name != unit_name("mmff94", ((0, 511),))
    assert name != unit_name("mmff94", ((0, 256), (256, 512)))


@given(n_units=st.integers(1, 60), segment_units=st.integers(1, 20))
def test_segments_hold_every_unit_once_in_order(n_units, segment_units):
    plan = StagePlan.whole("stage", 2 * n_units, 2, segment_units)
    numbers = range(-(-n_units // segment_units))
    units = [unit for number in numbers for unit in plan.segment(number)]
    assert units == list(plan.units())
    keys = list(plan.storage_keys(units))
    assert [name for _, name in keys] == [unit.name for unit in units]
    assert [segment for segment, _ in keys] == [
        segment_name(number) for number in numbers for _ in plan.segment(number)
    ]


def test_a_billion_rows_are_planned_lazily():
    plan = StagePlan.whole("stage", 10**9, 512, 128)
    assert [unit.runs for unit in islice(plan.units(), 2)] == [((0, 512),), ((512, 1024),)]
    assert plan.n_units == 1_953_125
    (holding,) = plan.holding(np.array([999_999_999]))
    assert holding.runs == ((999_999_488, 1_000_000_000),)


def test_runs_join_consecutive_rows():
    assert runs_of(np.array([3, 4, 5, 9, 11, 12])) == ((3, 6), (9, 10), (11, 13))
