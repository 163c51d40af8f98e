"""What the cards of the shipped models say of one another."""

import pytest

from screener.campaign.settings.between import error_at, later_stage, settled_sizes
from screener.models.bundle_files import read_card
from screener.models.shipped import G4MP2_LADDER, QM9_DELTA, QM9_DIRECT

HOMO, DIPOLE = "homo_b3lyp_ev", "dipole_b3lyp_debye"
DIRECT, DELTA = read_card(QM9_DIRECT), read_card(QM9_DELTA)
TEST = "test, from SMILES alone"


def test_errors_are_those_of_the_card_and_grow_beyond_it():
    by_size = DIRECT.metrics[TEST][DIPOLE]["by_n_heavy"]
    assert error_at(DIRECT, DIPOLE, 8) == by_size["8"]["mae"]
    assert error_at(DIRECT, DIPOLE, 9) == by_size["9"]["mae"]
    growth = DIRECT.quantities[DIPOLE].calibration.growth
    assert error_at(DIRECT, DIPOLE, 11) == pytest.approx(by_size["9"]["mae"] * growth**2)
    assert error_at(DIRECT, DIPOLE, 3) is None  # too few for a figure
    assert error_at(read_card(G4MP2_LADDER), DIPOLE, 9) is None  # its card is of another test


def test_the_stage_with_the_smaller_error_decides():
    settled = settled_sizes(DIRECT, DELTA)
    for name, sizes in settled.items():
        for n_heavy in range(1, 15):
            errors = [error_at(card, name, n_heavy) for card in (DIRECT, DELTA)]
            expected = None not in errors and errors[0] <= errors[1]
            assert (n_heavy in sizes) == expected
    # what is documented of the two shipped models
    assert settled[DIPOLE] == (8, 9, 10, 11, 12, 13, 14)
    assert settled["gap_b3lyp_ev"] == (8, 9)
    # of two models one decides: the other way round it is the rest
    back = settled_sizes(DELTA, DIRECT)
    for name, sizes in settled.items():
        assert set(sizes) & set(back.get(name, ())) == set()
        assert set(sizes) | set(back.get(name, ())) == set(range(8, 15))


def test_a_model_is_no_rival_of_its_own():
    assert settled_sizes(DELTA, DELTA) == {}


def test_a_model_that_says_nothing_settles_nothing():
    ladder = read_card(G4MP2_LADDER)
    assert later_stage(DIRECT, ladder).settled == {}
    assert later_stage(DIRECT, ladder).halves == {}
    known = later_stage(DIRECT, DELTA)
    assert known.halves[HOMO] == pytest.approx(DELTA.metrics[TEST][HOMO]["mean_width90"] / 2)
    assert known.stretch == {}
