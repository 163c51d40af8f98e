"""How well the whole ladder does, on molecules that no rung was fitted on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem

from screener.errors import ConfigError
from screener.models.kernel_ridge.additive import AdditiveSettings
from screener.training.bootstrap import Coverage, Figure, coverage, figure
from screener.training.g4mp2.ladder import (
    N_INNER,
    N_OUTER,
    VARIANTS,
    LadderRows,
    Variant,
    ladder_task,
)
from screener.training.g4mp2.nested import (
    GRID,
    Nested,
    Task,
    choose,
    folds_of,
    nested,
    out_of_fold,
)
from screener.training.qm9.conformers import LEVEL, SAME_CONFORMER

FloatArray = NDArray[np.float64]

_FLUORINE = Chem.MolFromSmarts("F")
_FLUORINE_SP3 = Chem.MolFromSmarts("[CX4;!$(C(F)(F)F)]F")


def climb(
    rows: LadderRows, variant: Variant, grid: Sequence[AdditiveSettings] = GRID, seed: int = 0
) -> Nested:
    """Every molecule predicted once, by a ladder chosen, fitted and calibrated without it.

    Args:
        rows: of `ladder_rows`.
        variant: of the second rung.
        grid: settings to choose from.
        seed: of the folds.
    Returns:
        values, stds and errors of every molecule.
    """
    return nested(ladder_task(rows, variant, seed), grid, N_OUTER, N_INNER, seed)


@dataclass(frozen=True, slots=True, eq=False)
class Routed:
    """Out-of-fold results of the procedure that chooses the variant too."""

    nested: Nested
    inside: tuple[Variant, ...]  # chosen in each outer fold for what is in the domain
    outside: tuple[Variant, ...]


def route(rows: LadderRows, climbs: Mapping[Variant, Nested], seed: int = 0) -> Routed:
    """In each outer fold the variant with the least inner error, inside the first rung's domain and
    among what the second brings in; what is outside of both goes with the latter.

    Args:
        rows: as climbed.
        climbs: of `climb`, with the same seed.
        seed: of the folds.
    Returns:
        values of every molecule, and which variant each fold took.
    """
    outer = folds_of(rows.groups, N_OUTER, seed)
    values, low, high = (np.full(len(outer), np.nan) for _ in range(3))
    brought = rows.brought_in(seed)
    names: dict[bool, list[Variant]] = {True: [], False: []}
    settings: list[AdditiveSettings] = []
    tasks = {variant: ladder_task(rows, variant, seed) for variant in climbs}
    for fold in range(N_OUTER):
        train = outer != fold
        inner = np.full(len(outer), -1)
        inner[train] = folds_of(rows.groups[train], N_INNER, seed + 1 + fold)
        errors = {
            variant: _errors(tasks[variant], climbed.chosen[fold], inner)
            for variant, climbed in climbs.items()
        }
        for side, chosen in names.items():
            counted = train & rows.judged & rows.sound & (rows.inside if side else brought)
            best = min(climbs, key=lambda name: float(errors[name][counted].mean()))
            chosen.append(best)
            here = ~train & (rows.inside == side)
            for into, source in ((values, "values"), (low, "low"), (high, "high")):
                into[here] = getattr(climbs[best], source)[here]
        settings.append(climbs[names[True][-1]].chosen[fold])
    return Routed(
        Nested(values, low, high, tuple(settings)), tuple(names[True]), tuple(names[False])
    )


def _errors(task: Task, settings: AdditiveSettings, folds: NDArray[np.int64]) -> FloatArray:
    values, _ = out_of_fold(task, settings, folds)
    return np.asarray(np.abs(values - task.high))


@dataclass(frozen=True, slots=True)
class Line:
    """One class of molecules."""

    rows: str
    figure: Figure
    coverage: Coverage


def assess(rows: LadderRows, results: Nested, seed: int = 0) -> tuple[Line, ...]:
    """Errors and coverage, split by what they may come from.

    Args:
        rows: as climbed.
        results: out of fold.
        seed: of their folds.
    Returns:
        one line per class; classes without molecules are left out.
    """
    counted = rows.judged & rows.sound
    fluorine, sp3 = rows.matching(_FLUORINE), rows.matching(_FLUORINE_SP3)
    brought = rows.brought_in(seed)
    reached = rows.inside | brought
    same = rows.distance < SAME_CONFORMER
    other = counted & np.isfinite(rows.distance) & ~same
    classes = {
        "all, suspect ones too": rows.judged,
        "all but suspect": counted,
        "with fluorine": counted & fluorine,
        "fluorine on sp3 carbon other than CF3": counted & sp3,
        "other fluorine": counted & fluorine & ~sp3,
        "without fluorine": counted & ~fluorine,
        "inside the first rung's domain": counted & rows.inside,
        "outside, brought in": counted & brought,
        "outside of both": counted & ~reached,
        "inside or brought in": counted & reached,
        "the same, with fluorine": counted & reached & fluorine,
        "the same, fluorine on sp3 carbon other than CF3": counted & reached & sp3,
        f"conformer is the label's (< {SAME_CONFORMER} Å)": counted & same,
        "the same, inside or brought in": counted & same & reached,
        "another conformer": other,
        "another, inside or brought in": other & reached,
        f"another, GFN2 lower by > {LEVEL}": other & reached & (rows.above < -LEVEL),
        f"another, level within {LEVEL}": other & reached & (np.abs(rows.above) <= LEVEL),
        f"another, GFN2 higher by > {LEVEL}": other & reached & (rows.above > LEVEL),
    }
    high = rows.high
    return tuple(
        Line(
            name,
            figure(results.values[some] - high[some]),
            coverage(results.values[some], high[some], results.low[some], results.high[some]),
        )
        for name, some in classes.items()
        if some.any()
    )


@dataclass(frozen=True, slots=True)
class Candidate:
    """A variant as it would be shipped; errors by cross-validation over all rows in a domain."""

    variant: Variant
    settings: AdditiveSettings
    everything: Figure
    inside: Figure
    brought_in: Figure  # outside the first rung's domain, of kinds that the second has seen
    fluorinated: Figure
    sp3: Figure  # fluorine on sp3 carbon other than CF3


def candidates(
    rows: LadderRows,
    variants: Sequence[Variant] = tuple(VARIANTS),
    grid: Sequence[AdditiveSettings] = GRID,
    seed: int = 0,
) -> tuple[Candidate, ...]:
    """The variants with their settings, the best over everything first.

    These errors are for choosing; that of what was chosen is `route`'s.

    Args:
        rows: of `ladder_rows`.
        variants: to compare.
        grid: settings to choose from.
        seed: of the folds.
    Returns:
        one candidate for each variant.
    Raises:
        ConfigError: a class that is to be compared has no molecules.
    """
    folds, brought = folds_of(rows.groups, N_OUTER, seed), rows.brought_in(seed)
    counted = rows.judged & rows.sound & (rows.inside | brought)
    classes = {
        "everything": counted,
        "inside": counted & rows.inside,
        "brought_in": counted & brought,
        "fluorinated": counted & rows.matching(_FLUORINE),
        "sp3": counted & rows.matching(_FLUORINE_SP3),
    }
    if empty := [name for name, some in classes.items() if not some.any()]:
        raise ConfigError(f"no molecules to compare variants on: {', '.join(empty)}")
    listed = []
    for variant in variants:
        task = ladder_task(rows, variant, seed)
        settings = choose(task, grid, N_OUTER, seed)
        errors = out_of_fold(task, settings, folds)[0] - task.high
        figures = {name: figure(errors[some]) for name, some in classes.items()}
        listed.append(Candidate(variant, settings, **figures))
    return tuple(sorted(listed, key=lambda candidate: candidate.everything.mae))
