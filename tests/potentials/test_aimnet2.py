"""AIMNet2 here is AIMNet2 as published, in whatever order and company molecules come."""

import itertools

import numpy as np
import pytest
import torch

from screener.potentials.aimnet2.network import ROWS
from screener.potentials.aimnet2.potential import AimNet2
from screener.records import Structure

EV, EV_PER_ANGSTROM, CHARGE = 1e-4, 1e-3, 1e-5


def assert_same(one, other):
    for a, b in zip(one, other, strict=True):
        assert (a.energy_ev, a.std_ev) == (b.energy_ev, b.std_ev)
        np.testing.assert_array_equal(a.forces, b.forces)
        np.testing.assert_array_equal(a.charges, b.charges)


def test_it_is_what_was_published(potential, published, structures):
    for structure, ours in zip(structures, potential.evaluate(structures), strict=True):
        energy, forces, charges = published(structure)
        assert abs(ours.energy_ev - energy) < EV
        assert np.abs(ours.forces - forces).max() < EV_PER_ANGSTROM
        assert np.abs(ours.charges - charges).max() < CHARGE


def test_a_molecule_has_the_same_bytes_in_any_company(potential, structures):
    structures = [*structures, *structures]
    together = potential.evaluate(structures)
    assert sum(each.n_atoms for each in structures) > ROWS  # several blocks
    alone = [potential.evaluate([each])[0] for each in structures]
    assert_same(together, alone)
    order = np.random.default_rng(1).permutation(len(structures)).tolist()
    turned = potential.evaluate([structures[place] for place in order])
    assert_same([together[place] for place in order], turned)
    many = potential.evaluate([structures[0]] * 40)
    assert_same(many, [together[0]] * 40)


def test_a_molecule_larger_than_a_block(potential, published):
    spacing = np.arange(6) * 2.9
    places = np.array(list(itertools.product(spacing, spacing, spacing)))[: ROWS // 3 + 8]
    water = np.array([[0.0, 0.0, 0.0], [0.96, 0.0, 0.0], [-0.24, 0.93, 0.0]])
    positions = (places[:, None] + water).reshape(-1, 3).astype(np.float32)
    large = Structure(np.tile(np.array([8, 1, 1], np.uint8), len(places)), positions)
    assert large.n_atoms > ROWS
    ours, (energy, forces, _) = potential.evaluate([large])[0], published(large)
    assert abs(ours.energy_ev - energy) < large.n_atoms * 1e-6
    assert np.abs(ours.forces - forces).max() < EV_PER_ANGSTROM


def test_forces_are_derivatives_of_the_energy(potential, structures):
    structure, step = structures[0], 1e-2
    forces = potential.evaluate([structure])[0].forces
    for atom, axis in ((0, 0), (3, 1), (7, 2)):
        moved = []
        for sign in (1, -1):
            positions = structure.positions.copy()
            positions[atom, axis] += sign * step
            moved.append(Structure(structure.atomic_numbers, positions))
        above, below = (each.energy_ev for each in potential.evaluate(moved))
        assert forces[atom, axis] == pytest.approx(-(above - below) / (2 * step), abs=0.02)


def test_turned_moved_and_renumbered_it_is_the_same(potential, structures):
    structure = structures[3]
    order = np.random.default_rng(2).permutation(structure.n_atoms)
    turn, _ = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))
    positions = (structure.positions @ turn + [1.0, -2.0, 3.0]).astype(np.float32)
    other = Structure(structure.atomic_numbers[order], positions[order])
    here, there = potential.evaluate([structure, other])
    assert there.energy_ev == pytest.approx(here.energy_ev, abs=1e-4)
    np.testing.assert_allclose(there.forces, (here.forces @ turn)[order], atol=1e-3)
    np.testing.assert_allclose(there.charges, here.charges[order], atol=1e-5)


def test_molecules_far_apart_are_the_sum(potential, structures):
    one, other = structures[0], structures[2]
    apart = Structure(
        np.concatenate([one.atomic_numbers, other.atomic_numbers]),
        np.concatenate([one.positions, other.positions + np.float32([60.0, 0.0, 0.0])]),
    )
    alone, beside, both = potential.evaluate([one, other, apart])
    # charges are balanced over both, so some thousandths of an electron pass between them
    assert both.energy_ev == pytest.approx(alone.energy_ev + beside.energy_ev, abs=0.02)


def test_charges_sum_to_the_charge_of_the_molecule_and_change_the_energy(potential, structures):
    for structure, each in zip(structures, potential.evaluate(structures), strict=True):
        assert each.charges.sum() == pytest.approx(structure.charge, abs=1e-4)
        assert each.std_ev > 0
    ion = structures[6]
    assert ion.charge == -1
    as_neutral = Structure(ion.atomic_numbers, ion.positions)
    charged, neutral = potential.evaluate([ion, as_neutral])
    assert charged.energy_ev < neutral.energy_ev - 1.0  # triflate holds its electron


def test_nothing_is_evaluated_of_nothing(potential):
    assert potential.evaluate([]) == []


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_a_gpu_says_the_same(potential, structures):
    for here, there in zip(
        potential.evaluate(structures), AimNet2("cuda").evaluate(structures), strict=True
    ):
        assert there.energy_ev == pytest.approx(here.energy_ev, abs=EV)
        np.testing.assert_allclose(there.forces, here.forces, atol=EV_PER_ANGSTROM)
