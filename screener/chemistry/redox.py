"""Vertical ionisation potential and electron affinity by GFN2-xTB, in gas and in a solvent.

The molecule's charge is changed by one at an unchanged geometry. GFN2-xTB was not made for this:
its total energies put ionisation potentials and electron affinities too high by nearly the same
amount for all molecules, for IPEA-xTB 4.85 eV (Asgeirsson, Bauer, Grimme, Chem. Sci. 8, 4879
(2017)). Nothing is taken off here. The values order molecules; they are no potentials to compare
with a voltmeter's.
"""

import numpy as np

from screener.chemistry.gfn2 import Gfn2
from screener.errors import ConfigError, MoleculeError
from screener.records import Structure
from screener.units import ANGSTROM_PER_BOHR, EV_PER_HARTREE

# The standard hydrogen electrode is at 4.44 V on the absolute scale (Trasatti, Pure Appl. Chem. 58,
# 955 (1986)), and Li/Li+ 3.04 V below it.
LITHIUM_ABSOLUTE_V = 4.44 - 3.04


def with_redox(structure: Structure, solvent: str) -> Structure:
    """What it costs to take an electron away, and what one more brings.

    Args:
        structure: the geometry, for all charges; tells charge and unpaired electrons.
        solvent: of the model ALPB, such as acetonitrile.
    Returns:
        the structure with `ip_uncorrected_gfn2_ev` (vertical ionisation potential in gas),
        `ea_uncorrected_gfn2_ev` (vertical electron affinity in gas, positive when the electron is
        bound), `eox_uncorrected_gfn2_v_li` (potential of vertical oxidation in the solvent, V
        against Li/Li+) and `ered_uncorrected_gfn2_v_li` (the same of reduction); NaN where the
        wave function of an ion, or of the molecule in the solvent, does not converge.
    References:
        Bannwarth, Ehlert, Grimme, J. Chem. Theory Comput. 15, 1652 (2019); Ehlert, Stahn, Spicher,
        Grimme, J. Chem. Theory Comput. 17, 4250 (2021), on ALPB.
    """
    charge, n_unpaired = structure.charge, structure.n_unpaired
    ion = n_unpaired - 1 if n_unpaired else 1  # the electron comes from, or goes to, a single one
    states = ((charge, n_unpaired), (charge + 1, ion), (charge - 1, ion))
    gas, solvated = (
        [_energy_ev(structure, *state, where) for state in states] for where in (None, solvent)
    )
    return structure.with_values(
        {
            "ip_uncorrected_gfn2_ev": gas[1] - gas[0],
            "ea_uncorrected_gfn2_ev": gas[0] - gas[2],
            "eox_uncorrected_gfn2_v_li": solvated[1] - solvated[0] - LITHIUM_ABSOLUTE_V,
            "ered_uncorrected_gfn2_v_li": solvated[0] - solvated[2] - LITHIUM_ABSOLUTE_V,
        }
    )


def require_solvent(solvent: str) -> None:
    """See beforehand whether ALPB knows a solvent.

    Raises:
        ConfigError: it does not.
    """
    hydrogen = Structure(np.ones(2, np.uint8), np.array([[0, 0, 0], [0, 0, 0.74]], np.float32))
    try:
        _calculator(hydrogen, 0, 0, solvent)
    except MoleculeError as error:
        raise ConfigError(
            f"solvent {solvent!r}: {error}; write one that ALPB of tblite has, such as "
            "acetonitrile, dmso, thf or water, or none"
        ) from error


def _energy_ev(structure: Structure, charge: int, n_unpaired: int, solvent: str | None) -> float:
    try:
        calculator, positions = _calculator(structure, charge, n_unpaired, solvent)
        return calculator.energy_and_gradient(positions)[0] * EV_PER_HARTREE
    except MoleculeError:
        return float("nan")


def _calculator(
    structure: Structure, charge: int, n_unpaired: int, solvent: str | None
) -> tuple[Gfn2, "np.typing.NDArray[np.float64]"]:
    positions = structure.positions.astype(np.float64) / ANGSTROM_PER_BOHR
    numbers = structure.atomic_numbers
    return Gfn2(numbers, positions, charge, n_unpaired, solvent=solvent), positions
