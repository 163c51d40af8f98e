"""What a potential is: energies, forces and charges of molecules, many at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from screener.records import Structure


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """What a potential says of one geometry.

    Args:
        energy_ev: total energy.
        std_ev: standard deviation of the energy among the members of an ensemble; NaN without one.
        forces: float64 (n_atoms, 3), eV/angstrom.
        charges: float32 (n_atoms,), elementary charges.
    """

    energy_ev: float
    std_ev: float
    forces: NDArray[np.float64]
    charges: NDArray[np.float32]


class Potential(Protocol):
    """Evaluates molecules; levels are made of it by `screener.potentials.levels`."""

    def evaluate(self, structures: Sequence[Structure]) -> list[Evaluation]:
        """Energies and forces at geometries as they are.

        Args:
            structures: (n,), of elements and charges that the level made of this potential takes.
                A structure has to get the same bytes whatever others come with it.
        Returns:
            (n,), in the same order. Values that are not finite set the molecule aside.
        """
        ...

    @property
    def n_atoms_at_once(self) -> int:
        """How many atoms an evaluation should have for best speed."""
        ...
