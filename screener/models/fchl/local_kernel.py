"""The exact local kernel between molecules.

For molecules A and B,

    K[A, B] = sum over atoms i of A and j of B of the same element of
              exp(-|x_i - x_j|^2 / (2 width^2)),

x the FCHL19 environments, all features of them. One matrix product makes the exponents of a block
of pairs: each environment carries two more columns, so that the product with another is already
-|x - y|^2 / 2, in units in which 2 to its power is the kernel. All in float64: with products in
float32 kernels are right to some 1e-7, and weights of both signs that nearly cancel turn that into
errors of energies.
"""

from dataclasses import dataclass
from math import e, log, log2, sqrt

import numpy as np
import torch
from numpy.typing import NDArray

from screener.models.fchl.projection import ROWS
from screener.models.fchl.representation import Environments
from screener.models.fchl.sparse_kernel import COLUMNS

FloatArray = NDArray[np.float64]

BLOCK = 128  # reference molecules whose atoms are the columns of one product
STRIP = 512  # molecules whose kernels are in memory as atoms at once


@dataclass(frozen=True, slots=True, eq=False)
class KernelRows:
    """Kernels of a list of molecules with the reference."""

    values: torch.Tensor  # float64 (n_molecules, n_reference)
    distances: FloatArray  # (n_atoms,), to the nearest reference environment of the same element


@dataclass(frozen=True, slots=True, eq=False)
class _Columns:
    """Reference environments of one element in one block of molecules."""

    element: int
    points: torch.Tensor  # (n_features + 2, n_atoms padded)
    molecule: torch.Tensor  # int64 (n_atoms,), place in the whole reference


class LocalKernel:
    """Kernels against one list of reference molecules.

    Args:
        reference: their environments.
        width: of the Gaussian, in units of the representation.
        device: of torch, such as `cpu` or `cuda`.
    """

    def __init__(self, reference: Environments, width: float, device: str = "cpu") -> None:
        self.width = width
        self.device = torch.device(device)
        self.n_reference = reference.n_molecules
        self._columns = [
            self._element_columns(reference, element, start)
            for start in range(0, reference.n_molecules, BLOCK)
            for element in reference.elements
        ]

    def _element_columns(self, reference: Environments, element: int, start: int) -> _Columns:
        first, last = np.searchsorted(reference.molecule, [start, start + BLOCK])
        rows = first + np.flatnonzero(reference.atomic_numbers[first:last] == element)
        points = _scaled(reference.values[rows], self.width)
        half = (points * points).sum(axis=1, keepdims=True) / 2
        extended = np.zeros((points.shape[1] + 2, len(rows) + -len(rows) % COLUMNS))
        extended[:, : len(rows)] = np.concatenate([points, -np.ones_like(half), -half], axis=1).T
        extended[-1, len(rows) :] = -np.inf  # the kernel with what only pads is 0
        molecule = torch.from_numpy(reference.molecule[rows])
        return _Columns(
            element, torch.from_numpy(extended).to(self.device), molecule.to(self.device)
        )

    def rows(self, environments: Environments) -> KernelRows:
        """Kernels of every molecule, in order; a row has the same bytes whatever its company.

        An element that the reference does not have adds nothing; its atoms are infinitely far.
        """
        values = torch.zeros(
            (environments.n_molecules, self.n_reference), dtype=torch.float64, device=self.device
        )
        distances = np.full(len(environments.atomic_numbers), np.inf)
        for start in range(0, environments.n_molecules, STRIP):
            stop = min(start + STRIP, environments.n_molecules)
            atoms = slice(*np.searchsorted(environments.molecule, [start, stop]).tolist())
            for element in environments.elements:
                rows = atoms.start + np.flatnonzero(environments.atomic_numbers[atoms] == element)
                if len(rows):
                    molecule = environments.molecule[rows] - start
                    strip = values[start:stop]
                    distances[rows] = self._add(environments.values[rows], molecule, element, strip)
        return KernelRows(values, distances)

    def _add(
        self,
        values: NDArray[np.float32],
        molecule: NDArray[np.int64],
        element: int,
        target: torch.Tensor,
    ) -> FloatArray:
        """Add the kernels of environments (n, n_features) of one element to the rows of their
        molecules; returns the distances (n,) to the nearest reference environment."""
        queries = self._queries(values)
        owner = torch.from_numpy(molecule).to(self.device)
        nearest = torch.full((len(values),), -torch.inf, dtype=torch.float64, device=self.device)
        for columns in self._columns:
            count = len(columns.molecule)
            if columns.element != element or count == 0:
                continue
            # summed over the molecules' own atoms first, one after the other, then over the
            # reference's: most of the work is done on rows that lie together
            sums = torch.zeros(
                (len(target), columns.points.shape[1]), dtype=torch.float64, device=self.device
            )
            for start in range(0, len(values), ROWS):
                exponent = torch.mm(queries[start : start + ROWS], columns.points)
                part = slice(start, min(start + ROWS, len(values)))
                exponent = exponent[: part.stop - part.start]
                torch.maximum(nearest[part], exponent.amax(dim=1), out=nearest[part])
                sums.index_add_(0, owner[part], exponent.exp2_())
            target.index_add_(1, columns.molecule, sums[:, :count])
        squared = nearest.clamp_(max=0.0).cpu().numpy() * (-2 * log(2) * self.width**2)
        distances: FloatArray = np.sqrt(squared)
        return distances

    def _queries(self, values: NDArray[np.float32]) -> torch.Tensor:
        points = _scaled(values, self.width)
        half = (points * points).sum(axis=1, keepdims=True) / 2
        queries = np.zeros((len(points) + -len(points) % ROWS, points.shape[1] + 2))
        queries[: len(points)] = np.concatenate([points, half, np.ones_like(half)], axis=1)
        queries[len(points) :, -1] = 1.0  # what only pads stays finite
        return torch.from_numpy(queries).to(self.device)


def _scaled(values: NDArray[np.float32], width: float) -> FloatArray:
    scaled: FloatArray = values.astype(np.float64) * (sqrt(log2(e)) / width)
    return scaled


def symmetric_kernel(environments: Environments, width: float) -> FloatArray:
    """Kernel of a list of molecules with itself, float64 (n, n), symmetric to the last bit.

    Half the work of `LocalKernel.rows`, in memory of the result and a few blocks.
    """
    n = environments.n_molecules
    result = np.empty((n, n))
    for start in range(0, n, BLOCK):
        stop = min(start + BLOCK, n)
        columns = LocalKernel(part(environments, start, stop), width)
        result[start:, start:stop] = columns.rows(part(environments, start, n)).values.numpy()
        square = result[start:stop, start:stop]
        square[...] = (square + square.T) / 2
        result[start:stop, stop:] = result[stop:, start:stop].T
    return result


def self_kernel(environments: Environments, width: float) -> FloatArray:
    """K[A, A] of every molecule, float64 (n,), each computed alone."""
    result = np.empty(environments.n_molecules)
    stops = np.cumsum(environments.atoms_per_molecule)
    for number, stop in enumerate(stops.tolist()):
        atoms = slice(stop - int(environments.atoms_per_molecule[number]), stop)
        numbers = environments.atomic_numbers[atoms]
        points = np.zeros((len(numbers) + -len(numbers) % COLUMNS, environments.values.shape[1]))
        points[: len(numbers)] = environments.values[atoms].astype(np.float64) / width
        products = (points @ points.T)[: len(numbers), : len(numbers)]
        half = np.diag(products) / 2
        exponent = np.minimum(products - half[:, None] - half[None, :], 0.0)
        result[number] = np.exp(exponent)[numbers[:, None] == numbers[None, :]].sum()
    return result


def part(environments: Environments, start: int, stop: int) -> Environments:
    """Molecules `start` to `stop` of a list, views of its arrays.

    Args:
        environments: of all molecules.
        start: first molecule.
        stop: one past the last.
    Returns:
        the environments of these molecules.
    """
    atoms = slice(*np.searchsorted(environments.molecule, [start, stop]).tolist())
    return Environments(
        environments.elements,
        environments.values[atoms],
        environments.atomic_numbers[atoms],
        environments.molecule[atoms] - start,
        stop - start,
    )
