"""Geometry optimisation in few steps: BFGS on a model Hessian with rational-function steps.

A step costs one GFN2 calculation, so steps are what counts: from MMFF94 geometries about 14 are
needed, where a limited-memory optimiser that knows nothing beforehand takes 22 to a looser
threshold.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from screener.chemistry.model_hessian import lindh_hessian
from screener.errors import MoleculeError
from screener.units import ANGSTROM_PER_BOHR, EV_PER_HARTREE

FloatArray = NDArray[np.float64]
Energy = tuple[float, FloatArray]  # hartree, and gradient (n_atoms, 3), hartree/bohr
EnergyAndGradient = Callable[[FloatArray], Energy]

# hartree/bohr^2: softer modes, translations and rotations among them, are treated as this stiff
_SOFTEST = 0.003
_TRUST_START, _TRUST_LEAST, _TRUST_MOST = 0.3, 0.02, 0.8  # bohr, the longest step of one atom
_RISE_ACCEPTED = 1e-4  # hartree: a step that rises further is taken back
_DAMPING = 0.2  # Powell: keeps the Hessian positive definite


@dataclass(frozen=True, slots=True, eq=False)
class Minimum:
    """Where an optimisation ended."""

    positions: NDArray[np.float32]  # (n_atoms, 3), angstrom
    n_steps: int  # energy evaluations


Steps = Generator[FloatArray, Energy, Minimum]
# of atomic numbers, positions (angstrom), a threshold of forces (eV/angstrom), most evaluations
Walk = Callable[[NDArray[np.integer], NDArray[np.floating], float, int], Steps]


def followed(energy_and_gradient: EnergyAndGradient, steps: Steps) -> Minimum:
    """Where a walk ends that is told energies and gradients as it asks for them.

    Args:
        energy_and_gradient: positions (n_atoms, 3), bohr -> hartree, hartree/bohr.
        steps: of `minimisation`, or another that takes the same.
    Raises:
        MoleculeError: as of the walk.
    """
    x = next(steps)
    while True:
        try:
            x = steps.send(energy_and_gradient(x))
        except StopIteration as end:
            minimum: Minimum = end.value
            return minimum


def minimisation(
    atomic_numbers: NDArray[np.integer],
    positions: NDArray[np.floating],
    force_threshold: float,
    max_steps: int,
) -> Steps:
    """Walk downhill until no atom feels more than `force_threshold`.

    A generator, so that somebody else can evaluate several walks at once; see `followed`. Every
    geometry is rounded to float32 angstrom before it is evaluated, so the stored positions are the
    very ones that the last energy belongs to.

    Args:
        atomic_numbers: (n_atoms,).
        positions: (n_atoms, 3), angstrom.
        force_threshold: eV/angstrom, on the largest force of one atom.
        max_steps: energy evaluations.
    Yields:
        positions (n_atoms, 3), bohr, of which energy and gradient are to be sent.
    Returns:
        the minimum; the last evaluation was made there.
    Raises:
        MoleculeError: `not_converged` after `max_steps`.
    References:
        Banerjee et al., J. Phys. Chem. 89, 52 (1985) (rational functions); Nocedal and Wright,
        Numerical Optimization, procedure 18.2 (damped BFGS).
    """
    threshold = force_threshold / EV_PER_HARTREE * ANGSTROM_PER_BOHR
    rounded, x = as_stored(positions.astype(np.float64))
    energy, gradient = yield x
    hessian = lindh_hessian(atomic_numbers, x)
    trust = _TRUST_START
    for n_steps in range(1, max_steps + 1):
        if np.linalg.norm(gradient, axis=1).max() < threshold:
            return Minimum(rounded, n_steps)
        step = _rational_step(hessian, gradient.ravel())
        longest = np.linalg.norm(step.reshape(-1, 3), axis=1).max()
        step *= min(1.0, trust / longest)
        rounded_new, x_new = as_stored((x + step.reshape(-1, 3)) * ANGSTROM_PER_BOHR)
        energy_new, gradient_new = yield x_new
        step = (x_new - x).ravel()  # as it was after rounding
        predicted = gradient.ravel() @ step + 0.5 * step @ hessian @ step
        hessian = _damped_bfgs(hessian, step, (gradient_new - gradient).ravel())
        if energy_new > energy:
            trust = max(trust / 2, _TRUST_LEAST)
        elif energy_new - energy < 0.75 * predicted:
            trust = min(trust * 1.5, _TRUST_MOST)
        if energy_new < energy + _RISE_ACCEPTED:
            rounded, x, energy, gradient = rounded_new, x_new, energy_new, gradient_new
    raise MoleculeError(
        "not_converged",
        f"the geometry did not converge to {force_threshold} eV/Å in {max_steps} steps",
    )


def as_stored(positions: FloatArray) -> tuple[NDArray[np.float32], FloatArray]:
    """Positions rounded as they are stored (angstrom), and those in bohr."""
    stored = positions.astype(np.float32)
    return stored, stored.astype(np.float64) / ANGSTROM_PER_BOHR


def _rational_step(hessian: FloatArray, gradient: FloatArray) -> FloatArray:
    """Minimum of the rational model: a Newton step shifted by the lowest secular root."""
    stiffness, modes = np.linalg.eigh(hessian)
    stiffness = np.maximum(stiffness, _SOFTEST)
    along = modes.T @ gradient
    square = along**2
    shift = (
        0.0  # Newton from here falls monotonically onto the root: the function is convex and rising
    )
    for _ in range(20):
        gap = shift - stiffness
        change = (shift - (square / gap).sum()) / (1.0 + (square / gap**2).sum())
        shift -= change
        if change < 1e-9:
            break
    step: FloatArray = modes @ (-along / (stiffness - shift))
    return step


def _damped_bfgs(hessian: FloatArray, step: FloatArray, change: FloatArray) -> FloatArray:
    expected = hessian @ step
    curvature, model = step @ change, step @ expected
    if curvature < _DAMPING * model:
        share = (1 - _DAMPING) * model / (model - curvature)
        change = share * change + (1 - share) * expected
        curvature = step @ change
    updated: FloatArray = (
        hessian + np.outer(change, change) / curvature - np.outer(expected, expected) / model
    )
    return updated
