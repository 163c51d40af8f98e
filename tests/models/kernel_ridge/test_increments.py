import numpy as np
import pytest
from model_fixtures import ELEMENTS

from screener.models.kernel_ridge.increments import increments, vocabulary
from screener.records import Structure


def of(structure: Structure) -> dict[str, float]:
    return dict(zip(vocabulary(ELEMENTS).names, increments([structure], ELEMENTS)[0], strict=True))


def test_ethylene_carbonate_has_a_ring_of_five_and_its_bonds(structure_of):
    found = of(structure_of("O=C1OCCO1"))
    assert {name: found[name] for name in ("C", "H", "O", "N", "F")} == {
        "C": 3, "H": 4, "O": 3, "N": 0, "F": 0,
    }  # fmt: skip
    assert (found["ring 5"], found["ring 6"]) == (1, 0)
    assert found["bond C3-O1"] == 1  # the carbonyl
    assert found["bond C3-O2"] == 2
    assert found["bond C4-H1"] == 4
    assert found["length C-C"] == pytest.approx(1.51, abs=0.04)


def test_contacts_leave_out_what_bonds_hold_together(structure_of):
    assert of(structure_of("C"))["contact H-H"] == 0.0  # methane: all are two bonds apart
    assert of(structure_of("CC"))["contact H-H"] > 0.0
    assert of(structure_of("CC"))["contact C-C"] == 0.0


def test_increments_of_molecules_far_apart_add(structure_of):
    one, other = structure_of("CCO"), structure_of("C1CC1")
    pair = Structure(
        np.concatenate([one.atomic_numbers, other.atomic_numbers]),
        np.concatenate([one.positions, other.positions + np.float32(500.0)]),
    )
    apart = increments([one, other], ELEMENTS).sum(axis=0)
    assert increments([pair], ELEMENTS)[0] == pytest.approx(apart, abs=1e-4)


def test_order_of_atoms_changes_nothing(structure_of):
    structure = structure_of("C12C3C4C1C1C2C3C41")  # cubane: its smallest rings are not unique
    order = np.random.default_rng(0).permutation(structure.n_atoms)
    permuted = Structure(structure.atomic_numbers[order], structure.positions[order])
    assert of(permuted) == pytest.approx(of(structure))


def test_other_elements_have_increments_of_their_own():
    disulfane = Structure(
        np.array([1, 16, 16, 1], np.uint8),
        np.array([[0, 1.3, 0], [0, 0, 0], [2.06, 0, 0], [2.06, 0, 1.3]], np.float32),
    )
    elements = (1, 16)
    found = dict(zip(vocabulary(elements).names, increments([disulfane], elements)[0], strict=True))
    assert (found["S"], found["atom S2"], found["bond S2-S2"], found["bond H1-S2"]) == (2, 2, 1, 2)
    assert "C" not in found
