"""Units of structures joined into large Zarr v3 groups, which `zarr` and `dask.array` open.

    compacted.zarr/zarr.json · compacted.zarr/<group>/zarr.json · …/<group>/unit ·
    …/<group>/atoms-016/{mol_id, position, unit_stop, n_atoms, atomic_numbers, positions, …} ·
    …/<group>/failed/{mol_id, position, unit_stop} · manifests/<group>.json

Molecules of like size lie together, so that arrays hold little padding: those of up to 16 atoms in
`atoms-016`, and so on in steps of 8; where molecules have other values than most, theirs is
`atoms-016-1`. Within a size they keep the order of their units and of the molecules in these, so a
unit is one range of rows of each: `unit_stop[u - 1]` to `unit_stop[u]`. `position` is a row's place
in its unit. `failed` lists the molecules without structure, with the reasons as its attributes.

    import dask.array, zarr
    group = zarr.open_group("library/structures/<digest>/compacted.zarr")
    positions = dask.array.from_zarr(group["<group>/atoms-016/positions"])

A group counts once its manifest is there, which names its units and its files with their sizes and
checksums. Its name begins with those of its first and last unit, so that a unit is looked for in
few groups, and ends with a digest of its content, so that two groups of one name are the same. Each
array is one file of chunks that can be read singly and have checksums of their own.
"""

import hashlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import zarr
from zarr.abc.store import Store
from zarr.storage import FsspecStore, LocalStore, MemoryStore

from screener.errors import DamagedError, SchemaError, StoreError
from screener.stores import remote
from screener.stores.files import Folder, digest, to_json
from screener.stores.structure_group_arrays import (
    SCHEMA_VERSION,
    OpenGroup,
    open_arrays,
    write_arrays,
)
from screener.stores.structure_units import BROKEN, UnitArrays, have_same_structures

log = logging.getLogger(__name__)

ROOT = "compacted.zarr"
MANIFESTS = "manifests"
_DIGITS = 16  # of each of the three parts of the name of a group
# stands in the place of a manifest while the files of an unfinished group are removed
_REMOVED = to_json(
    {"schema_version": SCHEMA_VERSION, "n_units": 0, "n_rows": 0, "units": [], "files": {}}
)


@dataclass(frozen=True)
class StructureGroups:
    """The large groups below the folder of a store."""

    folder: Folder

    def names(self) -> list[str]:
        """The groups that count."""
        return [name.removesuffix(".json") for name in self.folder.names(MANIFESTS, ".json")]

    def begun(self) -> list[str]:
        """Names of all groups that have a file, whether they count or not."""
        return self.folder.folders(ROOT)

    def units(self, group: str) -> list[str]:
        """Names of the units of a group, in its order; none where its manifest is broken."""
        return list(self._places(group))

    def holding(self, unit: str) -> list[str]:
        """The groups that have a unit: one, or more where it was made again after damage."""
        start = unit[:_DIGITS]
        return [
            name
            for name in self.names()
            if name[:_DIGITS] <= start <= name[_DIGITS : 2 * _DIGITS] and unit in self._places(name)
        ]

    def _places(self, group: str) -> Mapping[str, int]:
        try:
            return _places(self.folder.url, group)
        except _failures() as error:
            log.warning("%s/%s/%s is broken (%s)", self.folder.url, ROOT, group, error)
            return {}

    def read(self, unit: str) -> UnitArrays | None:
        """A unit; None where no group has it.

        Raises:
            DamagedError: its part of every group that has it is missing or broken.
        """
        problem: DamagedError | None = None
        for name in self.holding(unit):
            try:
                place = _places(self.folder.url, name)[unit]
                return _open(self.folder.url, name).read(place)
            except _failures() as error:
                where = f"{self.folder.url}/{ROOT}/{name}"
                problem = DamagedError(f"{where} is broken ({error})", (unit,))
        if problem is not None:
            raise problem
        return None

    def write(self, units: Sequence[tuple[str, UnitArrays]]) -> str:
        """Write a group and have it count; nothing of it counts until all is there.

        Args:
            units: names and contents.
        Returns:
            its name.
        Raises:
            StoreError: what is read back is not what was given, or another process removes it.
        """
        group, manifest = self._write_files(units)
        path, content = _manifest_path(group), to_json(manifest)
        if not self.folder.create_bytes(path, content):
            before = self.folder.read_bytes(path)
            if before == _REMOVED:
                raise StoreError(f"{self.folder.url}/{ROOT}/{group} is removed by another process")
            if before != content:  # it is damaged
                self.folder.write_bytes(path, content)
        # once it counts, so that nobody removes it as unfinished after it was found whole
        stored = _opened(self.folder.url, group).loaded()
        for place, (unit, arrays) in enumerate(units):
            if not have_same_structures(arrays, stored.read(place)):
                raise StoreError(f"{self.folder.url}/{ROOT}/{group} lost something of {unit}")
        return group

    def _write_files(self, units: Sequence[tuple[str, UnitArrays]]) -> tuple[str, dict[str, Any]]:
        """Write the files of a group; returns its name and manifest."""
        store = MemoryStore()
        write_arrays(store, units)
        files = {path: buffer.to_bytes() for path, buffer in sorted(store._store_dict.items())}
        names = [name for name, _ in units]
        manifest = {
            "schema_version": SCHEMA_VERSION,
            "n_units": len(units),
            "n_rows": sum(len(arrays.mol_ids) for _, arrays in units),
            "units": names,
            "files": {
                path: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
                for path, data in files.items()
            },
        }
        group = min(names)[:_DIGITS] + max(names)[:_DIGITS] + digest(manifest)[:_DIGITS]
        for path, data in files.items():
            self.folder.write_bytes(f"{ROOT}/{group}/{path}", data)
        self.folder.create_bytes(f"{ROOT}/zarr.json", _root_metadata())
        return group, manifest

    def remove_unfinished(self) -> None:
        """Remove the files of groups that do not count.

        A process may be writing one at this moment, such as a worker whose client was killed. So
        the place of the manifest is taken first: then it cannot count any more, or it counts
        already and stays.
        """
        sizes = self.folder.sizes(MANIFESTS, ".json")
        taken = {
            path.removeprefix(f"{MANIFESTS}/").removesuffix(".json")
            for path, size in sizes.items()
            if size == len(_REMOVED)  # a process was killed while it removed this one
        }
        for name in self.begun():
            path = _manifest_path(name)
            if path not in sizes and self.folder.create_bytes(path, _REMOVED):
                taken.add(name)
        for name in sorted(taken):
            log.info("group %s was not finished; its units are joined anew", name)
            self.folder.remove(f"{ROOT}/{name}")
            self.folder.remove(_manifest_path(name))

    def remove(self, group: str) -> None:
        """Take a group out, its manifest first."""
        self.folder.remove(_manifest_path(group))
        self.folder.remove(f"{ROOT}/{group}")

    def manifest(self, group: str) -> dict[str, Any]:
        """What the manifest of a group says: `n_units`, `n_rows`, names of `units`, `files` with
        `bytes` and `sha256`.

        Raises:
            SchemaError: it is of another version, or broken.
        """
        path = _manifest_path(group)
        try:
            manifest: dict[str, Any] = self.folder.read_json(path)
            if manifest["schema_version"] != SCHEMA_VERSION:
                raise ValueError(f"it has schema version {manifest['schema_version']}")
            return manifest
        except (KeyError, TypeError, ValueError) as error:
            raise SchemaError(f"{self.folder.url}/{path} cannot be read: {error}") from error

    def damaged(self, group: str) -> Iterator[str]:
        """A line for each file of a group that is lost or differs from its checksum."""
        for path, stated in self.manifest(group)["files"].items():
            where = f"{ROOT}/{group}/{path}"
            if not self.folder.exists(where):
                yield f"{self.folder.url}/{where} is lost"
            elif hashlib.sha256(self.folder.read_bytes(where)).hexdigest() != stated["sha256"]:
                yield f"{self.folder.url}/{where} was cut off or changed"


def _manifest_path(group: str) -> str:
    return f"{MANIFESTS}/{group}.json"


def _failures() -> tuple[type[Exception], ...]:
    """What a group raises that is missing or broken, wherever it lies."""
    return (*BROKEN, StoreError, *remote.failures())


def _root_metadata() -> bytes:
    store = MemoryStore()
    zarr.create_group(store, zarr_format=3)
    return bytes(store._store_dict["zarr.json"].to_bytes())


@lru_cache(maxsize=256)
def _places(url: str, group: str) -> Mapping[str, int]:
    """The place of each unit in a group.

    Raises:
        StoreError: the group does not count; that is not kept.
    """
    units = StructureGroups(Folder(url)).manifest(group)["units"]
    if not units:
        raise StoreError("it is being removed")
    return {str(unit): place for place, unit in enumerate(units)}


@lru_cache(maxsize=8)
def _open(url: str, name: str) -> OpenGroup:
    """A group, opened once per process; errors as `_opened`."""
    return _opened(url, name)


def _opened(url: str, name: str) -> OpenGroup:
    """A group.

    Raises:
        StoreError: it has lost a file, which Zarr would take for an empty part of an array.
    """
    groups = StructureGroups(Folder(url))
    sizes = groups.folder.sizes(f"{ROOT}/{name}")
    for path, stated in groups.manifest(name)["files"].items():
        if sizes.get(f"{ROOT}/{name}/{path}") != stated["bytes"]:
            raise StoreError(f"{path} is lost or was cut off")
    return open_arrays(_zarr_group(url, name))


def _zarr_group(url: str, name: str) -> zarr.Group:
    folder = Folder(url).child(f"{ROOT}/{name}")
    store: Store
    if folder.is_local:
        store = LocalStore(folder.local_path(), read_only=True)
    else:
        store = FsspecStore.from_url(
            folder.url, storage_options=remote.options_of(folder.url), read_only=True
        )
    return zarr.open_group(store, mode="r", zarr_format=3)
