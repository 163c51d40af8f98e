"""The records that cross package boundaries.

Frozen, checked when they are made, then trusted. How they lie on disk is the business of
`screener.stores`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
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
class Structure:
    """One 3D geometry of a molecule and what levels computed there, at the precision of the store.

    Args:
        atomic_numbers: uint8 (n_atoms,).
        positions: float32 (n_atoms, 3), angstrom.
        values: one number per molecule, by column such as `energy_gfn2_ha`; NaN where a level could
            not tell it.
        atom_values: float32 (n_atoms,) by column, such as `charges_gfn2`.
        charge: total, elementary charges.
        n_unpaired: unpaired electrons.
    """

    atomic_numbers: NDArray[np.uint8]
    positions: NDArray[np.float32]
    values: Mapping[str, float] = field(default_factory=dict)
    atom_values: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    charge: int = 0
    n_unpaired: int = 0

    def __post_init__(self) -> None:
        if self.positions.shape != (len(self.atomic_numbers), 3):
            raise SchemaError(
                f"positions have shape {self.positions.shape}, {len(self.atomic_numbers)} atoms"
            )
        for name, each in self.atom_values.items():
            if len(each) != len(self.atomic_numbers):
                raise SchemaError(
                    f"{name} has {len(each)} values, {len(self.atomic_numbers)} atoms"
                )

    @property
    def n_atoms(self) -> int:
        """Atoms, hydrogens included."""
        return len(self.atomic_numbers)

    def with_values(
        self,
        values: Mapping[str, float],
        atom_values: Mapping[str, NDArray[np.float32]] | None = None,
    ) -> "Structure":
        """The same geometry with further values.

        Args:
            values: by column.
            atom_values: (n_atoms,) by column.
        """
        return replace(
            self,
            values={**self.values, **values},
            atom_values={**self.atom_values, **(atom_values or {})},
        )


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
    source_id: str | None = None  # the caller's id, otherwise `file:line` (library)

    @classmethod
    def from_error(
        cls, error: MoleculeError, stage: str, *, row: int, mol_id: str
    ) -> "QuarantineRecord":
        """The record of a molecule that failed at a later stage than the library.

        Args:
            error: why it failed.
            stage: `structures` or `predictions`.
            row: of the library.
            mol_id: of the molecule.
        Returns:
            the record.
        """
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
