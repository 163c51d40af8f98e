"""How structures are made and what names them: one recipe for campaigns, labels and tables.

Structures start from the drawing of a molecule, or from a geometry that is given: they are the
minimum of a level reached from it, or that very geometry with further values. A recipe with the
versions of what carries it out has a digest, which names the folder of its structures, and gives
every molecule a key in it: its `mol_id`, or where a geometry was given a digest of molecule and
geometry.
"""

import hashlib
import socket
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator
from rdkit import Chem

from screener.chemistry.placing import restore_with_order
from screener.chemistry.structures import (
    Started,
    StructureSettings,
    from_drawing,
    from_geometry,
    through_levels,
)
from screener.errors import ConfigError, MoleculeError
from screener.records import Structure
from screener.registry.columns import chain, level
from screener.registry.levels import Level, LevelSettings, Subject, wall_clock_of
from screener.registry.plugins import signature
from screener.stores.files import digest
from screener.stores.mol_ids import MolIds, mol_ids_of

PACKAGES = ("rdkit", "tblite")  # whose versions decide what structures look like
DRAWING, GEOMETRY = "drawing", "geometry"
UNIT_SECONDS = 8.0  # of work in a unit; less is lost in the handling
_POWER = 10  # units have at most 2 to this many molecules

INPUT = pa.schema(
    [
        ("mol_id", pa.string()),
        ("smiles", pa.string()),
        ("atomic_numbers", pa.list_(pa.uint8())),
        ("positions", pa.list_(pa.float32())),
        ("charge", pa.int8()),
        ("n_unpaired", pa.uint8()),
    ]
)


def installed() -> dict[str, str]:
    """Versions of what decides structures."""
    return {package: version(package) for package in PACKAGES}


class Item(NamedTuple):
    """A molecule to make a structure of; SMILES or geometry may be missing where not needed."""

    mol_id: str
    smiles: str | None
    geometry: Structure | None = None


class Recipe(BaseModel):
    """How structures are made.

    Args:
        start: `drawing`, or `geometry` where one is given for each molecule.
        settings: the level of the structures and its values; None where the given geometry stays.
        values: names of levels whose values are computed at a given geometry that stays.
        versions: of the packages that decide structures; the installed ones by default.
        plugins: package, version and digest of each level of `values` that is not our own.
    Raises:
        ConfigError: settings and start do not fit, or a level cannot be used so.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    start: str
    settings: StructureSettings | None
    values: tuple[str, ...] = ()
    versions: Mapping[str, str] = Field(default_factory=installed)
    plugins: Mapping[str, str] = Field(default_factory=dict)

    @classmethod
    def from_drawing(
        cls, settings: StructureSettings, versions: Mapping[str, str] | None = None
    ) -> "Recipe":
        """Structures from SMILES alone, as campaigns make them.

        Args:
            settings: levels and their settings.
            versions: that they were made with; by default what is installed.
        """
        return cls(start=DRAWING, settings=settings, versions=versions or installed())

    @classmethod
    def minimum_from_geometry(cls, settings: StructureSettings) -> "Recipe":
        """The minimum of a level that is reached from a given geometry, atoms in its order."""
        return cls(start=GEOMETRY, settings=settings)

    @classmethod
    def at_geometry(cls, values: tuple[str, ...]) -> "Recipe":
        """Given geometries as they are, with the values of these levels."""
        signatures = {name: signature("levels", name) for name in values}
        plugins = {name: text for name, text in signatures.items() if text}
        return cls(start=GEOMETRY, settings=None, values=values, plugins=plugins)

    @model_validator(mode="after")
    def _fits(self) -> "Recipe":
        if self.start not in (DRAWING, GEOMETRY):
            raise ConfigError(f"structures start from {DRAWING} or {GEOMETRY}, not {self.start!r}")
        if self.settings is None and self.start == DRAWING:
            raise ConfigError("structures that start from the drawing need a level")
        if self.settings is not None and self.values:
            raise ConfigError("values at a level's own geometry belong into its settings")
        for name in self.values:
            if not level(name).is_computed or level(name).makes_geometry:
                raise ConfigError(f"level {name} computes no values at a given geometry")
        return self

    @property
    def about(self) -> dict[str, Any]:
        """Everything that decides the structures, but for the molecules."""
        return {
            "start": self.start,
            "settings": None if self.settings is None else self.settings.model_dump(mode="json"),
            **({"values": list(self.values)} if self.values else {}),
            **({"plugins": dict(self.plugins)} if self.plugins else {}),
            "versions": dict(self.versions),
        }

    @property
    def digest(self) -> str:
        """Names the structures that are made so."""
        return digest(self.about)

    @property
    def seconds(self) -> float:
        """What a molecule of ten heavy atoms takes on one core, about."""
        values = sum(level(name).seconds for name in self.values)
        return values if self.settings is None else self.settings.seconds

    @property
    def wall_clock_seconds(self) -> float:
        """What a molecule may take before it is set aside."""
        if self.settings is None:
            return max(wall_clock_of(level(name).seconds) for name in self.values)
        return self.settings.wall_clock_seconds

    @property
    def unit_rows(self) -> int:
        """Molecules that one task makes: some seconds of work."""
        most = UNIT_SECONDS / max(self.seconds, UNIT_SECONDS / 2**_POWER)
        return int(2 ** max(0, round(np.log2(most))))

    def require_installed(self) -> None:
        """See that structures that are made here are those that the digest stands for.

        Raises:
            ConfigError: other versions or procedures are installed than those that the recipe
                names.
        """
        for each, how in () if self.settings is None else self.settings.steps:
            if not how.is_installed:
                raise ConfigError(
                    f"the structures are to be made by procedure {how.procedure} of level "
                    f"{each.name}, and another is installed, which gives other numbers; use the "
                    "version of screener that began, or begin anew"
                )
        here = installed()
        if others := [name for name in here if self.versions.get(name) != here[name]]:
            raise ConfigError(
                f"{socket.gethostname()} has "
                + ", ".join(f"{name} {here[name]}" for name in others)
                + ", and the structures are to be made with "
                + ", ".join(f"{name} {self.versions.get(name)}" for name in others)
                + "; install the same versions for all workers and the client"
            )

    def keys(self, items: list[Item]) -> MolIds:
        """What the structures of molecules are found by.

        Args:
            items: (n,).
        Returns:
            uint8 (n, 16).
        """
        return mol_ids_of([self._key(item) for item in items])

    def _key(self, item: Item) -> str:
        if self.start == DRAWING:
            return item.mol_id
        geometry = _geometry_of(item)
        content = hashlib.sha256((item.smiles or "").encode() + b"\0")
        content.update(geometry.atomic_numbers.tobytes())
        content.update(geometry.positions.tobytes())
        content.update(bytes([geometry.charge & 0xFF, geometry.n_unpaired]))
        return content.hexdigest()[:32]

    @property
    def steps(self) -> tuple[tuple[Level, LevelSettings], ...]:
        """The levels that a molecule goes through, with their settings."""
        if self.settings is None:
            return tuple((level(name), level(name).settings()) for name in self.values)
        if self.start == DRAWING:
            return self.settings.steps
        return self.settings.steps[len(chain(self.settings.level)) - 1 :]

    @property
    def is_together(self) -> bool:
        """Whether several molecules at once are faster than one after the other."""
        return any(each.compute_together is not None for each, _ in self.steps)

    def make(self, item: Item) -> Structure:
        """The structure of one molecule.

        Raises:
            MoleculeError: what `Level.apply` raises; `invalid_smiles`; `not_mapped`: a given
                geometry does not have the bonds of the SMILES.
        """
        (outcome,) = self.make_together([item])
        if isinstance(outcome, MoleculeError):
            raise outcome
        return outcome

    def make_together(self, items: Sequence[Item]) -> list[Structure | MoleculeError]:
        """The structures of several molecules.

        Args:
            items: (n,).
        Returns:
            (n,): of each what `make` returns, or the MoleculeError that it raises.
        """
        started: list[Started | MoleculeError] = []
        orders: list[NDArray[np.int64] | None] = []
        for item in items:
            try:
                begun, order = self._start_of(item)
            except MoleculeError as error:
                started.append(error)
                orders.append(None)
            else:
                started.append(begun)
                orders.append(order)
        return [
            outcome
            if order is None or isinstance(outcome, MoleculeError)
            else _reordered(outcome, np.argsort(order))
            for outcome, order in zip(through_levels(self.steps, started), orders, strict=True)
        ]

    def _start_of(self, item: Item) -> tuple[Started, NDArray[np.int64] | None]:
        """A molecule, and the order of its atoms where it is not that of the given geometry."""
        if self.settings is None:
            return _as_given(_geometry_of(item)), None
        assert item.smiles is not None
        if self.start == DRAWING:
            return from_drawing(item.smiles, item.mol_id), None
        start = _geometry_of(item)
        molecule, order = restore_with_order(
            _flat(item.smiles), start.atomic_numbers, start.positions.astype(np.float64)
        )
        return from_geometry(molecule, molecule.GetConformer().GetPositions()), order


def make_item(item: Item, recipe: Recipe) -> Structure:
    """The structure of one molecule; the function that runs in a chemistry process."""
    return recipe.make(item)


def make_items(items: Sequence[Item], recipe: Recipe) -> list[Structure | MoleculeError]:
    """The structures of several; the function that runs there for levels that take several."""
    return recipe.make_together(items)


def to_table(items: list[Item]) -> pa.Table:
    """Molecules as a task is given them."""
    rows = [
        {
            "mol_id": item.mol_id,
            "smiles": item.smiles,
            **({} if item.geometry is None else _columns(item.geometry)),
        }
        for item in items
    ]
    return pa.Table.from_pylist(rows, schema=INPUT)


def from_table(table: pa.Table) -> list[Item]:
    """Molecules from what `to_table` made."""
    return [
        Item(row["mol_id"], row["smiles"], None if row["positions"] is None else _structure(row))
        for row in table.to_pylist()
    ]


def _columns(geometry: Structure) -> dict[str, Any]:
    return {
        "atomic_numbers": geometry.atomic_numbers.tolist(),
        "positions": geometry.positions.ravel().tolist(),
        "charge": geometry.charge,
        "n_unpaired": geometry.n_unpaired,
    }


def _structure(row: Mapping[str, Any]) -> Structure:
    return Structure(
        np.asarray(row["atomic_numbers"], dtype=np.uint8),
        np.asarray(row["positions"], dtype=np.float32).reshape(-1, 3),
        charge=row["charge"],
        n_unpaired=row["n_unpaired"],
    )


def _geometry_of(item: Item) -> Structure:
    if item.geometry is None:
        raise ConfigError(f"molecule {item.mol_id or item.smiles} has no geometry to start from")
    return item.geometry


def _as_given(structure: Structure) -> Started:
    """A geometry that stays, of atoms without bonds."""
    atoms = Chem.RWMol()
    for number in structure.atomic_numbers.tolist():
        atoms.AddAtom(Chem.Atom(number))
    subject = Subject("", "", atoms.GetMol(), structure.charge, structure.n_unpaired)
    return Started(subject, structure)


def _flat(smiles: str) -> str:
    """The SMILES without stereochemistry, which the geometry tells."""
    if not any(mark in smiles for mark in "@/\\"):
        return smiles
    molecule = Chem.MolFromSmiles(smiles)
    if molecule is None:
        raise MoleculeError("invalid_smiles", f"RDKit cannot read {smiles}")
    Chem.RemoveStereochemistry(molecule)
    return str(Chem.MolToSmiles(molecule))


def _reordered(structure: Structure, order: NDArray[np.int64]) -> Structure:
    return replace(
        structure,
        atomic_numbers=structure.atomic_numbers[order],
        positions=structure.positions[order],
        atom_values={name: values[order] for name, values in structure.atom_values.items()},
    )
