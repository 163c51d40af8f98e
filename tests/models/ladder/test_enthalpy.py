"""Enthalpies of formation from atomization energies."""

from dataclasses import replace

import numpy as np
import pytest

from screener.chemistry.identity import mol_id
from screener.chemistry.structures import StructureSettings, make_structure
from screener.errors import SchemaError
from screener.models.ladder.enthalpy import FormationEnthalpy, sums
from screener.training.g4mp2.enthalpy import fit_enthalpy, heating_std, out_of_fold
from screener.training.g4mp2.reference import ReferenceMolecule

ELEMENTS = (1, 6, 7, 8)
SMILES = ["C", "CC", "CCO", "COC", "CC#N", "C1CC1", "O=CO", "CN", "CCC", "CC=O", "O", "C1CCOC1"]
ATOMS = np.array([50.62, 169.73, 111.49, 57.95])  # kcal/mol


@pytest.fixture(scope="module")
def structures():
    return [make_structure(each, mol_id(each), StructureSettings()) for each in SMILES]


@pytest.fixture(scope="module")
def molecules(structures):
    """With heatings that follow a rule, and enthalpies of formation that follow from them."""
    rng = np.random.default_rng(0)
    counted = sums(structures, ELEMENTS)
    rule = rng.uniform(0.1, 0.6, counted.shape[1])
    result = []
    for smiles, structure, row in zip(SMILES, structures, counted, strict=True):
        heating, energy = float(row @ rule), float(rng.uniform(200.0, 900.0))
        result.append(
            ReferenceMolecule(
                name=smiles, origin="test", smiles=smiles, block=smiles, structure=structure,
                ae0_b3lyp_kcal=np.nan, ae0_g4mp2_kcal=energy, suspect="",
                n_heavy=int((structure.atomic_numbers > 1).sum()), in_ppe=False,
                heating_kcal=heating, hof298_g4mp2_kcal=float(row[:4] @ ATOMS + heating - energy),
            )
        )  # fmt: skip
    return result


def test_it_is_atoms_and_heating_without_the_bonds(molecules, structures):
    rows = np.arange(len(molecules))
    model = fit_enthalpy(molecules, structures, ELEMENTS, rows)
    assert model.atoms == pytest.approx(ATOMS, abs=1e-6)
    energies = np.array([each.ae0_g4mp2_kcal for each in molecules])
    told = model.columns(
        structures,
        {"": energies, "_std": energies * 0 + 1, "_lo90": energies - 2, "_hi90": energies + 1},
    )
    right = [each.hof298_g4mp2_kcal for each in molecules]
    assert told[""] == pytest.approx(right, abs=0.2)
    # what may be bound more is formed with less heat
    assert told[""] - told["_lo90"] == pytest.approx(np.ones(len(right)))
    assert told["_hi90"] - told[""] == pytest.approx(2 * np.ones(len(right)))


def test_its_own_error_widens_the_interval(structures):
    model = FormationEnthalpy(ELEMENTS, ATOMS, np.zeros(sums(structures, ELEMENTS).shape[1]), 1.0)
    zero = np.zeros(len(structures))
    told = model.columns(structures, {"": zero, "_std": zero, "_lo90": zero - 3, "_hi90": zero + 3})
    assert told["_std"] == pytest.approx(zero + 1.0)
    assert told["_hi90"] - told[""] == pytest.approx(zero + np.hypot(3.0, 1.645))


def test_a_molecule_is_not_fitted_to_itself(molecules, structures):
    folds = np.arange(len(molecules)) % 5  # every element is in several
    fit = np.ones(len(molecules), dtype=bool)
    added = out_of_fold(molecules, structures, ELEMENTS, fit, folds)
    first = np.flatnonzero(folds != 0)
    model = fit_enthalpy(molecules, structures, ELEMENTS, first)
    assert added[folds == 0] == pytest.approx(
        model.without_energy([structures[row] for row in np.flatnonzero(folds == 0)])
    )
    whole = fit_enthalpy(molecules, structures, ELEMENTS, np.arange(len(molecules)))
    errors = added - whole.without_energy(structures)
    assert np.abs(errors).max() > 0.0
    assert 0.0 < heating_std(molecules, added, fit) < 5.0


def test_enthalpies_of_another_source_are_refused(molecules, structures):
    odd = [replace(molecules[0], hof298_g4mp2_kcal=0.0), *molecules[1:]]
    with pytest.raises(SchemaError, match="two sources"):
        fit_enthalpy(odd, structures, ELEMENTS, np.arange(len(odd)))
