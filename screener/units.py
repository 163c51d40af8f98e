"""Units, conversions and free-atom energies, each with its source.

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

# Ramakrishnan et al., Sci. Data 1, 140022 (2014), table of reference atoms: B3LYP/6-31G(2df,p), 0
# K.
FREE_ATOMS_B3LYP_HA: Mapping[int, float] = {
    1: -0.500273,
    6: -37.846772,
    7: -54.583861,
    8: -75.064579,
    9: -99.718730,
}

# GFN2-xTB by tblite 0.8.0 (accuracy 1e-4), neutral atoms, multiplicities H 2, C 3, N 4, O 3, F 2.
FREE_ATOMS_GFN2_HA: Mapping[int, float] = {
    1: -0.393482763932,
    6: -1.793296371365,
    7: -2.605824161273,
    8: -3.767606950369,
    9: -4.619339964231,
}


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
