"""The sparse local kernel: sums over atoms of Gaussians around inducing environments.

For a molecule n and an inducing environment m,

    K[n, m] = sum over atoms i of n with the element of m of exp(-|x_i - z_m|^2 / (2 width^2)).

Everything a model predicts is linear in these sums, with large weights of both signs that nearly
cancel: rounding of single kernels to float32 showed as 0.01 kcal/mol between two processors. So
kernels are float64, at fixed padded shapes, and summed in the order of the atoms: a molecule's row
has the same bytes in whatever batch it is computed.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from screener.models.fchl.inducing import Inducing
from screener.models.fchl.projection import ROWS, Projected

FloatArray = NDArray[np.float64]

# Matrix products have a multiple of this many columns: with other numbers MKL handles the last
# columns of each row in an order that depends on where in memory the row begins.
COLUMNS = 16


@dataclass(frozen=True, slots=True, eq=False)
class KernelSums:
    """Kernel sums of a list of molecules and how far their atoms are from what the model knows."""

    sums: torch.Tensor  # float64 (n_molecules, n_inducing)
    distances: FloatArray  # (n_atoms,), to the nearest inducing environment of the same element


class SparseKernel:
    """Kernel sums against one set of inducing environments.

    Args:
        inducing: the environments.
        width: of the Gaussian, in units of the representation.
        device: of torch, such as `cpu` or `cuda`.
    """

    def __init__(self, inducing: Inducing, width: float, device: str = "cpu") -> None:
        self.inducing = inducing
        self.width = width
        self.device = torch.device(device)
        self._points = []
        for index in range(len(inducing.elements)):
            scaled = inducing.values[inducing.block(index)].astype(np.float64) / width
            points = pad_columns(torch.from_numpy(scaled.T)).contiguous()
            half_norms = (points * points).sum(dim=0) / 2
            half_norms[len(scaled) :] = torch.inf  # the kernel with what only pads is 0
            self._points.append((points.to(self.device), half_norms.to(self.device)))

    @property
    def n_inducing(self) -> int:
        """Inducing environments of all elements."""
        return len(self.inducing.values)

    def sums(self, environments: Projected) -> KernelSums:
        """Kernel sums of every molecule, in order.

        Elements without inducing environments add nothing; their atoms are at infinite distance.
        """
        result = torch.zeros(
            (environments.n_molecules, self.n_inducing), dtype=torch.float64, device=self.device
        )
        distances = np.full(len(environments.atomic_numbers), np.inf)
        for index, element in enumerate(self.inducing.elements):
            rows = np.flatnonzero(environments.atomic_numbers == element)
            columns = self.inducing.block(index)
            if len(rows) == 0 or columns.start == columns.stop:
                continue
            kernel, nearest = self._kernel(environments.values[rows], index)
            _add_in_order(result[:, columns], kernel, environments.molecule[rows])
            squared = nearest.cpu().numpy() * self.width**2
            distances[rows] = np.sqrt(squared + environments.residual[rows])
        return KernelSums(result, distances)

    def _kernel(self, values: FloatArray, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Kernels (n, m) of environments with all inducing ones of one element, and the smallest
        squared distance (n,), in units of the width."""
        points, half_norms = self._points[index]
        n_blocks = -(-len(values) // ROWS)
        padded = np.zeros((n_blocks * ROWS, values.shape[1]))
        padded[: len(values)] = values / self.width
        scaled = torch.from_numpy(padded).to(self.device)
        kernel = torch.empty(
            (len(padded), points.shape[1]), dtype=torch.float64, device=self.device
        )
        nearest = torch.empty(len(padded), dtype=torch.float64, device=self.device)
        for start in range(0, len(padded), ROWS):
            block = slice(start, start + ROWS)
            half = (scaled[block] * scaled[block]).sum(dim=1, keepdim=True) / 2
            exponent = torch.mm(scaled[block], points)
            exponent.sub_(half).sub_(half_norms).clamp_(max=0.0)
            nearest[block] = -2.0 * exponent.amax(dim=1)
            torch.exp(exponent, out=kernel[block])
        return kernel[: len(values), : self.inducing.counts[index]], nearest[: len(values)]

    def inducing_kernel(self, index: int) -> FloatArray:
        """Kernel of the inducing environments of one element with themselves, float64 (m, m)."""
        points = self.inducing.values[self.inducing.block(index)].astype(np.float64) / self.width
        half = (points * points).sum(axis=1) / 2
        kernel: FloatArray = np.exp(
            np.minimum(points @ points.T - half[:, None] - half[None, :], 0.0)
        )
        return kernel


def pad_columns(matrix: torch.Tensor) -> torch.Tensor:
    """The matrix with columns of zeros up to a multiple of `COLUMNS`."""
    return torch.nn.functional.pad(matrix, (0, -matrix.shape[1] % COLUMNS))


def _add_in_order(target: torch.Tensor, rows: torch.Tensor, molecule: NDArray[np.int64]) -> None:
    """Add every row to its molecule's, first atoms first: the same sums on every device."""
    first = np.searchsorted(molecule, molecule)
    slot = np.arange(len(molecule)) - first
    for number in range(int(slot.max()) + 1):
        chosen = np.flatnonzero(slot == number)
        where = torch.from_numpy(molecule[chosen]).to(target.device)
        target[where] += rows[torch.from_numpy(chosen).to(target.device)]
