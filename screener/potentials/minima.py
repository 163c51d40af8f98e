"""Minima of many molecules by one potential: as many are under way as fill an evaluation.

A molecule that is done makes room for the next, so evaluations stay full to the end. What a
molecule goes through depends on no other.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass

import numpy as np

from screener.chemistry.optimise import Energy, FloatArray, Minimum, Walk, minimisation
from screener.errors import MoleculeError
from screener.potentials.potential import Evaluation, Potential
from screener.records import Structure
from screener.units import ANGSTROM_PER_BOHR, EV_PER_HARTREE


@dataclass(frozen=True, slots=True, eq=False)
class AtMinimum:
    """Where an optimisation ended, and what the potential says there."""

    structure: Structure
    evaluation: Evaluation
    n_steps: int  # evaluations


@dataclass(slots=True, eq=False)
class _UnderWay:
    place: int
    steps: Generator[FloatArray, Energy, Minimum]
    at: Structure


def minima(
    potential: Potential,
    structures: Sequence[Structure],
    force_threshold: float,
    max_steps: int,
    walk: Walk = minimisation,
) -> list[AtMinimum | MoleculeError]:
    """Walk every molecule downhill until none of its atoms feels more than `force_threshold`.

    Args:
        potential: that is followed.
        structures: (n,), where to start.
        force_threshold: eV/angstrom, on the largest force of one atom.
        max_steps: evaluations of one molecule.
        walk: how; `saddles.true_minimum` looks for passes as well.
    Returns:
        (n,); errors are `not_converged`, and `not_finite` where the potential says no number.
    """
    outcomes: dict[int, AtMinimum | MoleculeError] = {}
    waiting = sorted(range(len(structures)), key=lambda place: -structures[place].n_atoms)
    active: list[_UnderWay] = []
    while waiting or active:
        while waiting and (not active or _fits(potential, active, structures[waiting[-1]])):
            place = waiting.pop()
            start = structures[place]
            steps = walk(start.atomic_numbers, start.positions, force_threshold, max_steps)
            active.append(_UnderWay(place, steps, _moved(start, next(steps))))
        evaluations = potential.evaluate([each.at for each in active])
        left = []
        for each, evaluation in zip(active, evaluations, strict=True):
            try:
                require_finite(evaluation)
                each.at = _moved(each.at, each.steps.send(_as_energy(evaluation)))
                left.append(each)
            except StopIteration as end:
                outcomes[each.place] = AtMinimum(each.at, evaluation, end.value.n_steps)
            except MoleculeError as error:
                outcomes[each.place] = error
        active = left
    return [outcomes[place] for place in range(len(structures))]


def require_finite(evaluation: Evaluation) -> None:
    """Refuse what is no number.

    Raises:
        MoleculeError: `not_finite`.
    """
    if not (np.isfinite(evaluation.energy_ev) and np.isfinite(evaluation.forces).all()):
        raise MoleculeError("not_finite", "the potential gives no number for this geometry")


def _fits(potential: Potential, active: Sequence[_UnderWay], one_more: Structure) -> bool:
    n_atoms = sum(each.at.n_atoms for each in active) + one_more.n_atoms
    return n_atoms <= potential.n_atoms_at_once


def _moved(structure: Structure, positions_bohr: FloatArray) -> Structure:
    return Structure(
        structure.atomic_numbers,
        (positions_bohr * ANGSTROM_PER_BOHR).astype(np.float32),
        charge=structure.charge,
        n_unpaired=structure.n_unpaired,
    )


def _as_energy(evaluation: Evaluation) -> Energy:
    gradient = -evaluation.forces / EV_PER_HARTREE * ANGSTROM_PER_BOHR
    return evaluation.energy_ev / EV_PER_HARTREE, gradient
