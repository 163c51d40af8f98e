"""The rung from B3LYP to G4(MP2), fitted on the molecules that QM9 and PPE1694 share.

Fitted twice on the same rows: at B3LYP geometries, and at the GFN2 minima reached from them.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from screener.models.additive import AdditiveModel, AdditiveSettings, fit_additive, prepare
from screener.records import Structure
from screener.training import reference
from screener.training.nested import GRID, WIDTHS, Task, choose_by_size
from screener.training.reference import ReferenceMolecule
from screener.training.reference_structures import structures

GeometryLevel = Literal["b3lyp", "gfn2-opt"]

N_OUTER, N_INNER = 10, 5
LARGEST_INNER = 7  # heavy atoms; extrapolation is chosen by predicting what is larger


@dataclass(frozen=True, slots=True, eq=False)
class RungData:
    """Labelled molecules at one geometry level."""

    molecules: tuple[ReferenceMolecule, ...]
    task: Task
    n_failed: int  # molecules without a structure at this level


def rung_data(level: GeometryLevel) -> RungData:
    """The labelled rows at one geometry level; `suspect` ones are neither fitted on nor judged.

    Raises:
        ConfigError, SchemaError: see `reference`.
    """
    molecules = reference.overlap()
    made: list[Structure | None] = (
        [molecule.structure for molecule in molecules]
        if level == "b3lyp"
        else structures("gfn2-opt-from-b3lyp", molecules)
    )
    pairs = [(m, s) for m, s in zip(molecules, made, strict=True) if s is not None]
    kept = tuple(molecule for molecule, _ in pairs)
    low = np.array([molecule.ae0_b3lyp_kcal for molecule in kept])
    sound = np.array([not molecule.suspect for molecule in kept])
    task = Task(
        prepared=prepare([structure for _, structure in pairs], WIDTHS),
        low=low,
        asked_low=low,
        high=np.array([molecule.ae0_g4mp2_kcal for molecule in kept]),
        groups=group_numbers(kept),
        fit=sound,
        judged=sound,
        n_heavy=np.array([molecule.n_heavy for molecule in kept]),
    )
    return RungData(kept, task, len(molecules) - len(kept))


def group_numbers(molecules: tuple[ReferenceMolecule, ...]) -> NDArray[np.int64]:
    """One number per connectivity, (n,)."""
    blocks = [molecule.block for molecule in molecules]
    return np.asarray(np.unique(blocks, return_inverse=True)[1], dtype=np.int64)


def fit_rung(task: Task, settings: AdditiveSettings | None = None) -> AdditiveModel:
    """The rung as it is used: fitted on all sound rows.

    Args:
        task: of `rung_data`.
        settings: default: those that extrapolate best in size within these rows, since molecules
            to be screened are larger than those with labels.
    """
    chosen = settings or choose_by_size(task, GRID, LARGEST_INNER)
    return fit_additive(task.prepared, task.high - task.low, chosen, np.flatnonzero(task.fit))
