"""Quantities: what is computed, measured or predicted of a molecule, and how its columns are named.

A column is called `<quantity>_<theory>_<unit>`, such as `homo_b3lyp_ev`, or `<quantity>_<unit>`
where the value belongs to no level of theory, such as the measured `boiling_point_k`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from screener.registry.units import Unit


@dataclass(frozen=True, slots=True)
class Quantity:
    """One quantity.

    Args:
        name: first part of its columns: small letters, digits and underscores.
        label: for a reader, such as `dipole moment`.
        unit: that it is stored in.
        extensive: whether it grows with the molecule, as energies do; such a quantity is predicted
            as a sum over atoms, others as a mean.
        is_moment: whether it is the length of a sum of charges at positions, and can be predicted
            as one.
        lower: smallest value that nature allows, in its unit; None for no bound.
        upper: largest value.
        low_counterpart: name of the quantity at a lower level that a delta is added to, where that
            is another one: an atomization energy with zero-point energy is learnt from one without.
        difference: this quantity is the first of these minus the second, and never fitted itself.
        typical: by theory ("" for none) the two ends of the range that most molecules lie in: the
            scale of an objective whose ends are left open.
        former: names that it had before; columns of these names are still read.
        source: where the definition and the typical ranges come from.
    """

    name: str
    label: str
    unit: Unit
    extensive: bool = False
    is_moment: bool = False
    lower: float | None = None
    upper: float | None = None
    low_counterpart: str | None = None
    difference: tuple[str, str] | None = None
    typical: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    former: tuple[str, ...] = ()
    source: str = ""

    def column(self, theory: str = "") -> str:
        """The name of its column at a level of theory, or of measured values."""
        return self._column_of(self.name, theory)

    def former_columns(self, theory: str = "") -> tuple[str, ...]:
        """Names that this column had before."""
        return tuple(self._column_of(name, theory) for name in self.former)

    def _column_of(self, name: str, theory: str) -> str:
        return "_".join(part for part in (name, theory, self.unit.ending) if part)


@dataclass(frozen=True, slots=True)
class Column:
    """A column, taken apart.

    Args:
        name: of the column.
        quantity: what it holds.
        theory: at which level of theory; "" for none.
        per_atom: whether it is divided by the number of atoms, hydrogens included.
    """

    name: str
    quantity: Quantity
    theory: str
    per_atom: bool = False

    @property
    def unit(self) -> str:
        """How its unit is written."""
        written = self.quantity.unit.written
        return f"{written} per atom" if self.per_atom else written

    @property
    def digits(self) -> int:
        """Digits after the point that mean something."""
        return self.quantity.unit.digits + self.per_atom

    @property
    def typical(self) -> tuple[float, float] | None:
        """The range that most molecules lie in; None where it is not known."""
        key = f"{self.theory}/atom" if self.per_atom else self.theory
        return self.quantity.typical.get(key)
