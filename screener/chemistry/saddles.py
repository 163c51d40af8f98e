"""Minima that are minima: a geometry without forces may still be the top of a pass.

Forces alone do not tell. An optimisation that starts where another force field has its minimum ends
on such a pass now and then, mostly with a bond turned to where it is about to fall to either side,
and 1 to 8 kcal/mol above where it leads. The lowest curvature tells. Davidson's method finds it
with a gradient for each direction and without a Hessian; it begins with the turns about bonds,
which the softest directions are mostly made of.
"""

from collections.abc import Generator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from screener.chemistry.geometry import beyond, bonded
from screener.chemistry.model_hessian import lindh_hessian
from screener.chemistry.optimise import Energy, FloatArray, Minimum, Steps, as_stored, minimisation
from screener.errors import MoleculeError
from screener.records import Structure
from screener.units import ANGSTROM_PER_BOHR

# hartree/bohr^2: what is above is zero, as far as differences of gradients tell
PASS = -2e-4
_SETTLED = 2e-4  # hartree/bohr^2: length of what a direction still lacks
_SOFTEST = 0.003  # hartree/bohr^2, of the model Hessian
_STEP = 0.01  # bohr, the most that an atom is moved for a difference
_OFF = 0.3  # bohr, the most that an atom is moved off a pass
_MORE = 8  # as many directions are tried beyond the turns
_PASSES = 4  # as many are left before a molecule is given up


def true_minimum(
    atomic_numbers: NDArray[np.integer],
    positions: NDArray[np.floating],
    force_threshold: float,
    max_steps: int,
) -> Steps:
    """Walk downhill, and off every pass, until no atom feels a force and no curvature is negative.

    Args:
        atomic_numbers: (n_atoms,).
        positions: (n_atoms, 3), angstrom.
        force_threshold: eV/angstrom, on the largest force of one atom.
        max_steps: energy evaluations of each walk.
    Yields:
        positions (n_atoms, 3), bohr, of which energy and gradient are to be sent.
    Returns:
        the minimum; the last evaluation was made there.
    Raises:
        MoleculeError: `not_converged` after `max_steps`, or on one pass after another.
    References:
        Davidson, J. Comput. Phys. 17, 87 (1975), with the correction of Olsen, Jørgensen and
        Simons, Chem. Phys. Lett. 169, 463 (1990).
    """
    n_steps = 0
    for _ in range(_PASSES + 1):
        minimum = yield from minimisation(atomic_numbers, positions, force_threshold, max_steps)
        x = minimum.positions.astype(np.float64) / ANGSTROM_PER_BOHR
        softest = _Softest(atomic_numbers, x)
        yield from softest.search()
        n_steps += minimum.n_steps + softest.n_steps
        if softest.curvature > PASS:
            yield x
            return Minimum(minimum.positions, n_steps + 1)
        off = softest.direction * _OFF / np.abs(softest.direction).max()
        heights, sides = [], []
        for side in (x - off, x + off):
            rounded, exact = as_stored(side * ANGSTROM_PER_BOHR)
            height, _ = yield exact
            heights.append(height)
            sides.append(rounded)
        n_steps += len(sides)
        positions = sides[int(np.argmin(heights))]
    raise MoleculeError(
        "not_converged", f"the geometry was at a saddle point {_PASSES + 1} times in a row"
    )


@dataclass(slots=True, eq=False)
class _Softest:
    """The search for the direction of lowest curvature at a geometry without forces.

    Args:
        atomic_numbers: (n_atoms,).
        x: (n_atoms, 3), bohr.
    """

    atomic_numbers: NDArray[np.integer]
    x: FloatArray
    curvature: float = np.inf  # hartree/bohr^2
    direction: FloatArray = field(init=False)  # (n_atoms, 3), of length 1
    n_steps: int = 0  # evaluations

    def search(self) -> Generator[FloatArray, Energy, None]:
        """Find it; takes energies and gradients as `true_minimum` does.

        One atom, or two, have no curvature that could be negative.
        """
        if len(self.x) < 3:
            return
        rigid = _rigid_motions(self.x)
        stiffness, modes = np.linalg.eigh(
            lindh_hessian(self.atomic_numbers, self.x) + 10.0 * rigid @ rigid.T
        )
        stiffness = np.maximum(stiffness, _SOFTEST)
        waiting = [*_turns(self.atomic_numbers, self.x), modes[:, 0]]
        most = min(len(waiting) + _MORE, self.x.size - rigid.shape[1])
        _, gradient = yield self.x
        self.n_steps += 1
        tried, answers = np.empty((self.x.size, 0)), np.empty((self.x.size, 0))
        while tried.shape[1] < most:
            new = _orthogonal(waiting.pop(0), rigid, tried)
            if new is None and not waiting:
                return
            if new is None:
                continue
            by = _STEP / np.abs(new).max()
            _, moved = as_stored((self.x + by * new.reshape(-1, 3)) * ANGSTROM_PER_BOHR)
            _, there = yield moved
            self.n_steps += 1
            answer = (there - gradient).ravel() / by
            tried = np.column_stack([tried, new])
            answers = np.column_stack([answers, answer - rigid @ (rigid.T @ answer)])
            small = tried.T @ answers
            curvatures, mixtures = np.linalg.eigh((small + small.T) / 2)
            lowest = tried @ mixtures[:, 0]
            self.curvature, self.direction = float(curvatures[0]), lowest.reshape(-1, 3)
            lacking = answers @ mixtures[:, 0] - self.curvature * lowest
            if self.curvature < PASS or (not waiting and np.linalg.norm(lacking) < _SETTLED):
                return
            if not waiting:
                gaps = np.maximum(stiffness - self.curvature, _SOFTEST)
                change = modes @ (modes.T @ lacking / gaps)
                along = modes @ (modes.T @ lowest / gaps)
                waiting.append(along * (lowest @ change) / (lowest @ along) - change)


def _rigid_motions(x: FloatArray) -> FloatArray:
    """Translations and rotations, (3 n_atoms, 6), orthonormal; 5 of a linear molecule."""
    from_centre = x - x.mean(axis=0)
    motions = [np.tile(axis, (len(x), 1)) for axis in np.eye(3)]
    motions += [np.cross(axis, from_centre) for axis in np.eye(3)]
    basis, size, _ = np.linalg.svd(np.stack([each.ravel() for each in motions], axis=1), False)
    kept: FloatArray = basis[:, size > 1e-3 * size[0]]
    return kept


def _turns(atomic_numbers: NDArray[np.integer], x: FloatArray) -> list[FloatArray]:
    """Turns of one side of the molecule about each bond outside rings, (3 n_atoms,) each."""
    numbers = atomic_numbers.astype(np.uint8)
    bonds = bonded(Structure(numbers, (x * ANGSTROM_PER_BOHR).astype(np.float32)))
    n_neighbours = bonds.sum(axis=0)
    turns: list[FloatArray] = []
    for first, second in zip(*np.nonzero(np.triu(bonds)), strict=True):
        if n_neighbours[first] < 2 or n_neighbours[second] < 2:
            continue
        side = beyond(bonds, int(first), int(second))
        if side is None:
            continue
        axis = (x[second] - x[first]) / np.linalg.norm(x[second] - x[first])
        turn: FloatArray = np.where(side[:, None], np.cross(axis, x - x[first]), 0.0)
        turns.append(turn.ravel())
    return turns


def _orthogonal(new: FloatArray, *others: FloatArray) -> FloatArray | None:
    """Of length 1 and orthogonal to columns of others; None where nothing is left."""
    new = new / max(float(np.linalg.norm(new)), 1e-12)  # of a straight end nothing turns
    for _ in range(2):  # once more against rounding
        for basis in others:
            new = new - basis @ (basis.T @ new)
    length = float(np.linalg.norm(new))
    return new / length if length > 1e-6 else None
