"""The structures made with one set of settings, by molecule; libraries may share them.

    <digest>/about.json                  the settings and versions that the digest stands for
    <digest>/units/<2 hex>/<unit>.zip    what tasks made (`structure_units`)
    <digest>/index/…                     which unit has a molecule (`structure_index`)
    <digest>/compacted.zarr/…            units joined into large groups (`structure_groups`)

A unit is named by the molecules in it and their order, so the same work has the same name in every
campaign and library. It is one file, created whole and only where there is none: of several
attempts the first counts, and writers share nothing and need no lock. A file of a unit counts
before what a group has of it, so a unit that was damaged in a group is made again as a file. Of a
molecule made twice that counts which had more time, and then the unit that sorts first, for all
readers of the same units.

With 10^8 molecules there are 200,000 units of 512, 800 to a folder; `screener library compact`
makes 400 groups of them, and 40,000 files altogether.
"""

import logging
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass

from screener.errors import DamagedError, MoleculeError, StoreError
from screener.records import Structure
from screener.stores.files import Folder
from screener.stores.mol_ids import MolIds
from screener.stores.structure_groups import StructureGroups
from screener.stores.structure_index import MoleculeIndex
from screener.stores.structure_units import (
    BROKEN,
    StructureUnit,
    UnitArrays,
    from_arrays,
    from_zip,
    to_arrays,
    to_zip,
)

log = logging.getLogger(__name__)

ABOUT = "about.json"


@dataclass(frozen=True)
class StructureStore:
    """The structures made with one set of settings.

    Args:
        folder: named by the digest of the settings.
    """

    folder: Folder

    @property
    def index(self) -> MoleculeIndex:
        """Which unit has a molecule."""
        return MoleculeIndex(self.folder)

    @property
    def groups(self) -> StructureGroups:
        """Units that were joined."""
        return StructureGroups(self.folder)

    def has(self, unit: str) -> bool:
        """Whether a unit is there."""
        return self.folder.exists(unit_path(unit)) or bool(self.groups.holding(unit))

    def is_whole(self, unit: str) -> bool:
        """Whether a unit is there and not damaged; all of it is read."""
        if not self.has(unit):
            return False
        try:
            self.read_arrays(unit)
        except DamagedError as error:
            log.warning("structures are made again: %s", error)
            return False
        return True

    def write(
        self,
        unit: str,
        mol_ids: MolIds,
        outcomes: Sequence[Structure | MoleculeError],
        *,
        replace: bool = False,
    ) -> None:
        """Write a unit, unless it is there.

        Args:
            unit: its name.
            mol_ids: uint8 (n, 16), of its molecules.
            outcomes: (n,), a structure, or why there is none.
            replace: write it in any case: what is there is damaged, or was given less time.
        """
        self.write_arrays(unit, to_arrays(mol_ids, outcomes), replace=replace)

    def write_arrays(self, unit: str, content: UnitArrays, *, replace: bool = False) -> None:
        """Write a unit that is given as arrays, unless it is there.

        Args:
            unit: its name.
            content: its arrays.
            replace: write it in any case: what is there is damaged, or was given less time.
        """
        data = to_zip(content)
        if replace:
            self.folder.write_bytes(unit_path(unit), data)
        else:
            self.folder.create_bytes(unit_path(unit), data)

    def read(self, unit: str, wanted: Container[bytes] | None = None) -> StructureUnit:
        """The structures of a unit.

        Args:
            unit: its name.
            wanted: only molecules whose `mol_id`s are among these; None for all.
        Raises:
            DamagedError: it is missing or broken; SchemaError: it is of another version.
        """
        content = self.read_arrays(unit)
        rows = None
        if wanted is not None:
            ids = enumerate(content.mol_ids)
            rows = [row for row, mol_id in ids if mol_id.tobytes() in wanted]
        try:
            return from_arrays(content, rows)
        except BROKEN as error:
            where = f"{self.folder.url}/{unit_path(unit)}"
            raise DamagedError(f"{where} is broken ({error!r})", (unit,)) from error

    def read_arrays(self, unit: str) -> UnitArrays:
        """The arrays of a unit.

        Raises:
            DamagedError: it is missing or broken; SchemaError: it is of another version.
        """
        path = unit_path(unit)
        try:
            data = self.folder.read_bytes(path)
        except StoreError as error:
            content = self.groups.read(unit)
            if content is not None:
                return content
            if self.folder.exists(path):
                raise
            raise DamagedError(f"{self.folder.url}/{path} is lost", (unit,)) from error
        try:
            return from_zip(data)
        except BROKEN as error:
            raise DamagedError(f"{self.folder.url}/{path} is broken ({error})", (unit,)) from error

    def unit_names(self) -> Iterator[list[str]]:
        """Names of the units that are files of their own, folder by folder."""
        for prefix in self.folder.folders("units"):
            names = self.folder.names(f"units/{prefix}", ".zip")
            yield [name.removesuffix(".zip") for name in names]

    def joined_unit_names(self) -> Iterator[list[str]]:
        """Names of the units that groups have, group by group."""
        return map(self.groups.units, self.groups.names())

    def forget(self, units: Iterable[str]) -> None:
        """Remove the files of units that a group has."""
        for unit in units:
            self.folder.remove(unit_path(unit))


def unit_path(unit: str) -> str:
    """The file of a unit."""
    return f"units/{unit[:2]}/{unit}.zip"
