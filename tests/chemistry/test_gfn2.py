import numpy as np
import pytest

from screener.chemistry.gfn2 import Gfn2, with_gfn2
from screener.errors import MoleculeError
from screener.records import Structure
from screener.units import ANGSTROM_PER_BOHR

WATER = np.array([8, 1, 1]), np.array([[0, 0, 0.1173], [0, 0.7572, -0.4692], [0, -0.7572, -0.4692]])


def single_point(numbers, positions) -> Structure:
    return with_gfn2(Structure(numbers.astype(np.uint8), positions.astype(np.float32)))


def test_water_has_its_published_energy_and_a_dipole_along_its_axis():
    water = single_point(*WATER)
    values, charges = water.values, water.atom_values["charges_gfn2"]
    assert values["energy_gfn2_ha"] == pytest.approx(
        -5.0703, abs=2e-3
    )  # xtb's documentation: -5.070
    assert 1.8 < values["dipole_gfn2_debye"] < 2.6
    assert charges.sum() == pytest.approx(0.0, abs=1e-5)
    assert charges[0] < -0.4 < 0.2 < charges[1]
    assert values["homo_gfn2_ev"] < values["lumo_gfn2_ev"]


def test_gradient_is_the_derivative_of_the_energy():
    numbers, positions = WATER
    bohr = positions / ANGSTROM_PER_BOHR
    calculator = Gfn2(numbers, bohr)
    _, gradient = calculator.energy_and_gradient(bohr)
    h = 1e-3
    for atom, axis in ((0, 2), (1, 1)):
        shifted = bohr.copy()
        shifted[atom, axis] += h
        plus = calculator.energy_and_gradient(shifted)[0]
        shifted[atom, axis] -= 2 * h
        minus = calculator.energy_and_gradient(shifted)[0]
        assert gradient[atom, axis] == pytest.approx((plus - minus) / (2 * h), abs=1e-5)


def test_energy_ignores_pose():
    numbers, positions = WATER
    turn, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))
    moved = single_point(numbers, positions @ turn + 3.0).values
    still = single_point(numbers, positions).values
    assert moved["energy_gfn2_ha"] == pytest.approx(still["energy_gfn2_ha"], abs=1e-6)
    assert moved["homo_gfn2_ev"] == pytest.approx(still["homo_gfn2_ev"], abs=1e-5)


def test_what_does_not_converge_is_the_molecules_error():
    scattered = np.random.default_rng(0).normal(size=(4, 3)) * 10  # free carbon atoms: degenerate
    with pytest.raises(MoleculeError, match="250 cycles") as caught:
        single_point(np.full(4, 6), scattered)
    assert caught.value.code == "scf_failed"


def test_atoms_on_top_of_one_another_are_the_molecules_error():
    with pytest.raises(MoleculeError, match="Too close") as caught:
        single_point(np.array([8, 1, 1]), np.array([[0.0, 0, 0], [0, 0, 1], [0, 0, 1]]))
    assert caught.value.code == "gfn2_refused"
