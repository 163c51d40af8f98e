"""What the models predict: names, units, growth with the molecule, low-fidelity counterparts.

Four quantities are fitted; the gap is derived from two of them. Low values come from a structure's
GFN2 results.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from screener.errors import ConfigError
from screener.records import Structure
from screener.units import FREE_ATOMS_GFN2_HA, KCAL_PER_HARTREE, atomization_energy_ha

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Quantity:
    """One predicted quantity and the columns it is stored in."""

    name: str  # column of the prediction
    unit: str
    extensive: bool  # a sum over atoms; otherwise a mean
    low: str  # column of its value at the lower fidelity


QUANTITIES = (
    Quantity("ae0_b3lyp_kcal", "kcal/mol", True, "de_gfn2_kcal"),
    Quantity("homo_b3lyp_ev", "eV", False, "homo_gfn2_ev"),
    Quantity("lumo_b3lyp_ev", "eV", False, "lumo_gfn2_ev"),
    Quantity("dipole_b3lyp_debye", "debye", False, "dipole_gfn2_debye"),
)
FITTED = tuple(quantity.name for quantity in QUANTITIES)
HOMO, LUMO = "homo_b3lyp_ev", "lumo_b3lyp_ev"
GAP = Quantity("gap_b3lyp_ev", "eV", False, "gap_gfn2_ev")  # LUMO - HOMO

# The order in which predictions are stored.
PREDICTED = (*QUANTITIES[:3], GAP, QUANTITIES[3])
LOW_COLUMNS = (*(quantity.low for quantity in PREDICTED), "energy_gfn2_ha")


def with_gap(values: dict[str, FloatArray]) -> dict[str, FloatArray]:
    """The same values and the gap, LUMO minus HOMO, in eV."""
    return {**values, GAP.name: values[LUMO] - values[HOMO]}


def low_values(structures: Sequence[Structure]) -> dict[str, FloatArray]:
    """GFN2 values of every structure, by column name; each float64 (n,).

    `de_gfn2_kcal` is free atoms minus molecule without zero-point energy; the B3LYP quantity it is
    the lower end of contains the zero-point energy, so that a delta contains it by design.

    Raises:
        ConfigError: a structure has no GFN2 results. (An element without a free-atom energy gives
            NaN.)
    """
    rows = []
    for structure in structures:
        values = structure.values
        if "energy_gfn2_ha" not in values:
            raise ConfigError(
                "a delta model needs structures with GFN2 results: use geometry level gfn2-opt"
            )
        known = all(int(number) in FREE_ATOMS_GFN2_HA for number in structure.atomic_numbers)
        atomization = (
            atomization_energy_ha(
                values["energy_gfn2_ha"], structure.atomic_numbers, FREE_ATOMS_GFN2_HA
            )
            * KCAL_PER_HARTREE
            if known
            else np.nan
        )
        homo, lumo = values["homo_gfn2_ev"], values["lumo_gfn2_ev"]
        dipole, energy = values["dipole_gfn2_debye"], values["energy_gfn2_ha"]
        rows.append((atomization, homo, lumo, lumo - homo, dipole, energy))
    table = np.array(rows, dtype=np.float64).reshape(len(rows), len(LOW_COLUMNS))
    return {name: np.ascontiguousarray(table[:, i]) for i, name in enumerate(LOW_COLUMNS)}
