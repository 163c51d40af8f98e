"""Labels against composition: on QM9 itself, and on the reference data where it is."""

import importlib.util
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from screener.registry.columns import column
from screener.registry.units import EV, units_by_name
from screener.training.qm9 import molecules as qm9
from screener.training.tables.sanity import Claim, problems, zero_point_estimate
from screener.units import KCAL_PER_HARTREE

AE = "ae0_b3lyp_kcal"
D0 = "kcal/mol", "bound-positive", "included"
DE = "kcal/mol", "bound-positive", "none"
UNITS = units_by_name()
ENERGIES = ["kcal/mol", "kJ/mol", "eV", "hartree"]
REFERENCE = os.environ.get("SCREENER_REFERENCE_DATA")


def counted(molecules):
    elements = sorted({int(z) for numbers in molecules for z in numbers})
    return {z: np.array([np.count_nonzero(np.array(m) == z) for m in molecules]) for z in elements}


def check(values, claim, counts, name=AE):
    unit, sign, zpe = claim
    claimed = Claim(column(name), UNITS[unit], sign, zpe)
    return problems({name: np.asarray(values)}, {name: claimed}, counts)


@pytest.fixture(scope="module")
def some():
    """Some of the smaller molecules of QM9: compositions and energies."""
    if importlib.util.find_spec("qm9pack") is None:
        pytest.skip("qm9pack is not installed")
    table = pd.read_csv(qm9._files()[0], usecols=[*qm9._COLUMNS, "ZPVE_au"], dtype=str, nrows=2100)[
        300::7
    ]
    entries = [qm9._entry(row) for row in table.itertuples(index=False)]
    return {
        "counts": counted([entry.atomic_numbers for entry in entries]),
        "d0": np.array([entry.ae0_b3lyp_kcal for entry in entries]),
        "zero_point": table["ZPVE_au"].astype(float).to_numpy() * KCAL_PER_HARTREE,
        "total_ha": table["InternalEnergy_0K_au"].astype(float).to_numpy(),
        "homo": np.array([entry.homo_b3lyp_ev for entry in entries]),
        "lumo": np.array([entry.lumo_b3lyp_ev for entry in entries]),
    }


def test_right_labels_are_right_in_either_convention(some):
    assert check(some["d0"], D0, some["counts"]) == []
    assert check(some["d0"] + some["zero_point"], DE, some["counts"]) == []


def test_zero_point_energies_are_a_sum_over_atoms(some):
    error = zero_point_estimate(some["counts"]) - some["zero_point"]
    assert np.abs(error).mean() < 2.0


def test_the_wrong_zero_point_convention_is_named(some):
    (found,) = check(some["d0"] + some["zero_point"], D0, some["counts"])
    assert "do not seem to contain the zero-point energy" in found
    assert "say zpe none" in found
    (found,) = check(some["d0"], DE, some["counts"])
    assert "say zpe included" in found


def test_the_wrong_sign_is_named(some):
    (found,) = check(-some["d0"], D0, some["counts"])
    assert "wrong sign: say sign bound-negative" in found
    (found,) = check(-some["d0"], ("kcal/mol", "bound-negative", "included"), some["counts"])
    assert "wrong sign: say sign bound-positive" in found


@pytest.mark.parametrize("actual", ENERGIES)
@pytest.mark.parametrize("claimed", ENERGIES)
def test_every_confusion_of_units_is_named(some, actual, claimed):
    values = some["d0"] * UNITS[claimed].factor / UNITS[actual].factor  # as read with the claim
    found = check(values, (claimed, "bound-positive", "included"), some["counts"])
    if actual == claimed:
        assert found == []
    else:
        assert f"look like {actual}, not {claimed}" in found[0]
        assert f"Say unit {actual}" in found[0]
    negative = check(-values, (claimed, "bound-positive", "included"), some["counts"])
    assert "wrong sign" in negative[0]


@pytest.mark.parametrize("actual", ENERGIES)
@pytest.mark.parametrize("claimed", ENERGIES)
@pytest.mark.parametrize("sign", ["bound-positive", "bound-negative"])
def test_total_energies_are_told_from_atomization_energies(some, actual, claimed, sign):
    values = some["total_ha"] * UNITS[claimed].factor / UNITS[actual].factor * KCAL_PER_HARTREE
    values = values if sign == "bound-positive" else -values
    (found,) = check(values, (claimed, sign, "included"), some["counts"])
    assert f"total energies in {actual}" in found


def test_one_molecule_is_enough_for_unit_and_sign_but_not_for_the_zero_point():
    methane = counted([[6, 1, 1, 1, 1]])
    assert check([396.0], D0, methane) == []
    assert check([396.0 + 27.7], D0, methane) == []
    assert "hartree" in check([396.0 / KCAL_PER_HARTREE], D0, methane)[0]
    assert "sign" in check([-396.0], D0, methane)[0]


def test_what_no_unit_explains_is_said_so(some):
    (found,) = check(0.02 * some["d0"], D0, some["counts"])
    assert "heats of formation" in found


def test_one_weakly_bound_molecule_is_no_mistake():
    assert check([37.0], D0, counted([[9, 9]])) == []  # F2 at G4(MP2)


def test_molecules_with_other_elements_say_nothing():
    assert check([-1e6], D0, counted([[3, 3]])) == []


def test_orbital_energies_in_hartree_are_found(some):
    names = {"homo_b3lyp_ev": some["homo"], "lumo_b3lyp_ev": some["lumo"]}
    names["gap_b3lyp_ev"] = some["lumo"] - some["homo"]
    claim = ("eV", "bound-positive", "included")
    for name, values in names.items():
        assert check(values, claim, some["counts"], name) == []
        (found,) = check(values * EV.factor, claim, some["counts"], name)
        assert "look like hartree, not eV" in found
        assert f"unit {name}=hartree" in found
    (found,) = check(-some["homo"], claim, some["counts"], "homo_b3lyp_ev")
    assert "wrong sign" in found


def test_labels_beyond_what_nature_allows_are_refused(some):
    claim = ("debye", "bound-positive", "included")
    assert check([1.0, 0.5], claim, some["counts"], "dipole_b3lyp_debye") == []
    (found,) = check([1.0, -0.5], claim, some["counts"], "dipole_b3lyp_debye")
    assert "1 labels are below 0 D, and no dipole moment is" in found


@pytest.mark.reference_data
@pytest.mark.parametrize(
    ("file", "column", "numbers", "claim"),
    [
        ("ppe1694_g4mp2", "g4mp2_ae0_kcal", "atomic_numbers", D0),
        ("g305_g4mp2", "g4mp2_ae0_kcal", "atomic_numbers", D0),
        ("qm9_overlap", "g4mp2_ae0_kcal", "atomic_numbers", D0),
        ("gdb_sugar_small_g4mp2", "b3lyp_ae0_kcal", "atomic_numbers", D0),
        (
            "qm7_pbe0_dftb",
            "pbe0_energy_kcal",
            "atomic_numbers",
            ("kcal/mol", "bound-negative", "none"),
        ),
    ],
)
def test_outside_sets_are_what_their_readme_says(file, column, numbers, claim):
    assert REFERENCE is not None
    path = Path(REFERENCE, f"{file}.parquet")
    table = pd.read_parquet(path, columns=[column, numbers])
    counts = counted(table[numbers])
    values = table[column].to_numpy() * (-1 if claim[1] == "bound-negative" else 1)
    assert check(values, claim, counts) == []
    unit, sign, zpe = claim
    other = "none" if zpe == "included" else "included"
    (found,) = check(values, (unit, sign, other), counts)
    assert f"say zpe {zpe}" in found
    (found,) = check(-values, claim, counts)
    assert "wrong sign" in found
