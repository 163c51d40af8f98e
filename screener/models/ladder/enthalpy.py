"""The enthalpy of formation at 298 K that goes with an atomization energy at 0 K.

What is known of free atoms and of the elements is a number per atom; what the molecule takes up
between 0 and 298 K is small, smooth, and learned as a sum over atoms, bonds and rings.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from screener.models.kernel_ridge.increments import increments, vocabulary
from screener.records import Structure

FloatArray = NDArray[np.float64]

COLUMN = "hof298_g4mp2_kcal"
_BLOCKS = ("composition", "bonds", "rings")


@dataclass(frozen=True, slots=True, eq=False)
class FormationEnthalpy:
    """How an atomization energy becomes an enthalpy of formation; all in kcal/mol.

    Args:
        elements: atomic numbers, ascending.
        atoms: (n_elements,), enthalpy of formation of a free atom at 0 K without what its element
            takes up between 0 and 298 K.
        heating: (n_sums + 1,), what a molecule takes up between 0 and 298 K by `sums`, and at last
            what every one takes up.
        std: of the error of that.
    References:
        Curtiss, Raghavachari, Redfern, Pople, J. Chem. Phys. 106, 1063 (1997), section II.
    """

    elements: tuple[int, ...]
    atoms: FloatArray
    heating: FloatArray
    std: float

    def columns(
        self, structures: Sequence[Structure], ae0: Mapping[str, FloatArray]
    ) -> dict[str, FloatArray]:
        """Enthalpies of formation.

        Args:
            structures: n, of the elements.
            ae0: the atomization energy (n,) by ending: "", `_std`, `_lo90`, `_hi90`.
        Returns:
            by ending, (n,).
        """
        value = self.without_energy(structures) - ae0[""]
        low, high = self.interval(value, ae0)
        std = np.hypot(ae0["_std"], self.std)
        return {"": value, "_std": std, "_lo90": low, "_hi90": high}

    def interval(
        self, value: FloatArray, ae0: Mapping[str, FloatArray]
    ) -> tuple[FloatArray, FloatArray]:
        """The 90 % interval: that of the atomization energy turned round, and widened by the error
        of what is learned here.

        Args:
            value: enthalpies of formation (n,).
            ae0: the atomization energy (n,) by ending: "", `_lo90`, `_hi90`.
        Returns:
            its ends, (n,).
        """
        more = _NORMAL_90 * self.std
        low = value - np.hypot(ae0["_hi90"] - ae0[""], more)
        high = value + np.hypot(ae0[""] - ae0["_lo90"], more)
        return low, high

    def without_energy(self, structures: Sequence[Structure]) -> FloatArray:
        """All but the atomization energy, (n,), for structures of the elements."""
        rows = sums(structures, self.elements)
        result: FloatArray = rows[:, : len(self.elements)] @ self.atoms + rows @ self.heating
        return result


_NORMAL_90 = 1.645  # standard deviations that 90 % of a normal distribution lie within


def sums(structures: Sequence[Structure], elements: tuple[int, ...]) -> FloatArray:
    """What the heating is linear in.

    Args:
        structures: of the elements.
        elements: atomic numbers, ascending.
    Returns:
        float64 (n, n_sums + 1): numbers of atoms by element, of atoms and bonds by kind, of rings
        by size, and 1.
    """
    words = vocabulary(elements)
    wanted = [
        place
        for block in _BLOCKS
        for place in words.block(block).tolist()
        if not words.names[place].startswith("length ")
    ]
    counted = increments(structures, elements)[:, wanted]
    return np.column_stack([counted, np.ones(len(structures))])
