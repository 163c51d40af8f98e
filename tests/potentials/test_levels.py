"""Levels made of a potential: geometries, values, molecules that fail, and others beside them."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from screener.chemistry.identity import mol_id
from screener.chemistry.levels import subject_of
from screener.chemistry.structures import StructureSettings, make_structure
from screener.errors import MoleculeError
from screener.potentials.levels import minimum_level, values_level
from screener.potentials.minima import minima
from screener.potentials.potential import Evaluation
from screener.records import Structure
from screener.stores.files import Folder
from screener.stores.structures import StructureStore
from screener.structures.make import TOGETHER, make_missing, read_structures
from screener.structures.recipe import Item, Recipe

OPT = StructureSettings(level="aimnet2-opt")
SOME = ["CO", "CC#N", "CS(C)(=O)=O", "O=C1OCC(F)O1", "C[Si](C)(C)Cl", "COP(=O)(OC)OC"]


def test_a_minimum_has_no_forces_and_less_energy_than_where_it_started(potential):
    for smiles in SOME:
        start = make_structure(smiles, mol_id(smiles), StructureSettings())
        end = make_structure(smiles, mol_id(smiles), OPT)
        before, after = potential.evaluate([start, end])
        assert after.energy_ev < before.energy_ev
        assert np.linalg.norm(after.forces, axis=1).max() < 0.03
        assert end.values["energy_aimnet2_ha"] * 27.211386 == pytest.approx(after.energy_ev)
        assert end.atom_values["charges_aimnet2"].sum() == pytest.approx(0.0, abs=1e-4)


def test_bonds_are_as_long_as_measured():
    # CRC Handbook of Chemistry and Physics, "Structure of free molecules in the gas phase"
    measured = {"O": 0.9575, "N": 1.012, "C": 1.087, "S": 1.336, "[H]C#N": 1.0655}
    for smiles, length in measured.items():
        made = make_structure(smiles, mol_id(smiles), OPT)
        apart = np.linalg.norm(made.positions[:, None] - made.positions[None], axis=2)
        to_hydrogen = apart[np.ix_(made.atomic_numbers > 1, made.atomic_numbers == 1)]
        assert to_hydrogen.min() == pytest.approx(length, abs=0.015)


def test_together_they_are_what_they_are_alone(potential):
    starts = [make_structure(each, mol_id(each), StructureSettings()) for each in SOME * 4]
    together = minima(potential, starts, 0.03, 200)
    for start, each in zip(starts[:6], together, strict=False):
        (alone,) = minima(potential, [start], 0.03, 200)
        np.testing.assert_array_equal(alone.structure.positions, each.structure.positions)
        assert (alone.evaluation.energy_ev, alone.n_steps) == (
            each.evaluation.energy_ev,
            each.n_steps,
        )


def test_a_molecule_that_does_not_end_costs_no_other(potential):
    starts = [make_structure(each, mol_id(each), StructureSettings()) for each in SOME]
    (done, *_, slow), few = minima(potential, starts, 0.03, 200), minima(potential, starts, 0.03, 9)
    assert isinstance(few[0], type(done))
    assert isinstance(few[-1], MoleculeError)
    assert few[-1].code == "not_converged"
    assert slow.n_steps > 9


def test_of_several_conformers_the_lowest_is_kept():
    smiles = "OCCCO"
    alone = make_structure(smiles, mol_id(smiles), OPT)
    several = StructureSettings(
        level="aimnet2-opt", settings={"aimnet2-opt": {"n_conformers": 12, "n_optimised": 4}}
    )
    lowest = make_structure(smiles, mol_id(smiles), several)
    assert lowest.values["energy_aimnet2_ha"] < alone.values["energy_aimnet2_ha"] + 1e-5


def items(smiles):
    return [Item(mol_id(each), each) for each in smiles]


def test_units_of_many_molecules_keep_each_outcome(tmp_path):
    """Radicals, unknown elements and nonsense among others, in groups of a chemistry process."""
    smiles = [*SOME, "C[CH2]", "C[Se]C", "nonsense", *(f"{'C' * n}O" for n in range(2, 8))]
    recipe = Recipe.from_drawing(OPT)
    assert recipe.is_together
    assert len(smiles) < TOGETHER
    store = StructureStore(Folder(str(tmp_path)))
    made = make_missing(store, recipe, items(smiles))
    assert made.n_made == len(smiles)
    outcomes = read_structures(store, made.units, recipe.keys(items(smiles)))
    codes = {
        each: outcome.code
        for each, outcome in zip(smiles, outcomes, strict=True)
        if isinstance(outcome, MoleculeError)
    }
    assert codes == {
        "C[CH2]": "open_shell",
        "C[Se]C": "unknown_element",
        "nonsense": "invalid_smiles",
    }
    alone = make_structure("CO", mol_id("CO"), OPT)
    np.testing.assert_array_equal(outcomes[0].positions, alone.positions)


class Springs:
    """A potential of somebody else: every pair of atoms on a spring."""

    n_atoms_at_once = 64

    def __init__(self, length=0.75):
        self.length = length

    def evaluate(self, structures):
        return [self._one(each) for each in structures]

    def _one(self, structure: Structure) -> Evaluation:
        x = structure.positions.astype(np.float64)
        apart = x[:, None] - x[None]
        d = np.linalg.norm(apart, axis=2) + self.length * np.eye(len(x))
        energy = 0.25 * float(((d - self.length) ** 2).sum())
        forces = -((d - self.length) / d)[..., None] * apart
        charges = np.zeros(len(x), np.float32)
        if 9 in structure.atomic_numbers:
            energy = float("nan")
        return Evaluation(energy, float("nan"), forces.sum(axis=1), charges)


def test_another_potential_makes_levels_in_the_same_way():
    about = {
        "label": "springs",
        "elements": frozenset({1, 6, 9}),
        "source": "tests",
        "is_ensemble": False,
    }
    made = [
        values_level(Springs, name="springs", theory="springs", seconds=0.01, **about),
        minimum_level(
            Springs, name="springs-opt", theory="springs", start="mmff94", seconds=0.01, **about
        ),
    ]
    at, to = made
    start = conformer("[H][H]")
    hydrogen = subject_of("[H][H]", mol_id("[H][H]"))
    assert at.apply(hydrogen, start, at.settings()).values["energy_springs_ha"] > 0
    minimum = to.apply(hydrogen, start, to.settings())
    assert np.linalg.norm(minimum.positions[0] - minimum.positions[1]) == pytest.approx(
        0.75, abs=0.05
    )
    fluoride, start = subject_of("F", mol_id("F")), conformer("F")
    with pytest.raises(MoleculeError, match="no number"):
        at.apply(fluoride, start, at.settings())
    assert raised_by(partial(Springs, 3.0), hydrogen, conformer("[H][H]")) == "another_molecule"


def raised_by(make, subject, start):
    about = {
        "label": "springs",
        "elements": frozenset({1}),
        "source": "tests",
        "is_ensemble": False,
    }
    longer = minimum_level(
        make, name="longer", theory="longer", start="mmff94", seconds=0.01, **about
    )
    with pytest.raises(MoleculeError) as raised:
        longer.apply(subject, start, longer.settings())
    return raised.value.code


def conformer(smiles):
    return make_structure(smiles, mol_id(smiles), StructureSettings())


def test_a_start_without_numbers_is_set_aside(potential):
    start = make_structure("CO", mol_id("CO"), StructureSettings())
    broken = replace(start, positions=np.full_like(start.positions, np.nan))
    sound, failed = minima(potential, [start, broken], 0.03, 200)
    assert sound.n_steps > 1
    assert isinstance(failed, MoleculeError)
