"""What a person says about an outside Parquet file: which columns, in which conventions.

The same model is filled from the command line (`evaluate`) and from TOML (`train`), so that both
understand the same files.
"""

from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from screener.errors import ConfigError
from screener.models.card import GeometryLevel
from screener.stores.toml import explained
from screener.training.tables.conventions import EnergyUnit, Sign, Unit, ZeroPoint, parse_quantity


class TableOptions(BaseModel):
    """Columns of one Parquet file and their conventions.

    Args:
        path: of the file; a URL where fsspec knows it.
        smiles: column of SMILES; without `positions` structures are made from it.
        positions: column of positions, angstrom, (n_atoms, 3) nested or flat.
        atomic_numbers: column of atomic numbers, in the order of the positions.
        geometry: the level that the positions were optimised at; needed with them.
        low: column of the low level's atomization energies, in `unit` and with `sign`, for models
            whose low level cannot be computed here.
        labels: column by quantity, such as `ae0_b3lyp_kcal = "u0_atom"`.
        unit: of atomization energies.
        units: of single quantities where it is not the one that their name ends in.
        sign: of atomization energies.
        zpe: whether atomization energies contain the zero-point energy.
        where: only rows in which each column has this value, compared as text.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str
    smiles: str | None = None
    positions: str | None = None
    atomic_numbers: str | None = None
    geometry: GeometryLevel | None = None
    low: str | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    unit: EnergyUnit = "kcal/mol"
    units: dict[str, Unit] = Field(default_factory=dict)
    sign: Sign = "bound-positive"
    zpe: ZeroPoint = "included"
    where: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _fits(self) -> "TableOptions":
        if (self.positions is None) != (self.atomic_numbers is None):
            raise ConfigError("give the columns of positions and of atomic numbers together")
        if self.positions is None and self.smiles is None:
            raise ConfigError(
                "name the column of the SMILES, or those of positions and atomic numbers"
            )
        if self.positions is not None and self.geometry is None:
            raise ConfigError(
                "positions need the level that they were optimised at: geometry b3lyp, gfn2-opt "
                "or mmff94"
            )
        if self.positions is None and self.geometry is not None:
            raise ConfigError("a geometry level is said of positions, and no column has any")
        if not self.labels:
            raise ConfigError("name at least one label: QUANTITY=COLUMN, ae0_b3lyp_kcal=energy")
        for name in {*self.labels, *self.units}:
            parse_quantity(name).given_in(self.unit_of(name))
        if unlabelled := sorted(self.units.keys() - self.labels.keys()):
            raise ConfigError(f"a unit is given for {unlabelled[0]}, but no column of labels")
        return self

    def unit_of(self, quantity: str) -> str:
        """The unit that the labels of a quantity are in."""
        named = parse_quantity(quantity)
        return self.units.get(quantity) or (self.unit if named.is_atomization else named.unit)

    def columns(self) -> list[str]:
        """Every column that is read, each once."""
        single = (self.smiles, self.positions, self.atomic_numbers, self.low)
        named = [*filter(None, single), *self.labels.values(), *self.where]
        return list(dict.fromkeys(named))


def table_options(values: dict[str, Any], where: str) -> TableOptions:
    """Options from plain values.

    Raises:
        ConfigError: they do not fit; `where` says where they stand.
    """
    try:
        return TableOptions.model_validate(values)
    except ValidationError as error:
        raise ConfigError(f"{where}: {explained(error)}") from error


def pairs(texts: Iterable[str], option: str) -> dict[str, str]:
    """`NAME=VALUE` texts of a repeatable option.

    Raises:
        ConfigError: a text has no `=`, or a name comes twice.
    """
    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise ConfigError(f"{option} {text!r}: write {option} NAME=VALUE")
        if name.strip() in found:
            raise ConfigError(f"{option} {name.strip()} is given twice")
        found[name.strip()] = value.strip()
    return found
