"""Ionisation potentials and electron affinities against plain tblite, physics and symmetry."""

import numpy as np
import pytest
from tblite.interface import Calculator

from screener.chemistry.identity import mol_id
from screener.chemistry.levels import REDOX_COLUMNS
from screener.chemistry.redox import require_solvent, with_redox
from screener.chemistry.structures import StructureSettings, make_structure
from screener.errors import ConfigError
from screener.records import Structure
from screener.units import ANGSTROM_PER_BOHR, EV_PER_HARTREE

SETTINGS = StructureSettings.at("gfn2-opt", values=("gfn2-redox",))


def made(smiles: str) -> Structure:
    return make_structure(smiles, mol_id(smiles), SETTINGS)


def energy(structure: Structure, charge: int, n_unpaired: int, solvent: str | None) -> float:
    bohr = structure.positions.astype(float) / ANGSTROM_PER_BOHR
    calculator = Calculator(
        "GFN2-xTB", structure.atomic_numbers, bohr, charge=charge, uhf=n_unpaired
    )
    calculator.set("verbosity", 0)
    if solvent:
        calculator.add("alpb-solvation", solvent)
    return calculator.singlepoint().get("energy") * EV_PER_HARTREE


def test_values_are_differences_of_total_energies():
    structure = made("COC(=O)OC")
    for solvent, ip, ea in (
        (
            None,
            structure.values["ip_uncorrected_gfn2_ev"],
            structure.values["ea_uncorrected_gfn2_ev"],
        ),
        (
            "acetonitrile",
            structure.values["eox_uncorrected_gfn2_v_li"] + 1.40,
            structure.values["ered_uncorrected_gfn2_v_li"] + 1.40,
        ),
    ):
        neutral = energy(structure, 0, 0, solvent)
        assert ip == pytest.approx(energy(structure, 1, 1, solvent) - neutral, abs=1e-5)
        assert ea == pytest.approx(neutral - energy(structure, -1, 1, solvent), abs=1e-5)


def test_amines_and_ethers_lose_electrons_first_and_quinones_and_nitro_compounds_take_them_up():
    found = {
        name: made(smiles).values
        for name, smiles in {
            "amine": "CCN(CC)CC",
            "ether": "COCCOC",
            "carbonate": "O=C1OCCO1",
            "nitrile": "CC#N",
            "quinone": "O=C1C=CC(=O)C=C1",
            "nitro": "C[N+](=O)[O-]",
        }.items()
    }
    assert (
        found["amine"]["eox_uncorrected_gfn2_v_li"]
        < found["ether"]["eox_uncorrected_gfn2_v_li"]
        < found["carbonate"]["eox_uncorrected_gfn2_v_li"]
        < found["nitrile"]["eox_uncorrected_gfn2_v_li"]
    )
    solvents = [
        found[name]["ered_uncorrected_gfn2_v_li"]
        for name in ("amine", "ether", "carbonate", "nitrile")
    ]
    assert (
        found["quinone"]["ered_uncorrected_gfn2_v_li"]
        > found["nitro"]["ered_uncorrected_gfn2_v_li"]
        > max(solvents)
    )
    for each in found.values():  # a solvent stabilises both ions
        assert each["eox_uncorrected_gfn2_v_li"] + 1.40 < each["ip_uncorrected_gfn2_ev"]
        assert each["ered_uncorrected_gfn2_v_li"] + 1.40 > each["ea_uncorrected_gfn2_ev"]


def test_a_turned_molecule_is_the_same():
    structure = made("O=C1OCCO1")
    turn, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))
    turned = Structure(structure.atomic_numbers, (structure.positions @ turn).astype(np.float32))
    found = with_redox(turned, "acetonitrile").values
    for name in REDOX_COLUMNS:
        assert found[name] == pytest.approx(structure.values[name], abs=1e-3)


@pytest.mark.parametrize(
    ("smiles", "charge", "n_unpaired"), [("[CH2]C(=O)OC", 0, 1), ("C[N+](C)(C)C", 1, 0)]
)
def test_ions_of_radicals_and_of_ions_have_their_own_multiplicity(smiles, charge, n_unpaired):
    structure = made(smiles)
    ion = 0 if n_unpaired else 1
    there = energy(structure, charge, n_unpaired, None)
    ip = energy(structure, charge + 1, ion, None) - there
    assert structure.values["ip_uncorrected_gfn2_ev"] == pytest.approx(ip, abs=1e-5)
    ea = there - energy(structure, charge - 1, ion, None)
    assert structure.values["ea_uncorrected_gfn2_ev"] == pytest.approx(ea, abs=1e-5)


def test_what_does_not_converge_is_nan_and_the_structure_stays():
    structure = made("CC#N")
    crushed = Structure(structure.atomic_numbers, (structure.positions * 0).astype(np.float32))
    found = with_redox(crushed, "acetonitrile").values
    assert np.isnan([found[name] for name in REDOX_COLUMNS]).all()


def test_an_unknown_solvent_is_told():
    require_solvent("dmso")
    with pytest.raises(ConfigError, match="solvent 'vodka'"):
        require_solvent("vodka")
