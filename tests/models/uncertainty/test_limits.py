"""Bounds of quantities, and intervals that tell nothing."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from model_fixtures import DIRECT

from screener.models.calibration import (
    QuantityCalibration,
    Rows,
    calibrated_columns,
    domain_columns,
)
from screener.models.raw_predictions import RawPredictions
from screener.models.uncertainty.conformal import conformal_quantile
from screener.models.uncertainty.limits import Interval, refusals, within_bounds
from screener.registry.columns import column
from screener.training.fit.calibrate import max_width90

DIPOLE, HOMO = column("dipole_b3lyp_debye"), column("homo_b3lyp_ev")


def interval(value, half):
    value, half = np.atleast_1d(np.asarray(value, float)), np.asarray(half, float)
    return Interval(value, value - half, value + half)


@given(value=st.floats(-3.0, 10.0), half=st.floats(0.01, 60.0), truth=st.floats(0.0, 100.0))
def test_an_interval_that_is_cut_off_covers_what_it_did(value, half, truth):
    before = interval(value, half)
    after = within_bounds(DIPOLE, before)
    covered = [bool(each.low <= truth <= each.high) for each in (before, after)]
    assert covered[0] == covered[1] or (truth == 0.0 and before.high < 0.0)
    assert 0.0 <= after.low <= after.value <= after.high
    if before.low >= 0.0:  # nothing that was right is changed
        assert (after.low, after.value, after.high) == (before.low, before.value, before.high)
    assert within_bounds(HOMO, before) is before  # an orbital energy has no bounds


def test_calibrated_intervals_hold_on_new_molecules_once_they_are_cut_off():
    generator = np.random.default_rng(0)

    def drawn(n):  # moduli of vectors, as dipoles are, many of them near zero
        truth = np.abs(generator.normal(0.0, 1.5, n))
        stds = generator.uniform(0.2, 1.5, n)
        return truth, truth + stds * generator.standard_t(4, n), stds

    truth, value, stds = drawn(2_000)
    quantile = conformal_quantile(value - truth, stds)
    truth, value, stds = drawn(50_000)
    told = within_bounds(DIPOLE, interval(value, quantile * stds))
    covered = (told.low <= truth) & (truth <= told.high)
    assert covered.mean() == pytest.approx(0.9, abs=0.02)
    cut = value - quantile * stds < 0.0
    assert cut.mean() > 0.3
    assert (told.high - told.low)[cut].mean() < 0.8 * (2 * quantile * stds)[cut].mean()
    # what is withheld as too wide does not spoil the rest
    narrow = told.high - told.low <= 3.0
    assert 0.2 < narrow.mean() < 0.95
    assert covered[narrow].mean() == pytest.approx(0.9, abs=0.03)


def test_what_is_too_wide_or_impossible_is_no_answer():
    values = Interval(
        np.array([1.0, 1.0, -0.5, -1.0]),
        np.array([-47.61, -2.0, -1.5, -1.5]),
        np.array([49.61, 4.0, 0.5, -0.5]),
    )
    wide, fine, partly, never = refusals(DIPOLE, values, 4.54)
    assert wide == "dipole_b3lyp_debye is too uncertain (width 49.61, limit 4.54)"
    assert (fine, partly) == ("", "")  # of 6 D the half below zero says nothing
    assert never == "dipole_b3lyp_debye is impossible (low -1.50, high -0.50, bound 0.00)"
    assert refusals(DIPOLE, values, None)[:3] == ["", "", ""]  # cards of before state no limit


def test_the_limit_is_the_interval_of_a_guess():
    labels = np.linspace(0.0, 10.0, 1_001)
    counts = np.ones((1_001, 1))
    assert max_width90(labels, counts, extensive=False) == pytest.approx(9.0)
    # composition explains all but what is put on top of it
    atoms = np.random.default_rng(0).integers(1, 10, (1_001, 2)).astype(float)
    noise = np.random.default_rng(1).normal(0.0, 2.0, 1_001)
    energies = atoms @ [100.0, 50.0] + noise
    assert max_width90(energies, atoms, extensive=True) == pytest.approx(2 * 1.645 * 2.0, rel=0.1)
    assert max_width90(energies, atoms, extensive=False) > 500.0


def test_a_column_without_an_answer_is_null_and_the_molecule_stays_inside():
    half = {"dipole_b3lyp_debye": 3.0}
    calibration = {
        each.name: QuantityCalibration(
            std_scale=1.0, quantile=2.0, growth=1.0, n=100, max_width90=half.get(each.name, 1.0)
        )
        for each in DIRECT.all
    }
    values = np.array([[900.0, -7.0, 1.0, 2.0], [900.0, -7.0, 1.0, 2.0], [900.0, -7.0, 1.0, 2.0]])
    stds = np.full((3, 4), 0.1)
    stds[1, 3] = 4.0  # of the dipole
    stds[2] = 40.0
    raw = RawPredictions(values, stds, np.zeros(0), np.zeros(4, np.int64))
    rows = Rows(np.arange(3), np.ones(3, dtype=bool), np.full(3, 5), 9)
    reasons = [[], [], []]
    table = calibrated_columns(DIRECT, calibration, raw, {}, rows, reasons)
    assert table["dipole_b3lyp_debye"].to_pylist() == [2.0, None, None]
    assert table["dipole_b3lyp_debye_hi90"].to_pylist() == [2.2, None, None]
    assert table["homo_b3lyp_ev"].to_pylist() == [-7.0, -7.0, None]
    answers = [table[each.name] for each in DIRECT.all]
    ends = pa.table(domain_columns(rows.in_domain, reasons, "mmff94", answers))
    assert ends["in_domain"].to_pylist() == [True, True, False]  # outside without any answer
    first, second, third = ends["domain_reasons"].to_pylist()
    assert first == ""
    assert second.startswith("dipole_b3lyp_debye is too uncertain (width 10.00, limit 3.00")
    assert third.count("is too uncertain") == len(DIRECT.all)
