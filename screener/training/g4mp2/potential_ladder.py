"""The ladder from SMILES by a neural potential: its minima and energies, and what G4(MP2) adds.

It is fitted on minima that are reached from the published B3LYP geometries, where conformer and
label belong together, and used on the lowest of several conformers found from SMILES.
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem

from screener.chemistry.coordination import bond_kinds, coordinations
from screener.models.ladder.enthalpy import FormationEnthalpy
from screener.models.low_values import low_values
from screener.models.uncertainty.spread import features
from screener.registry.elements import symbol_of
from screener.training.fit.additive import prepare
from screener.training.fit.data import LimitSettings
from screener.training.g4mp2 import reference
from screener.training.g4mp2.enthalpy import fit_enthalpy, heating_std, out_of_fold
from screener.training.g4mp2.nested import WIDTHS, Nested, Task, folds_of
from screener.training.g4mp2.reference import ReferenceMolecule
from screener.training.g4mp2.rung import group_numbers, seen_elsewhere
from screener.training.g4mp2.structures import reference_structures

BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.float64]

LEVEL: Final = "aimnet2-opt"
LOW = "de_aimnet2_kcal"
N_CONFORMERS = 10  # embedded; of these the lowest by the force field are optimised
# the potential has seen more kinds of atoms than have labels here: what is learned has to have seen
# their bonds, of sulfones in two molecules
LIMITS = LimitSettings(max_heavy=20, min_seen=2, by_bonds=True)
N_OUTER, N_INNER = 5, 5
SIZES = (7, 9, 11)  # heavy atoms; extrapolation is chosen by predicting what is larger
INSIDE = "inside"
BY_SIZE = {"up to 9": (1, 9), "10 to 14": (10, 14), "15 to 20": (15, 20)}
_SP3_FLUORINE = Chem.MolFromSmarts("[CX4]F")


@dataclass(frozen=True, slots=True, eq=False)
class PotentialRows:
    """Molecules with both structures, (n,) each."""

    molecules: tuple[ReferenceMolecule, ...]
    task: Task
    n_failed: int  # molecules that lack one

    def brought_in(self, seed: int) -> BoolArray:
        """Rows (n,) whose every kind of bond is in `LIMITS.min_seen` molecules of other folds."""
        prepared = self.task.prepared
        return seen_elsewhere(
            [bond_kinds(coordinations(each)) for each in prepared.structures],
            [bond_kinds(coordinations(each)) for each in prepared.asked_structures],
            self.task.fit,
            folds_of(self.task.groups, N_OUTER, seed),
            LIMITS.min_seen,
        )

    def enthalpies(self, energies: Nested, elements: tuple[int, ...], seed: int) -> "Formed":
        """Enthalpies of formation of all rows, by fits without the molecule's fold.

        Args:
            energies: out-of-fold results of the atomization energy.
            elements: atomic numbers, ascending.
            seed: of the folds.
        Returns:
            these, and the fit on all rows.
        """
        task, molecules = self.task, self.molecules
        folds = folds_of(task.groups, N_OUTER, seed)
        added = out_of_fold(molecules, task.prepared.asked_structures, elements, task.fit, folds)
        std = heating_std(molecules, added, task.judged)
        rows = np.flatnonzero(task.fit)
        model = fit_enthalpy(molecules, task.prepared.structures, elements, rows, std)
        told = {"": energies.values, "_lo90": energies.low, "_hi90": energies.high}
        low, high = model.interval(added - energies.values, told)
        return Formed(
            model,
            replace(energies, values=added - energies.values, low=low, high=high),
            np.array([each.hof298_g4mp2_kcal for each in molecules]),
            np.array([each.hof298_exp_kcal for each in molecules]),
        )

    def classes(self, inside: BoolArray) -> dict[str, BoolArray]:
        """Rows (n,) that figures are given for, by what they are.

        Args:
            inside: (n,), of `brought_in`.
        """
        judged = self.task.judged
        result = {INSIDE: judged & inside, "all": judged}
        for name, (least, most) in BY_SIZE.items():
            some = judged & (self.task.n_heavy >= least) & (self.task.n_heavy <= most)
            result[f"{name} heavy atoms"] = some & inside
            result[f"{name} heavy atoms, inside or not"] = some
        for number in sorted(reference.ELEMENTS - {1, 6}):
            has = [number in each.structure.atomic_numbers for each in self.molecules]
            result[f"with {symbol_of(number)}"] = judged & inside & np.array(has)
        graphs = [Chem.MolFromSmiles(each.smiles) for each in self.molecules]
        fluorine = np.array([graph.HasSubstructMatch(_SP3_FLUORINE) for graph in graphs])
        result["with F bound to sp3 carbon"] = judged & inside & fluorine
        return {name: some for name, some in result.items() if some.any()}


@dataclass(frozen=True, slots=True, eq=False)
class Formed:
    """Enthalpies of formation at 298 K, (n,) each, kcal/mol, and what tells them."""

    model: FormationEnthalpy
    nested: Nested
    g4mp2: FloatArray
    measured: FloatArray


def potential_rows(n_conformers: int = N_CONFORMERS) -> PotentialRows:
    """The labelled molecules; `suspect` ones are neither fitted on nor judged.

    Args:
        n_conformers: embedded where structures are made from SMILES.
    Returns:
        one row for each molecule that has both structures.
    Raises:
        ConfigError, SchemaError: see `reference`.
    """
    molecules = reference.closed_shells()
    reached = reference_structures("aimnet2-opt-from-b3lyp", molecules)
    from_smiles = reference_structures(LEVEL, molecules, n_conformers)
    rows = [
        (molecule, fitted, asked)
        for molecule, fitted, asked in zip(molecules, reached, from_smiles, strict=True)
        if fitted is not None and asked is not None
    ]
    kept = tuple(molecule for molecule, _, _ in rows)
    fitted, asked = [each for _, each, _ in rows], [each for _, _, each in rows]
    sound = np.array([not molecule.suspect for molecule in kept])
    n_heavy = np.array([molecule.n_heavy for molecule in kept])
    task = Task(
        prepared=prepare(fitted, WIDTHS, asked),
        low=low_values(fitted, [LOW])[LOW],
        asked_low=low_values(asked, [LOW])[LOW],
        high=np.array([molecule.ae0_g4mp2_kcal for molecule in kept]),
        groups=group_numbers(kept),
        fit=sound,
        judged=sound & (n_heavy <= LIMITS.max_heavy),
        n_heavy=n_heavy,
        told=features(asked),
    )
    return PotentialRows(kept, task, len(molecules) - len(kept))
