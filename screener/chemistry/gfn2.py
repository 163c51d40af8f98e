"""GFN2-xTB energies and properties of one molecule, by tblite.

The calculator is kept between steps and each calculation starts from the last wave function, which
halves the cost of an optimisation step. Positions here are bohr; callers at the boundary hold
angstrom.
"""

import numpy as np
from numpy.typing import NDArray
from tblite.exceptions import TBLiteRuntimeError
from tblite.interface import Calculator, Result

from screener.errors import MoleculeError
from screener.records import Structure
from screener.units import ANGSTROM_PER_BOHR, DEBYE_PER_ATOMIC_UNIT, EV_PER_HARTREE

FloatArray = NDArray[np.float64]


class Gfn2:
    """A GFN2-xTB calculator for one molecule.

    Args:
        atomic_numbers: (n_atoms,).
        positions: float64 (n_atoms, 3), bohr.
        charge: elementary charges.
        n_unpaired: unpaired electrons.
        solvent: of the model ALPB; None in gas.
    Raises:
        MoleculeError: `gfn2_refused`, such as atoms on top of one another, or an unknown solvent.
    References:
        Bannwarth, Ehlert, Grimme, J. Chem. Theory Comput. 15, 1652 (2019).
    """

    def __init__(
        self,
        atomic_numbers: NDArray[np.integer],
        positions: FloatArray,
        charge: int = 0,
        n_unpaired: int = 0,
        solvent: str | None = None,
    ) -> None:
        try:
            self._calculator = Calculator(
                "GFN2-xTB", np.asarray(atomic_numbers), positions, charge=charge, uhf=n_unpaired
            )
            if solvent is not None:
                self._calculator.add("alpb-solvation", solvent)
        except TBLiteRuntimeError as error:
            raise MoleculeError("gfn2_refused", f"GFN2-xTB cannot start: {error}") from error
        self._calculator.set("verbosity", 0)
        self._result: Result | None = None

    def energy_and_gradient(self, positions: FloatArray) -> tuple[float, FloatArray]:
        """Energy (hartree) and gradient (n_atoms, 3) (hartree/bohr) at `positions` (bohr).

        Raises:
            MoleculeError: `scf_failed`, the wave function did not converge.
        """
        self._calculator.update(positions)
        try:
            self._result = self._calculator.singlepoint(self._result)
        except TBLiteRuntimeError as error:
            raise MoleculeError("scf_failed", f"GFN2-xTB did not converge: {error}") from error
        return float(self._result.get("energy")), self._result.get("gradient")

    def add_to(self, structure: Structure) -> Structure:
        """A structure with the values at the positions last calculated.

        Args:
            structure: the molecule there.
        Returns:
            the same with `energy_gfn2_ha` (total energy), `homo_gfn2_ev`, `lumo_gfn2_ev`,
            `dipole_gfn2_debye` (norm), and of each atom `charges_gfn2` (elementary charges).
        """
        if self._result is None:
            raise RuntimeError("call energy_and_gradient first")
        orbitals = self._result.get("orbital-energies") * EV_PER_HARTREE
        occupied = self._result.get("orbital-occupations") > 0.5  # of an electron pair's 2
        dipole = np.linalg.norm(self._result.get("dipole")) * DEBYE_PER_ATOMIC_UNIT
        return structure.with_values(
            {
                "energy_gfn2_ha": float(self._result.get("energy")),
                "homo_gfn2_ev": float(orbitals[occupied].max()),
                # a molecule whose minimal basis is full, such as F2 or helium, has no virtual
                # orbital
                "lumo_gfn2_ev": float(orbitals[~occupied].min()) if (~occupied).any() else np.nan,
                "dipole_gfn2_debye": float(dipole),
            },
            {"charges_gfn2": self._result.get("charges").astype(np.float32)},
        )


def with_gfn2(structure: Structure) -> Structure:
    """The structure with a single point at its geometry, charge and number of unpaired electrons.

    Raises:
        MoleculeError: `scf_failed`.
    """
    bohr = structure.positions.astype(np.float64) / ANGSTROM_PER_BOHR
    calculator = Gfn2(structure.atomic_numbers, bohr, structure.charge, structure.n_unpaired)
    calculator.energy_and_gradient(bohr)
    return calculator.add_to(structure)
