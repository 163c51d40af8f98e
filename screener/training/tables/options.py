"""What a person says about a table: which columns, in which conventions.

The same model is filled from the command line (`evaluate`) and from TOML (`train`), so that both
understand the same files.
"""

from collections.abc import Iterable
from typing import Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from screener.errors import ConfigError
from screener.registry.columns import geometry_level, level, levels
from screener.registry.quantities import Column
from screener.registry.units import Unit
from screener.stores.toml import explained
from screener.training.tables.conventions import Sign, ZeroPoint, is_atomization
from screener.training.tables.names import Names, names_of

NAMES = "names"  # in the context of a validation: what columns and units there are


class TableOptions(BaseModel):
    """Columns of one Parquet or CSV file and their conventions.

    Args:
        path: of the file; a URL where fsspec knows it.
        smiles: column of SMILES; without `positions` structures are made from it.
        positions: column of positions, angstrom, (n_atoms, 3) nested or flat.
        atomic_numbers: column of atomic numbers, in the order of the positions.
        geometry: the level that the positions were optimised at; needed with them.
        low: column of the low level's values, for models whose low level is not computed here; an
            atomization energy is in `unit` and has `sign`.
        labels: column of the file by column of a quantity, such as `ae0_b3lyp_kcal = "u0_atom"`.
        unit: of atomization energies.
        units: of single labels where it is not the one that their name ends in.
        sign: of atomization energies.
        zpe: whether atomization energies contain the zero-point energy.
        where: only rows in which each column has this value, compared as text.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str
    smiles: str | None = None
    positions: str | None = None
    atomic_numbers: str | None = None
    geometry: str | None = None
    low: str | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    unit: str = "kcal/mol"
    units: dict[str, str] = Field(default_factory=dict)
    sign: Sign = "bound-positive"
    zpe: ZeroPoint = "included"
    where: dict[str, str] = Field(default_factory=dict)

    _names: Names = PrivateAttr(default_factory=names_of)

    @field_validator("geometry")
    @classmethod
    def _of_now(cls, name: str | None) -> str | None:
        return None if name is None else geometry_level(name)

    @model_validator(mode="after")
    def _fits(self, info: ValidationInfo) -> "TableOptions":
        if info.context is not None and NAMES in info.context:
            self._names = info.context[NAMES]
        if (self.positions is None) != (self.atomic_numbers is None):
            raise ConfigError("give the columns of positions and of atomic numbers together")
        if self.positions is None and self.smiles is None:
            raise ConfigError(
                "name the column of the SMILES, or those of positions and atomic numbers"
            )
        if self.positions is not None and self.geometry is None:
            able = [each.name for each in levels().values() if each.makes_geometry]
            raise ConfigError(
                f"positions need the level that they were optimised at: geometry {', '.join(able)}"
            )
        if self.positions is None and self.geometry is not None:
            raise ConfigError("a geometry level is said of positions, and no column has any")
        if self.geometry is not None and not level(self.geometry).makes_geometry:
            raise ConfigError(f"level {self.geometry} makes no geometries")
        if not self.labels:
            raise ConfigError("name at least one label: QUANTITY=COLUMN, ae0_b3lyp_kcal=energy")
        for name in {*self.labels, *self.units}:
            column = self.column_of(name)
            unit = self.unit_of(name)
            if unit.dimension != column.quantity.unit.dimension:
                raise ConfigError(
                    f"{name} is in {column.unit}; labels in {unit.name} cannot be that"
                )
        if unlabelled := sorted(self.units.keys() - self.labels.keys()):
            raise ConfigError(f"a unit is given for {unlabelled[0]}, but no column of labels")
        return self

    def column_of(self, name: str) -> Column:
        """What labels under a name are.

        Raises:
            ConfigError: no quantity makes this column.
        """
        return self._names.column(name)

    def unit_of(self, name: str) -> Unit:
        """The unit that labels under a name are in.

        Raises:
            ConfigError: no quantity makes this column, or there is no such unit.
        """
        column = self.column_of(name)
        if name in self.units:
            return self._names.unit(self.units[name])
        return self._names.unit(self.unit) if is_atomization(column) else column.quantity.unit

    def columns(self) -> list[str]:
        """Every column of the file that is read, each once."""
        single = (self.smiles, self.positions, self.atomic_numbers, self.low)
        named = [*filter(None, single), *self.labels.values(), *self.where]
        return list(dict.fromkeys(named))


def table_options(values: dict[str, Any], where: str, names: Names) -> TableOptions:
    """Options from plain values.

    Args:
        values: by field.
        where: they stand, for messages.
        names: of columns and units that there are.
    Returns:
        the options, checked.
    Raises:
        ConfigError: they do not fit.
    """
    try:
        return TableOptions.model_validate(values, context={NAMES: names})
    except ValidationError as error:
        raise ConfigError(f"{where}: {explained(error)}") from error


def pairs(texts: Iterable[str], option: str) -> dict[str, str]:
    """`NAME=VALUE` texts of a repeatable option.

    Raises:
        ConfigError: a text has no `=`, or a name comes twice.
    """
    by_name: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise ConfigError(f"{option} {text!r}: write {option} NAME=VALUE")
        if name.strip() in by_name:
            raise ConfigError(f"{option} {name.strip()} is given twice")
        by_name[name.strip()] = value.strip()
    return by_name
