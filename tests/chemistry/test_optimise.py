import numpy as np
import pytest

from screener.chemistry.conformers import atomic_numbers_of, embed
from screener.chemistry.gfn2 import Gfn2
from screener.chemistry.identity import mol_id
from screener.chemistry.optimise import followed, minimisation
from screener.errors import MoleculeError
from screener.records import Structure
from screener.units import ANGSTROM_PER_BOHR, EV_PER_HARTREE

CAGES = ["O=C1OC[C@@H]2C[C@H]12", "C1CC2OC2C1", "FC(F)(F)COC(=O)OC", "C[C@H]1CCCCO1"]


@pytest.mark.parametrize("smiles", CAGES)
def test_ends_where_no_force_is_left_and_in_few_steps(smiles):
    molecule = embed(smiles, mol_id(smiles), 1)
    numbers = atomic_numbers_of(molecule)
    positions = molecule.GetConformer().GetPositions()
    gfn2 = Gfn2(numbers, positions / ANGSTROM_PER_BOHR)
    start, _ = gfn2.energy_and_gradient(positions / ANGSTROM_PER_BOHR)
    minimum = followed(gfn2.energy_and_gradient, minimisation(numbers, positions, 0.03, 200))

    fresh = Gfn2(numbers, positions / ANGSTROM_PER_BOHR)
    bohr = minimum.positions.astype(np.float64) / ANGSTROM_PER_BOHR
    energy, gradient = fresh.energy_and_gradient(bohr)
    force = np.linalg.norm(gradient, axis=1).max() * EV_PER_HARTREE / ANGSTROM_PER_BOHR
    assert force < 0.0305  # the wave function was converged from another start
    assert energy < start
    last = gfn2.add_to(Structure(numbers, minimum.positions)).values["energy_gfn2_ha"]
    assert last == pytest.approx(energy, abs=1e-6)  # of the last step, which is the minimum
    assert minimum.n_steps <= 40


def test_too_few_steps_is_the_molecules_error():
    molecule = embed("COCCOC", mol_id("COCCOC"), 1)
    numbers, positions = atomic_numbers_of(molecule), molecule.GetConformer().GetPositions()
    gfn2 = Gfn2(numbers, positions / ANGSTROM_PER_BOHR)
    with pytest.raises(MoleculeError, match="did not converge") as caught:
        followed(gfn2.energy_and_gradient, minimisation(numbers, positions, 1e-4, 3))
    assert caught.value.code == "not_converged"


def test_finds_the_minimum_of_a_bowl():
    rest = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 2.2]])  # bohr

    def bowl(positions):
        return 0.3 * ((positions - rest) ** 2).sum(), 0.6 * (positions - rest)

    start = rest * ANGSTROM_PER_BOHR + [[0.1, -0.1, 0.0], [0.0, 0.2, 0.1]]
    minimum = followed(bowl, minimisation(np.array([6, 8]), start, 1e-3, 50))
    assert np.abs(minimum.positions / ANGSTROM_PER_BOHR - rest).max() < 1e-3
