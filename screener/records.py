"""The records that cross package boundaries.

Frozen, checked when they are made, then trusted. How they lie on disk is the business of
`screener.stores`.
"""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from screener.errors import MoleculeError, SchemaError


class Molecule(NamedTuple):
    """One standardised molecule, identified by its canonical isomeric SMILES.

    A tuple, since frozen dataclasses take ten times as long to pickle, and these travel by the
    million.
    """

    mol_id: str  # first 16 bytes (hex) of SHA-256 of `smiles`
    smiles: str  # canonical, isomeric, every stereo centre defined
    inchikey: str  # for look-up; merges tautomers
    n_heavy: int
    n_atoms: int  # with hydrogens
    charge: int
    n_undefined_stereo: int  # stereo elements left open in the input and fixed by us


@dataclass(frozen=True, slots=True, eq=False)
class Gfn2Properties:
    """What one GFN2-xTB calculation says of one structure."""

    energy_ha: float  # total energy, hartree
    homo_ev: float
    lumo_ev: float
    dipole_debye: float  # norm
    charges: NDArray[np.float32]  # (n_atoms,), elementary charges


@dataclass(frozen=True, slots=True)
class Redox:
    """What GFN2-xTB says of one electron less or more at an unchanged geometry; uncorrected.

    NaN where a wave function did not converge.
    """

    ip_ev: float  # vertical ionisation potential in gas
    ea_ev: float  # vertical electron affinity in gas, positive when the electron is bound
    eox_v_li: float  # the potential of vertical oxidation in a solvent, V against Li/Li+
    ered_v_li: float  # the same of reduction


@dataclass(frozen=True, slots=True, eq=False)
class Structure:
    """One 3D geometry of a molecule, at the precision in which it is stored."""

    atomic_numbers: NDArray[np.uint8]  # (n_atoms,)
    positions: NDArray[np.float32]  # (n_atoms, 3), angstrom
    gfn2: Gfn2Properties | None = None  # present at geometry level `gfn2-opt`
    redox: Redox | None = None  # present there if it was asked for

    def __post_init__(self) -> None:
        if self.positions.shape != (len(self.atomic_numbers), 3):
            raise SchemaError(
                f"positions have shape {self.positions.shape}, {len(self.atomic_numbers)} atoms"
            )

    @property
    def n_atoms(self) -> int:
        """Atoms, hydrogens included."""
        return len(self.atomic_numbers)


@dataclass(frozen=True, slots=True)
class QuarantineRecord:
    """One molecule set aside, with everything needed to find it again."""

    stage: str  # `library`, `structures` or `predictions`
    code: str
    message: str
    source: str = ""  # input file (library)
    line: int | None = None  # 1-based line or record in `source`
    raw: str = ""  # the input text, cut
    row: int | None = None  # library row (later stages)
    mol_id: str = ""

    @classmethod
    def from_error(
        cls, error: MoleculeError, stage: str, *, row: int, mol_id: str
    ) -> "QuarantineRecord":
        """The record of a molecule that failed at a later stage than the library."""
        return cls(stage=stage, code=error.code, message=error.message, row=row, mol_id=mol_id)


@dataclass(frozen=True, slots=True)
class Receipt:
    """The small object that says a unit is done; written last, read back on resumption."""

    unit: str  # digest that names the unit
    stage: str
    counts: dict[str, int]  # such as {"in": 512, "passed": 509, "quarantined": 3}
    files: dict[str, str]  # path below the store's root -> sha256 of its bytes
    seconds: float
    details: dict[str, Any] = field(default_factory=dict)  # small JSON values only
