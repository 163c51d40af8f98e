"""The rung from B3LYP to G4(MP2), fitted on the molecules that QM9 and PPE1694 share.

Fitted twice on the same rows: at B3LYP geometries, and at the GFN2 minima reached from them.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from screener.models.kernel_ridge.additive import AdditiveSettings
from screener.models.kernel_ridge.cross_fit import CrossFit
from screener.models.uncertainty.conformal import growth_per_heavy_atom
from screener.records import Structure
from screener.training.fit.additive import prepare
from screener.training.fit.cross_fit import cross_fit
from screener.training.g4mp2 import reference
from screener.training.g4mp2.nested import GRID, WIDTHS, Task, by_size, choose_by_size, folds_of
from screener.training.g4mp2.reference import ReferenceMolecule
from screener.training.g4mp2.structures import reference_structures

FloatArray = NDArray[np.float64]

PUBLISHED = "b3lyp-opt"  # geometry level of the reference structures
N_OUTER, N_INNER = 10, 10
N_FOLDS, SEED = 10, 0  # of CV+
SIZES = (6, 7, 8)  # heavy atoms; extrapolation is chosen by predicting what is larger


@dataclass(frozen=True, slots=True, eq=False)
class FittedRung:
    """A rung with what measured it."""

    model: CrossFit
    errors: FloatArray  # (n,), kcal/mol, out of fold; NaN where not judged
    growth: float  # of errors in units of their std, per heavy atom beyond the largest judged


@dataclass(frozen=True, slots=True, eq=False)
class RungData:
    """Labelled molecules at one geometry level."""

    molecules: tuple[ReferenceMolecule, ...]
    task: Task
    n_failed: int  # molecules without a structure at this level


def rung_data(level: str) -> RungData:
    """The labelled rows at one geometry level; `suspect` ones are neither fitted on nor judged.

    Args:
        level: of the published geometries, or of the minima reached from them.
    Raises:
        ConfigError, SchemaError: see `reference`.
    """
    molecules = reference.overlap()
    made: list[Structure | None] = (
        [molecule.structure for molecule in molecules]
        if level == PUBLISHED
        else reference_structures("gfn2-opt-from-b3lyp", molecules)
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


def seen_elsewhere(
    parts: Sequence[frozenset[str]],
    asked_parts: Sequence[frozenset[str]],
    counted: NDArray[np.bool_],
    folds: NDArray[np.int64],
    least: int,
) -> NDArray[np.bool_]:
    """Which molecules have only coordinations that enough molecules of other folds have.

    Args:
        parts: (n,), coordinations of the structures that are fitted on.
        asked_parts: (n,), of those asked for.
        counted: (n,), which molecules are fitted on.
        folds: (n,).
        least: molecules of other folds that must have each.
    Returns:
        (n,).
    """
    result = []
    for fold, wanted in zip(folds.tolist(), asked_parts, strict=True):
        others = np.flatnonzero(counted & (folds != fold)).tolist()
        seen = Counter(part for row in others for part in parts[row] & wanted)
        result.append(all(seen[part] >= least for part in wanted))
    return np.array(result)


def fit_rung(
    task: Task, settings: AdditiveSettings | None = None, sizes: Sequence[int] = SIZES
) -> FittedRung:
    """A rung as it is used: fitted on all sound rows, its intervals made by CV+.

    Args:
        task: of `rung_data`, or of a ladder.
        settings: default: those that extrapolate best in size within these rows, since molecules
            to be screened are larger than those with labels.
        sizes: heavy atoms of the largest fitted molecule of each of these tries.
    Returns:
        the fit with its out-of-fold errors.
    """
    chosen = settings or choose_by_size(task, GRID, sizes)
    folds = folds_of(task.groups, N_FOLDS, SEED)
    model, errors = cross_fit(
        task.prepared,
        task.high - task.low,
        task.high - task.asked_low,
        chosen,
        fit=task.fit,
        counted=task.judged,
        folds=folds,
        told=task.told,
    )
    return FittedRung(model, errors, _growth(task, chosen, model))


def _growth(task: Task, settings: AdditiveSettings, model: CrossFit) -> float:
    """Widening per heavy atom: scores of the largest molecules, fitted on smaller ones."""
    counted = task.n_heavy[task.judged]
    largest = int(counted.max())
    errors, stds = by_size(task, settings, largest - 1)
    if model.spread is not None and task.told is not None:
        stds = model.spread.stds(stds, task.told[task.judged & (task.n_heavy == largest)])
    smaller = model.cvplus.scores[counted < largest]
    return growth_per_heavy_atom(smaller, np.abs(errors) / stds)
