"""How far atoms are from those that a network was trained on, by the features that it makes."""

import numpy as np
import torch
from numpy.typing import NDArray

from screener.dense import affine
from screener.models.fchl.inducing import Inducing
from screener.models.fchl.sparse_kernel import COLUMNS

FloatArray = NDArray[np.float64]

ROWS = 512  # atoms that are compared at once
NOWHERE = -1e30  # the product with a known environment that only pads


class KnownAtoms:
    """Distances of atoms to the nearest of a list of known ones of the same element.

    Args:
        known: features of atoms, element after element.
        device: of torch.
    """

    def __init__(self, known: Inducing, device: str = "cpu") -> None:
        self._device = device
        self._points = []
        self._elements = known.elements
        for index in range(len(known.elements)):
            points = torch.from_numpy(known.values[known.block(index)].astype(np.float32))
            half = (points * points).sum(dim=1) / 2
            missing = -len(points) % COLUMNS
            points = torch.nn.functional.pad(points, (0, 0, 0, missing))
            half = torch.nn.functional.pad(half, (0, missing), value=-NOWHERE)
            self._points.append((points.to(device), -half.to(device)))

    def distances(
        self, atomic_numbers: NDArray[np.uint8], features: NDArray[np.float32]
    ) -> FloatArray:
        """Distances (n_atoms,) from features (n_atoms, n_features); infinite where nothing of an
        atom's element is known."""
        result = np.full(len(atomic_numbers), np.inf)
        for element, (points, half) in zip(self._elements, self._points, strict=True):
            rows = np.flatnonzero(atomic_numbers == element)
            if len(points) == 0:
                continue
            for start in range(0, len(rows), ROWS):
                some = rows[start : start + ROWS]
                block = np.zeros((ROWS, features.shape[1]), dtype=np.float32)
                block[: len(some)] = features[some]
                x = torch.from_numpy(block).to(self._device)
                nearest = affine(x, points, half).amax(dim=1).double()
                squared = (x.double().square().sum(dim=1) - 2.0 * nearest).clamp_min(0.0)
                result[some] = squared.sqrt()[: len(some)].cpu().numpy()
        return result
