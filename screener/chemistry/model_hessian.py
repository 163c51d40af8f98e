"""A model Hessian: what a geometry optimiser knows before its first step.

Force constants of stretches, bends and torsions that fall off smoothly with distance need no atom
types and no bonds. Starting from it, a quasi-Newton optimiser needs about half the steps of one
that starts from a scaled unit matrix.
"""

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

# Lindh, Bernhardsson, Karlström, Malmqvist, Chem. Phys. Lett. 241, 423 (1995): table 1, by row of
# the periodic table.
_ALPHA = np.array([[1.0, 0.3949, 0.3949], [0.3949, 0.28, 0.28], [0.3949, 0.28, 0.28]])
_R_REF = np.array([[1.35, 2.10, 2.53], [2.10, 2.87, 3.40], [2.53, 3.40, 3.40]])
_K_STRETCH, _K_BEND, _K_TORSION = 0.45, 0.15, 0.005  # hartree/bohr^2, hartree/rad^2, hartree/rad^2

_NEIGHBOUR_RHO = 0.05  # weaker pairs take part in stretches alone
_LINEAR_SINE = 0.05  # a bend below this sine has no plane of its own
_LEAST_SINE_SQUARE = 0.1  # a torsion with an end nearer to its axis is undefined


def lindh_hessian(atomic_numbers: NDArray[np.integer], positions: FloatArray) -> FloatArray:
    """Model Hessian of one molecule in Cartesian coordinates.

    Args:
        atomic_numbers: (n_atoms,).
        positions: float64 (n_atoms, 3), bohr.
    Returns:
        float64 (3 n_atoms, 3 n_atoms), hartree/bohr^2, symmetric, positive semi-definite.
    References:
        Lindh et al., Chem. Phys. Lett. 241, 423 (1995).
    """
    n_atoms = len(atomic_numbers)
    row = np.searchsorted([2, 10], atomic_numbers)
    row = np.minimum(row, 2)
    pair = row[:, None], row[None, :]
    separation = positions[:, None] - positions[None, :]
    squared = (separation**2).sum(-1)
    rho = np.exp(_ALPHA[pair] * (_R_REF[pair] ** 2 - squared))
    np.fill_diagonal(rho, 0.0)

    idx_i, idx_j = np.triu_indices(n_atoms, 1)
    blocks = [_stretches(idx_i, idx_j, positions)]
    weights = [_K_STRETCH * rho[idx_i, idx_j]]

    neighbours = [np.nonzero(near)[0].tolist() for near in rho > _NEIGHBOUR_RHO]
    bends = [(a, b, c) for b in range(n_atoms) for a, c in combinations(neighbours[b], 2)]
    if bends:
        derivatives, kept = _bends(np.array(bends), positions)
        a, b, c = np.array(bends)[kept].T
        blocks.append(derivatives)
        weights.append(_K_BEND * rho[a, b] * rho[b, c])
    torsions = [
        (a, b, c, d)
        for b in range(n_atoms)
        for c in neighbours[b]
        if b < c
        for a in neighbours[b]
        if a != c
        for d in neighbours[c]
        if d not in (a, b)
    ]
    if torsions:
        derivatives, kept = _torsions(np.array(torsions), positions)
        a, b, c, d = np.array(torsions)[kept].T
        blocks.append(derivatives)
        weights.append(_K_TORSION * rho[a, b] * rho[b, c] * rho[c, d])

    rows = np.concatenate(blocks)
    hessian: FloatArray = (rows * np.concatenate(weights)[:, None]).T @ rows
    return hessian


def _scatter(
    n_rows: int, n_atoms: int, parts: list[tuple[NDArray[np.integer], FloatArray]]
) -> FloatArray:
    """Rows of the B matrix from the derivatives (n_rows, 3) with respect to one atom each."""
    matrix = np.zeros((n_rows, n_atoms, 3))
    index = np.arange(n_rows)
    for atoms, derivative in parts:
        matrix[index, atoms] = derivative
    return matrix.reshape(n_rows, 3 * n_atoms)


def _stretches(
    idx_i: NDArray[np.integer], idx_j: NDArray[np.integer], positions: FloatArray
) -> FloatArray:
    unit = positions[idx_i] - positions[idx_j]
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    return _scatter(len(idx_i), len(positions), [(idx_i, unit), (idx_j, -unit)])


def _bends(
    atoms: NDArray[np.integer], positions: FloatArray
) -> tuple[FloatArray, NDArray[np.integer]]:
    """B-matrix rows of the bends a-b-c and the bend of each row; linear bends have two rows."""
    a, b, c = atoms.T
    to_a, to_c = positions[a] - positions[b], positions[c] - positions[b]
    r_a, r_c = (np.linalg.norm(v, axis=1, keepdims=True) for v in (to_a, to_c))
    to_a, to_c = to_a / r_a, to_c / r_c
    cosine = np.clip((to_a * to_c).sum(1, keepdims=True), -1.0, 1.0)
    sine = np.sqrt(1.0 - cosine**2)
    bent = np.nonzero(sine[:, 0] >= _LINEAR_SINE)[0]
    linear = np.nonzero(sine[:, 0] < _LINEAR_SINE)[0]

    def rows(chosen: NDArray[np.integer], d_a: FloatArray, d_c: FloatArray) -> FloatArray:
        parts = [(a[chosen], d_a), (c[chosen], d_c), (b[chosen], -d_a - d_c)]
        return _scatter(len(chosen), len(positions), parts)

    cos, sin = cosine[bent], sine[bent]
    d_a = (cos * to_a[bent] - to_c[bent]) / (r_a[bent] * sin)
    d_c = (cos * to_c[bent] - to_a[bent]) / (r_c[bent] * sin)
    blocks = [rows(bent, d_a, d_c)]
    if len(linear):
        axis = to_a[linear]
        helper = np.where(np.abs(axis[:, :1]) < 0.8, [[1.0, 0.0, 0.0]], [[0.0, 1.0, 0.0]])
        first = np.cross(axis, helper)
        first /= np.linalg.norm(first, axis=1, keepdims=True)
        for direction in (first, np.cross(axis, first)):
            blocks.append(rows(linear, direction / r_a[linear], direction / r_c[linear]))
        return np.concatenate(blocks), np.concatenate([bent, linear, linear])
    return blocks[0], bent


def _torsions(
    atoms: NDArray[np.integer], positions: FloatArray
) -> tuple[FloatArray, NDArray[np.integer]]:
    """B-matrix rows of the torsions a-b-c-d that are defined, and which of `atoms` they are.

    Blondel and Karplus, J. Comput. Chem. 17, 1132 (1996).
    """
    a, b, c, d = atoms.T
    f, g, h = positions[a] - positions[b], positions[b] - positions[c], positions[d] - positions[c]
    normal_a, normal_d = np.cross(f, g), np.cross(h, g)
    square_a, square_d = (normal_a**2).sum(1), (normal_d**2).sum(1)
    square_f, square_g, square_h = ((v**2).sum(1) for v in (f, g, h))
    bent_a = square_a > _LEAST_SINE_SQUARE * square_f * square_g
    bent_d = square_d > _LEAST_SINE_SQUARE * square_h * square_g
    defined = np.nonzero(bent_a & bent_d)[0]
    a, b, c, d, f, g, h, normal_a, normal_d = (
        v[defined] for v in (a, b, c, d, f, g, h, normal_a, normal_d)
    )
    square_a, square_d = square_a[defined, None], square_d[defined, None]
    length = np.linalg.norm(g, axis=1, keepdims=True)
    d_a = -length / square_a * normal_a
    d_d = length / square_d * normal_d
    shift = (f * g).sum(1, keepdims=True) / (square_a * length) * normal_a - (h * g).sum(
        1, keepdims=True
    ) / (square_d * length) * normal_d
    parts = [(a, d_a), (b, -d_a + shift), (c, -shift - d_d), (d, d_d)]
    return _scatter(len(defined), len(positions), parts), defined
