"""Linear projection of FCHL19 environments, per element.

720 features are strongly correlated: the leading 128 principal components of each element's
training environments keep all but about 1e-4 of the variance, make kernels five times cheaper and
bundles small. The vectors are rounded to half precision before anything is fitted in the projected
space, so storing them so costs nothing.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from screener.models.fchl.representation import Elements, Environments

ROWS = (
    128  # matrix products run at this many rows, padded: a row's bytes do not depend on its company
)


@dataclass(frozen=True, slots=True, eq=False)
class Projected:
    """Environments in the projected space, with what the projection left out."""

    elements: Elements
    values: NDArray[np.float64]  # (n_atoms, n_components)
    residual: NDArray[np.float64]  # (n_atoms,), squared distance to the subspace
    atomic_numbers: NDArray[np.uint8]  # (n_atoms,)
    molecule: NDArray[np.int64]  # (n_atoms,), ascending
    n_molecules: int

    @property
    def atoms_per_molecule(self) -> NDArray[np.int64]:
        """Numbers of atoms (n_molecules,)."""
        return np.bincount(self.molecule, minlength=self.n_molecules)


@dataclass(frozen=True, slots=True, eq=False)
class Projection:
    """Principal components of the environments of every element."""

    elements: Elements
    means: NDArray[np.float32]  # (n_elements, n_features)
    # (n_elements, n_features, n_components), columns nearly orthonormal
    vectors: NDArray[np.float16]

    @property
    def n_components(self) -> int:
        """Dimensions that are kept."""
        return int(self.vectors.shape[2])

    def apply(self, environments: Environments) -> Projected:
        """Project every environment with the vectors of its element; each row on its own."""
        n_atoms = len(environments.atomic_numbers)
        values = np.zeros((n_atoms, self.n_components))
        residual = np.zeros(n_atoms)
        for index, element in enumerate(self.elements):
            rows = np.flatnonzero(environments.atomic_numbers == element)
            centred = environments.values[rows].astype(np.float64) - self.means[index]
            vectors = torch.from_numpy(self.vectors[index].astype(np.float64))
            for start in range(0, len(rows), ROWS):
                block = np.zeros((ROWS, centred.shape[1]))
                part = centred[start : start + ROWS]
                block[: len(part)] = part
                image = (torch.from_numpy(block) @ vectors).numpy()[: len(part)]
                values[rows[start : start + ROWS]] = image
                lost = (part**2).sum(axis=1) - (image**2).sum(axis=1)
                residual[rows[start : start + ROWS]] = np.maximum(lost, 0.0)
        return Projected(
            self.elements, values, residual, environments.atomic_numbers, environments.molecule,
            environments.n_molecules,
        )  # fmt: skip


def fit_projection(environments: Environments, n_components: int) -> tuple[Projection, float]:
    """Principal components per element.

    Args:
        environments: of a sample of the training molecules.
        n_components: dimensions kept, the same for every element.
    Returns:
        the projection and the share of variance it loses, worst over the elements.
    """
    elements, width = environments.elements, environments.values.shape[1]
    means = np.zeros((len(elements), width), dtype=np.float32)
    vectors = np.zeros((len(elements), width, n_components), dtype=np.float16)
    lost = 0.0
    for index, element in enumerate(elements):
        rows = environments.values[environments.atomic_numbers == element].astype(np.float64)
        if len(rows) == 0:
            continue  # no environment of this element is inside the domain, so nothing is projected
        means[index] = rows.mean(axis=0)
        rows -= means[index]
        eigenvalues, basis = np.linalg.eigh(rows.T @ rows)
        basis = basis[:, ::-1][:, :n_components]
        # the sign of an eigenvector is arbitrary: fix it, so that a fit can be repeated
        basis *= np.sign(basis[np.abs(basis).argmax(axis=0), np.arange(basis.shape[1])])
        vectors[index] = basis
        total = float(eigenvalues.sum())
        if total > 0.0:
            lost = max(lost, 1.0 - float(eigenvalues[::-1][:n_components].sum()) / total)
    return Projection(elements, means, vectors), lost
