"""The rung from B3LYP to G4(MP2), fitted on the molecules that QM9 and PPE1694 share.

These alone have both labels, but few have more than two atoms of oxygen, and the correction of a
polyol cannot be learned from them. So other molecules of PPE1694 are fitted on as well, whose B3LYP
value the rung below predicts; their noise is larger, and errors and intervals are those of the
labelled ones. Fitted twice on the same rows: at B3LYP geometries, and at the GFN2 minima reached
from them.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from screener.models.additive import AdditiveSettings, prepare
from screener.models.conformal import growth_per_heavy_atom
from screener.models.cross_fit import CrossFit, cross_fit
from screener.records import Structure
from screener.training import reference
from screener.training.first_rung import climbed, first_rung
from screener.training.nested import GRID, WIDTHS, Task, by_size, choose_by_size, folds_of
from screener.training.reference import ReferenceMolecule
from screener.training.reference_structures import structures

GeometryLevel = Literal["b3lyp", "gfn2-opt"]

FloatArray = NDArray[np.float64]

N_OUTER, N_INNER = 10, 10
N_FOLDS, SEED = 10, 0  # of CV+
SIZES = (7, 8)  # heavy atoms; extrapolation is chosen by predicting what is larger
LARGEST = 9  # heavy atoms of what is fitted on
PREDICTED_NOISE = 10.0  # variance of a predicted lower end, in units of that of a label


@dataclass(frozen=True, slots=True, eq=False)
class FittedRung:
    """A rung with what measured it."""

    model: CrossFit
    errors: FloatArray  # (n,), kcal/mol, out of fold; NaN where not judged
    growth: float  # of errors in units of their std, per heavy atom beyond the largest judged


@dataclass(frozen=True, slots=True, eq=False)
class RungData:
    """Molecules of the rung at one geometry level; the labelled ones come first."""

    molecules: tuple[ReferenceMolecule, ...]
    task: Task
    n_labelled: int
    n_failed: int  # labelled molecules without a structure at this level


def rung_data(level: GeometryLevel, *, predicted: bool = True) -> RungData:
    """The rows at one geometry level; `suspect` ones are neither fitted on nor judged.

    Args:
        level: of the structures.
        predicted: whether molecules with a predicted B3LYP value are fitted on too.
    Raises:
        ConfigError, SchemaError: see `reference`.
    """
    labelled = reference.overlap()
    made: list[Structure | None] = (
        [molecule.structure for molecule in labelled]
        if level == "b3lyp"
        else structures("gfn2-opt-from-b3lyp", labelled)
    )
    pairs = [(m, s) for m, s in zip(labelled, made, strict=True) if s is not None]
    n_labelled = len(pairs)
    lows = [molecule.ae0_b3lyp_kcal for molecule, _ in pairs]
    if predicted:
        others = _predicted({molecule.name for molecule in labelled}, level)
        pairs += [(molecule, structure) for molecule, structure, _ in others]
        lows += [low for *_, low in others]
    kept = tuple(molecule for molecule, _ in pairs)
    low, has_label = np.array(lows), np.arange(len(kept)) < n_labelled
    sound = np.array([not molecule.suspect for molecule in kept])
    task = Task(
        prepared=prepare(
            [structure for _, structure in pairs],
            WIDTHS,
            noise=np.where(has_label, 1.0, PREDICTED_NOISE),
        ),
        low=low,
        asked_low=low,
        high=np.array([molecule.ae0_g4mp2_kcal for molecule in kept]),
        groups=group_numbers(kept),
        fit=sound,
        judged=sound & has_label,
        n_heavy=np.array([molecule.n_heavy for molecule in kept]),
    )
    return RungData(kept, task, n_labelled, len(labelled) - n_labelled)


def _predicted(
    known: Collection[str], level: GeometryLevel
) -> list[tuple[ReferenceMolecule, Structure, float]]:
    """Molecules without a B3LYP label, in the domain of the rung below, with what it predicts at
    the GFN2 minimum (kcal/mol); none of them was in its training."""
    listed = [m for m in reference.ppe() if m.name not in known and m.n_heavy <= LARGEST]
    minima = structures("gfn2-opt-from-b3lyp", listed)
    pairs = [(m, s) for m, s in zip(listed, minima, strict=True) if s is not None]
    _, values, inside = climbed(*first_rung(), [structure for _, structure in pairs])
    return [
        (molecule, molecule.structure if level == "b3lyp" else minimum, float(value))
        for (molecule, minimum), value, kept in zip(pairs, values, inside, strict=True)
        if kept
    ]


def group_numbers(molecules: tuple[ReferenceMolecule, ...]) -> NDArray[np.int64]:
    """One number per connectivity, (n,)."""
    blocks = [molecule.block for molecule in molecules]
    return np.asarray(np.unique(blocks, return_inverse=True)[1], dtype=np.int64)


def fit_rung(task: Task, settings: AdditiveSettings | None = None) -> FittedRung:
    """A rung as it is used: fitted on all sound rows, its intervals made by CV+.

    Args:
        task: of `rung_data`, or of a ladder.
        settings: default: those that extrapolate best in size within these rows, since molecules
            to be screened are larger than those with labels.
    """
    chosen = settings or choose_by_size(task, GRID, SIZES)
    folds = folds_of(task.groups, N_FOLDS, SEED)
    model, errors = cross_fit(
        task.prepared,
        task.high - task.low,
        task.high - task.asked_low,
        chosen,
        fit=task.fit,
        counted=task.judged,
        folds=folds,
    )
    return FittedRung(model, errors, _growth(task, chosen, model))


def _growth(task: Task, settings: AdditiveSettings, model: CrossFit) -> float:
    """Widening per heavy atom: scores of the largest molecules, fitted on smaller ones."""
    counted = task.n_heavy[task.judged]
    largest = int(counted.max())
    errors, stds = by_size(task, settings, largest - 1)
    smaller = model.cvplus.scores[counted < largest]
    return growth_per_heavy_atom(smaller, np.abs(errors) / stds)
