import csv
import itertools
import os
import sys

import numpy as np
import pytest

from screener.chemistry import b3lyp
from screener.chemistry.b3lyp import with_b3lyp
from screener.errors import ConfigError, MoleculeError
from screener.records import Structure
from screener.training.qm9 import molecules as qm9
from screener.units import EV_PER_HARTREE, KCAL_PER_HARTREE

pytest.importorskip("pyscf")

SMALL = 181  # first molecules of QM9; the last of them, CF4, is the smallest with fluorine


@pytest.fixture(scope="module")
def entries() -> dict[str, tuple[qm9.Entry, float]]:
    """The first molecules of QM9, and their electronic energies in hartree."""
    with qm9._files()[0].open(newline="") as lines:
        rows = list(itertools.islice(csv.DictReader(lines), SMALL))
    energies = [
        qm9._number(row["InternalEnergy_0K_au"]) - qm9._number(row["ZPVE_au"]) for row in rows
    ]
    first = itertools.islice(qm9.entries(), SMALL)
    return {entry.smiles: (entry, energy) for entry, energy in zip(first, energies, strict=True)}


def structure_of(entry: qm9.Entry) -> Structure:
    return Structure(entry.atomic_numbers, entry.positions.astype(np.float32))


@pytest.mark.parametrize(
    "smiles", ["N", "C#N", "C=O", pytest.param("FC(F)(F)F", marks=pytest.mark.soak)]
)
def test_values_are_those_of_qm9(entries, smiles):
    entry, energy = entries[smiles]
    values = with_b3lyp(structure_of(entry)).values
    assert abs(values["energy_b3lyp_ha"] - energy) * KCAL_PER_HARTREE < 0.05
    # QM9 has orbital energies to a ten-thousandth of a hartree
    rounding = 0.5e-4 * EV_PER_HARTREE
    assert values["homo_b3lyp_ev"] == pytest.approx(entry.homo_b3lyp_ev, abs=0.001 + rounding)
    assert values["lumo_b3lyp_ev"] == pytest.approx(entry.lumo_b3lyp_ev, abs=0.001 + rounding)
    assert values["dipole_b3lyp_debye"] == pytest.approx(entry.dipole_b3lyp_debye, abs=0.002)


def test_a_turned_and_moved_molecule_is_the_same(entries):
    water = structure_of(entries["O"][0])
    turn, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))
    moved = Structure(
        water.atomic_numbers, (water.positions @ turn + [3.0, -2.0, 1.0]).astype(np.float32)
    )
    here, there = with_b3lyp(water).values, with_b3lyp(moved).values
    assert there["energy_b3lyp_ha"] == pytest.approx(here["energy_b3lyp_ha"], abs=2e-5)
    assert there["dipole_b3lyp_debye"] == pytest.approx(here["dipole_b3lyp_debye"], abs=1e-3)


@pytest.mark.slow
def test_ions_are_open_shells_and_cost_energy(entries):
    water = structure_of(entries["O"][0])
    cation = Structure(water.atomic_numbers, water.positions, charge=1, n_unpaired=1)
    neutral, ion = with_b3lyp(water).values, with_b3lyp(cation).values
    potential = (ion["energy_b3lyp_ha"] - neutral["energy_b3lyp_ha"]) * EV_PER_HARTREE
    # measured 12.6 eV: NIST Chemistry WebBook, water, ionisation energy
    assert potential == pytest.approx(12.6, abs=0.6)


def test_the_lowest_empty_orbital_of_a_hydrogen_atom_is_that_of_the_other_spin():
    atom = Structure(np.ones(1, np.uint8), np.zeros((1, 3), np.float32), n_unpaired=1)
    values = with_b3lyp(atom).values
    assert values["energy_b3lyp_ha"] == pytest.approx(-0.500273, abs=1e-6)  # QM9's free atom
    assert values["homo_b3lyp_ev"] < -8 < -1 < values["lumo_b3lyp_ev"] < 1


@pytest.mark.slow
def test_a_wave_function_that_the_second_stage_does_not_find_is_found_by_the_third(
    entries, monkeypatch
):
    water = structure_of(entries["O"][0])
    expected = with_b3lyp(water).values
    monkeypatch.setattr(b3lyp, "_MAX_CYCLES", 15)
    monkeypatch.setattr(b3lyp, "_FINE", (1, 0.0, 0.0, 0.0))  # so nothing is good enough
    values = with_b3lyp(water).values
    assert values["energy_b3lyp_ha"] == pytest.approx(expected["energy_b3lyp_ha"], abs=1e-6)
    # not raised by the level shift
    assert values["lumo_b3lyp_ev"] == pytest.approx(expected["lumo_b3lyp_ev"], abs=1e-3)


def test_what_does_not_converge_is_the_molecules_error(entries, monkeypatch):
    monkeypatch.setattr(b3lyp, "_MAX_CYCLES", 1)
    with pytest.raises(MoleculeError, match="did not converge") as caught:
        with_b3lyp(structure_of(entries["O"][0]))
    assert caught.value.code == "scf_failed"


@pytest.mark.parametrize(("charge", "n_unpaired"), [(0, 1), (1, 0), (9, 3), (10, 0)])
def test_electrons_that_cannot_be_unpaired_are_the_molecules_error(entries, charge, n_unpaired):
    water = structure_of(entries["O"][0])
    ion = Structure(water.atomic_numbers, water.positions, charge=charge, n_unpaired=n_unpaired)
    with pytest.raises(MoleculeError) as caught:
        with_b3lyp(ion)
    assert caught.value.code == "impossible_multiplicity"


@pytest.mark.parametrize("place", [0.1, np.nan])
def test_nuclei_on_top_of_one_another_or_nowhere_are_the_molecules_error(place):
    positions = np.array([[0, 0, 0], [0, 0, place]], np.float32)
    with pytest.raises(MoleculeError) as caught:
        with_b3lyp(Structure(np.ones(2, np.uint8), positions))
    assert caught.value.code == "broken_geometry"


def test_without_pyscf_the_error_names_the_extra(entries, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyscf.dft", None)
    before = dict(os.environ)
    with pytest.raises(ConfigError, match=r"screener\[b3lyp\]"):
        with_b3lyp(structure_of(entries["O"][0]))
    assert dict(os.environ) == before


def test_an_element_that_the_basis_is_not_set_up_for_is_the_molecules_error():
    bromine = Structure(np.array([1, 35], np.uint8), np.eye(2, 3, dtype=np.float32))
    with pytest.raises(MoleculeError, match="not set up for Br") as caught:
        with_b3lyp(bromine)
    assert caught.value.code == "element_unknown"
