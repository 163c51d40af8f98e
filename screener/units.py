"""Units and conversions, each with its source.

Values in memory are in hartree and angstrom; stored columns name their unit. An atomization energy
is the energy of the free atoms minus that of the molecule, which is positive for a bound molecule.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

KCAL_PER_HARTREE = 627.5094740631  # CODATA 2010, as in the reference data
EV_PER_HARTREE = 27.211386245988  # CODATA 2018
ANGSTROM_PER_BOHR = 0.529177210903  # CODATA 2018
DEBYE_PER_ATOMIC_UNIT = 2.541746473  # CODATA 2018: e * a0


def atomization_energy_ha(
    total_ha: float, atomic_numbers: NDArray[np.integer], free_atoms_ha: Mapping[int, float]
) -> float:
    """The energy of the free atoms minus that of the molecule.

    Args:
        total_ha: energy of the molecule, hartree.
        atomic_numbers: integers (n_atoms,).
        free_atoms_ha: energies of free atoms by atomic number, hartree, at the same level of
            theory.
    Returns:
        hartree, positive for a bound molecule.
    Raises:
        KeyError: an element has no free-atom energy at this level.
    """
    return sum(free_atoms_ha[int(number)] for number in atomic_numbers) - total_ha
