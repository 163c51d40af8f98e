"""AIMNet2 as its authors published it: the archive, run by torch, one molecule at a time."""

import warnings

import numpy as np
import torch

from screener.potentials.aimnet2 import weights
from screener.records import Structure


class Published:
    """The published model.

    Its energies of elements are added in single precision, which rounds energies of molecules to
    some 1e-4 eV (1e-3 where there is bromine), so they are taken out here and added in double
    precision.
    """

    def __init__(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            self._model = torch.jit.load(weights.archive(), map_location="cpu")
        shifts = []
        with torch.no_grad():
            for name, values in self._model.state_dict().items():
                if "atomic_shift" in name:
                    shifts.append(values[:, 0].double())
                    values.zero_()
        self._shifts = torch.stack(shifts).mean(dim=0)

    def __call__(self, structure: Structure) -> tuple[float, np.ndarray, np.ndarray]:
        """Energy (eV), forces (eV/angstrom) and charges."""
        numbers = torch.from_numpy(structure.atomic_numbers.astype(np.int64))
        out = self._model(
            {
                "coord": torch.from_numpy(structure.positions)[None],
                "numbers": numbers[None],
                "charge": torch.tensor([float(structure.charge)]),
            }
        )
        energy = out["energy"].double() + self._shifts[numbers].sum()
        return float(energy), out["forces"][0].detach().numpy(), out["charges"][0].detach().numpy()
