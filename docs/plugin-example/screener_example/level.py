"""GFN1-xTB single points, as a level.

References:
    Grimme, Bannwarth, Shushkov, J. Chem. Theory Comput. 13, 1989 (2017).
"""

import numpy as np
from tblite.exceptions import TBLiteRuntimeError
from tblite.interface import Calculator

from screener.errors import MoleculeError
from screener.records import Structure
from screener.registry.levels import Level, LevelSettings, Subject
from screener.units import ANGSTROM_PER_BOHR, DEBYE_PER_ATOMIC_UNIT, EV_PER_HARTREE


class Settings(LevelSettings):
    """How exactly wave functions converge; smaller is stricter."""

    accuracy: float = 1.0


def single_point(subject: Subject, start: Structure | None, settings: Settings) -> Structure:
    """The structure with the values of GFN1-xTB at its geometry."""
    assert start is not None  # a level that makes no geometry is given one
    bohr = start.positions.astype(np.float64) / ANGSTROM_PER_BOHR
    electrons = {"charge": start.charge, "uhf": start.n_unpaired}
    try:
        calculator = Calculator("GFN1-xTB", start.atomic_numbers, bohr, **electrons)
        calculator.set("verbosity", 0)
        calculator.set("accuracy", settings.accuracy)
        result = calculator.singlepoint()
    except TBLiteRuntimeError as error:
        raise MoleculeError("gfn1_failed", f"GFN1-xTB: {error}") from error
    orbitals = result.get("orbital-energies") * EV_PER_HARTREE
    n_occupied = int((result.get("orbital-occupations") > 0.5).sum())
    values = {
        "energy_gfn1_ha": float(result.get("energy")),
        "homo_gfn1_ev": float(orbitals[n_occupied - 1]),
        "dipole_gfn1_debye": float(np.linalg.norm(result.get("dipole")) * DEBYE_PER_ATOMIC_UNIT),
    }
    return start.with_values(values)


GFN1 = Level(
    name="gfn1",
    label="GFN1-xTB",
    theory="gfn1",
    elements=frozenset(range(1, 87)),
    charges=(-10, 10),
    open_shells=True,
    yields=("energy_gfn1_ha", "homo_gfn1_ev", "dipole_gfn1_debye"),
    seconds=0.01,
    settings=Settings,
    compute=single_point,
    source="Grimme, Bannwarth, Shushkov, J. Chem. Theory Comput. 13, 1989 (2017)",
)
