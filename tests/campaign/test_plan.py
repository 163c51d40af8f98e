"""The plan covers every row once, names units by their content and needs no memory."""

from itertools import islice

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from screener.campaign.plan import batch_units, count_units, make_unit, range_units, runs_of


@given(n_rows=st.integers(0, 5000), unit_rows=st.integers(1, 700))
def test_ranges_cover_every_row_once_in_order(n_rows, unit_rows):
    units = list(range_units("stage", n_rows, unit_rows))
    rows = np.concatenate([unit.rows for unit in units]) if units else np.empty(0, np.int64)
    assert rows.tolist() == list(range(n_rows))
    assert len(units) == count_units(n_rows, unit_rows)
    assert all(0 < unit.n_rows <= unit_rows for unit in units)


@given(rows=st.sets(st.integers(0, 10**9), min_size=1, max_size=200), unit_rows=st.integers(1, 40))
def test_batches_hold_the_chosen_rows_whatever_their_order(rows, unit_rows):
    given_order = list(batch_units("stage", list(rows), unit_rows))
    other_order = list(batch_units("stage", sorted(rows, reverse=True), unit_rows))
    assert given_order == other_order
    assert np.concatenate([unit.rows for unit in given_order]).tolist() == sorted(rows)
    assert len(given_order) == count_units(len(rows), unit_rows)


def test_a_unit_is_named_by_its_rows_and_its_stage():
    unit = make_unit("mmff94", ((0, 512),))
    assert unit.name == make_unit("mmff94", ((0, 512),)).name
    assert unit.name != make_unit("gfn2-opt", ((0, 512),)).name
    assert unit.name != make_unit("mmff94", ((0, 511),)).name
    assert unit.name != make_unit("mmff94", ((0, 256), (256, 512))).name


def test_a_billion_rows_are_planned_lazily():
    units = range_units("stage", 10**9, 512)
    assert [unit.runs for unit in islice(units, 2)] == [((0, 512),), ((512, 1024),)]
    assert count_units(10**9, 512) == 1_953_125


def test_runs_join_consecutive_rows():
    assert runs_of(np.array([3, 4, 5, 9, 11, 12])) == ((3, 6), (9, 10), (11, 13))
