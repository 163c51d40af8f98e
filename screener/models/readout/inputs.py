"""What networks are given of molecules: AIMNet2's features in the directions in which they vary."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from screener.dense import affine, packed
from screener.models.readout.model import Projector
from screener.models.readout.network import padded
from screener.potentials.aimnet2.potential import AimNet2
from screener.records import Structure

ROWS = 128  # atoms of a block are padded to a multiple


@dataclass(frozen=True, slots=True, eq=False)
class Inputs:
    """Molecules with what networks are given of them, (n,) each.

    Args:
        structures: the molecules.
        inputs: of each, float (n_atoms, n_inputs).
        charges: of each, float32 (n_atoms,), elementary charges.
    """

    structures: Sequence[Structure]
    inputs: Sequence[NDArray[Any]]
    charges: Sequence[NDArray[np.float32]]

    def part(self, where: slice) -> "Inputs":
        """Consecutive ones."""
        return Inputs(self.structures[where], self.inputs[where], self.charges[where])

    def rows(self, rows: NDArray[np.int64]) -> "Inputs":
        """The molecules at `rows`, in that order."""
        chosen = rows.tolist()
        return Inputs(
            [self.structures[row] for row in chosen],
            [self.inputs[row] for row in chosen],
            [self.charges[row] for row in chosen],
        )


class Featuriser:
    """Makes inputs of structures.

    Args:
        projector: of AIMNet2's features.
        device: of torch.
    Raises:
        ConfigError: the weights of AIMNet2 are not on this machine.
    """

    def __init__(self, projector: Projector, device: str = "cpu") -> None:
        self._device = device
        self._potential = AimNet2(device)
        self._centre = torch.from_numpy(projector.centre).to(device)
        scaled = projector.directions / projector.sizes[:, None]
        self._directions = torch.from_numpy(scaled).to(device)

    def __call__(self, structures: Sequence[Structure]) -> Inputs:
        """The inputs of some hundreds of molecules, float32, the same bytes in whatever batch."""
        vectors = self._potential.vectors(structures)
        inputs: list[NDArray[np.float32]] = []
        for block in packed(np.array([structure.n_atoms for structure in structures]), ROWS):
            rows = padded(np.concatenate([each.features for each in vectors[block]]), ROWS)
            centred = torch.from_numpy(rows).to(self._device) - self._centre
            projected = affine(centred, self._directions, None).cpu().numpy()
            ends = np.cumsum([structure.n_atoms for structure in structures[block]])
            inputs += np.split(projected[: ends[-1]], ends[:-1])
        return Inputs(structures, inputs, [each.charges for each in vectors])
