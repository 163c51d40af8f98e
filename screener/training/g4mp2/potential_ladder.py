"""The ladder from SMILES by a neural potential: its minima and energies, and what G4(MP2) adds.

It is fitted on minima that are reached from the published B3LYP geometries, where conformer and
label belong together, and used on the lowest of several conformers found from SMILES.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem

from screener.chemistry.coordination import coordinations
from screener.chemistry.standardise import StandardiseSettings, standardise
from screener.chemistry.structures import StructureSettings
from screener.errors import MoleculeError
from screener.models.low_values import low_values
from screener.records import Structure
from screener.registry.elements import symbol_of
from screener.structures.recipe import Item, Recipe
from screener.structures.site import Site, structures
from screener.training.fit.additive import prepare
from screener.training.fit.data import LimitSettings
from screener.training.g4mp2 import reference
from screener.training.g4mp2.nested import WIDTHS, Task, folds_of
from screener.training.g4mp2.reference import ReferenceMolecule
from screener.training.g4mp2.rung import group_numbers

BoolArray = NDArray[np.bool_]

LEVEL, LOW = "aimnet2-opt", "de_aimnet2_kcal"
N_CONFORMERS = 10  # embedded; of these the lowest by the force field are optimised
# the potential itself has seen more kinds of atoms than have labels here: one molecule is enough
LIMITS = LimitSettings(max_heavy=20, min_seen=1)
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
        """Rows (n,) whose every coordination is in `LIMITS.min_seen` molecules of other folds."""
        folds = folds_of(self.task.groups, N_OUTER, seed)
        parts = [frozenset(coordinations(each)) for each in self.task.prepared.structures]
        asked = [frozenset(coordinations(each)) for each in self.task.prepared.asked_structures]
        inside = []
        for fold, wanted in zip(folds.tolist(), asked, strict=True):
            others = [parts[row] for row in np.flatnonzero(self.task.fit & (folds != fold))]
            inside.append(
                all(sum(part in each for each in others) >= LIMITS.min_seen for part in wanted)
            )
        return np.array(inside)

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
    reached = _made(
        [Item("", each.smiles, each.structure) for each in molecules],
        Recipe.minimum_from_geometry(StructureSettings.at(LEVEL)),
    )
    from_smiles = _made(
        [_drawn(each) for each in molecules],
        Recipe.from_drawing(StructureSettings.at(LEVEL, n_conformers)),
    )
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
    )
    return PotentialRows(kept, task, len(molecules) - len(kept))


def _drawn(molecule: ReferenceMolecule) -> Item | None:
    try:
        standard = standardise(molecule.smiles, StandardiseSettings())[0]
    except MoleculeError:
        return None
    return Item(standard.mol_id, standard.smiles)


def _made(items: list[Item | None], recipe: Recipe) -> list[Structure | None]:
    known = [item for item in items if item is not None]
    outcomes = iter(structures(known, recipe, Site(None)))
    made = [None if item is None else next(outcomes) for item in items]
    return [each if isinstance(each, Structure) else None for each in made]
