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
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.abc.store import Store
from zarr.codecs import ZstdCodec
from zarr.storage import FsspecStore, LocalStore, MemoryStore

from screener.errors import DamagedError, SchemaError, StoreError
from screener.stores import remote
from screener.stores.files import Folder, digest, to_json
from screener.stores.structure_units import (
    ATOM_VALUE,
    BROKEN,
    MAX_BYTES,
    PADDING,
    VALUE,
    Arrays,
    Errors,
    UnitArrays,
    have_same_structures,
    is_per_atom,
)

log = logging.getLogger(__name__)

SCHEMA_VERSION = 1
ROOT = "compacted.zarr"
MANIFESTS = "manifests"
FAILED = "failed"
_DIGITS = 16  # of each of the three parts of the name of a group
# stands in the place of a manifest while the files of an unfinished group are removed
_REMOVED = to_json(
    {"schema_version": SCHEMA_VERSION, "n_units": 0, "n_rows": 0, "units": [], "files": {}}
)
_CHUNK_ROWS = 1024


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
        _write(store, units)
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


def _write(store: MemoryStore, units: Sequence[tuple[str, UnitArrays]]) -> None:
    root = zarr.create_group(
        store, zarr_format=3, attributes={"schema_version": SCHEMA_VERSION, "n_units": len(units)}
    )
    names = np.frombuffer(bytes.fromhex("".join(name for name, _ in units)), np.uint8)
    _add(root, "unit", names.reshape(-1, 16))
    for name, parts in _by_class([content for _, content in units]).items():
        stops = np.cumsum([0 if part is None else len(part["mol_id"]) for part in parts])
        rows = [part for part in parts if part is not None]
        group = root.create_group(name)
        _add(group, "unit_stop", stops.astype(np.int64))
        for array in rows[0]:
            _add(group, array, np.concatenate([part[array] for part in rows]))
    group = root.create_group(FAILED)
    failed = [_failed(content) for _, content in units]
    _add(group, "unit_stop", np.cumsum([len(part["mol_id"]) for part in failed]).astype(np.int64))
    for array in failed[0]:
        _add(group, array, np.concatenate([part[array] for part in failed]))
    reasons = [content.errors[i] for _, content in units for i in sorted(content.errors)]
    group.attrs.update(
        {"codes": [code for code, _ in reasons], "messages": [text for _, text in reasons]}
    )


def _by_class(units: Sequence[UnitArrays]) -> dict[str, list[Arrays | None]]:
    """The rows of each unit by size class; None where it has none of a class."""
    classes: dict[str, list[Arrays | None]] = {}
    signatures: dict[tuple[int, tuple[str, ...]], str] = {}
    n_of_size: dict[int, int] = {}
    for place, content in enumerate(units):
        n_atoms = content.arrays["n_atoms"].astype(np.int64)
        sizes = -(-n_atoms // PADDING) * PADDING
        columns = tuple(sorted(content.arrays))
        for size in np.unique(sizes[sizes > 0]).tolist():
            if (size, columns) not in signatures:
                number = n_of_size[size] = n_of_size.get(size, -1) + 1
                signatures[size, columns] = f"atoms-{size:03d}" + (f"-{number}" if number else "")
            rows = np.flatnonzero(sizes == size)
            parts = classes.setdefault(signatures[size, columns], [None] * len(units))
            parts[place] = {
                "position": rows.astype(np.int32),
                **{
                    name: array[rows, :size] if is_per_atom(name) else array[rows]
                    for name, array in sorted(content.arrays.items())
                },
            }
    return dict(sorted(classes.items()))


def _failed(content: UnitArrays) -> Arrays:
    rows = np.array(sorted(content.errors), dtype=np.int32)
    return {"position": rows, "mol_id": content.mol_ids[rows]}


def _add(group: zarr.Group, name: str, array: NDArray[Any]) -> None:
    n_rows = max(1, len(array))
    chunk = min(_CHUNK_ROWS, n_rows)
    shape = array.shape[1:]
    group.create_array(
        name,
        shape=array.shape,
        dtype=array.dtype,
        chunks=(chunk, *shape),
        shards=(-(-n_rows // chunk) * chunk, *shape),
        fill_value=np.nan if array.dtype.kind == "f" else 0,
        compressors=ZstdCodec(level=3, checksum=True),
    )[...] = array


def _root_metadata() -> bytes:
    store = MemoryStore()
    zarr.create_group(store, zarr_format=3)
    return bytes(store._store_dict["zarr.json"].to_bytes())


@dataclass(frozen=True, slots=True, eq=False)
class _Class:
    """A size class of an open group."""

    stops: NDArray[np.int64]  # (n_units,)
    arrays: dict[str, Any]  # by name, of Zarr, or of numpy where they are loaded

    def rows_of(self, unit: int) -> slice:
        start = int(self.stops[unit - 1]) if unit else 0
        return slice(start, int(self.stops[unit]))

    def read(self, rows: slice) -> Arrays:
        """Some rows of each array."""
        n_bytes = sum(math.prod(a.shape[1:]) * a.dtype.itemsize for a in self.arrays.values())
        if (rows.stop - rows.start) * n_bytes > MAX_BYTES:
            raise ValueError(f"a unit of {rows.stop - rows.start:,} rows is too large")
        return {name: np.asarray(array[rows]) for name, array in self.arrays.items()}

    def loaded(self) -> "_Class":
        """With everything in memory."""
        return _Class(self.stops, {name: np.asarray(a[...]) for name, a in self.arrays.items()})


@dataclass(frozen=True, slots=True, eq=False)
class _OpenGroup:
    """A group whose files are all there."""

    classes: tuple[_Class, ...]
    failed: _Class
    reasons: tuple[tuple[str, str], ...]  # code and message, (n_failed,)

    def read(self, unit: int) -> UnitArrays:
        """The unit at this place."""
        parts: list[Arrays] = []
        for each in self.classes:
            rows = each.rows_of(unit)
            if rows.start < rows.stop:
                parts.append(each.read(rows))
        rows = self.failed.rows_of(unit)
        failed = self.failed.read(rows)
        errors = dict(
            zip(failed["position"].tolist(), self.reasons[rows.start : rows.stop], strict=True)
        )
        return _together(parts, failed, errors)

    def loaded(self) -> "_OpenGroup":
        """With everything in memory."""
        classes = tuple(each.loaded() for each in self.classes)
        return _OpenGroup(classes, self.failed.loaded(), self.reasons)


def _together(parts: Sequence[Arrays], failed: Arrays, errors: Errors) -> UnitArrays:
    """A unit from its rows of each size class and those without structure."""
    n_rows = sum(len(part["mol_id"]) for part in (*parts, failed))
    width = max((part["atomic_numbers"].shape[1] for part in parts), default=PADDING)
    arrays: Arrays = {
        "mol_id": np.zeros((n_rows, 16), np.uint8),
        "n_atoms": np.zeros(n_rows, np.uint16),
        "atomic_numbers": np.zeros((n_rows, width), np.uint8),
        "positions": np.full((n_rows, width, 3), np.nan, np.float32),
        "charge": np.zeros(n_rows, np.int8),
        "n_unpaired": np.zeros(n_rows, np.uint8),
    }
    for part in parts:
        for name, array in part.items():
            if name not in arrays and name.startswith(VALUE):
                arrays[name] = np.full(n_rows, np.nan, array.dtype)
            elif name not in arrays and name.startswith(ATOM_VALUE):
                arrays[name] = np.full((n_rows, width), np.nan, array.dtype)
    for part in (*parts, failed):
        rows = part["position"]
        for name, array in part.items():
            if name == "position":
                continue
            if is_per_atom(name):
                arrays[name][rows, : array.shape[1]] = array
            else:
                arrays[name][rows] = array
    return UnitArrays(arrays, errors)


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
def _open(url: str, name: str) -> _OpenGroup:
    """A group, opened once per process; errors as `_opened`."""
    return _opened(url, name)


def _opened(url: str, name: str) -> _OpenGroup:
    """A group.

    Raises:
        StoreError: it has lost a file, which Zarr would take for an empty part of an array.
    """
    groups = StructureGroups(Folder(url))
    sizes = groups.folder.sizes(f"{ROOT}/{name}")
    for path, stated in groups.manifest(name)["files"].items():
        if sizes.get(f"{ROOT}/{name}/{path}") != stated["bytes"]:
            raise StoreError(f"{path} is lost or was cut off")
    root = _zarr_group(url, name)
    for _, group in root.groups():
        for array_name, array in group.arrays():
            # of the others a unit's rows are read, and chunks of them
            n_rows = array.shape[0] if array_name == "unit_stop" else array.chunks[0]
            if n_rows * math.prod(array.shape[1:]) * array.dtype.itemsize > MAX_BYTES:
                raise ValueError(f"array {array.path} is read in parts that are too large")
    classes = {
        each: _Class(
            np.asarray(group["unit_stop"][...]),
            {array: a for array, a in group.arrays() if array != "unit_stop"},
        )
        for each, group in root.groups()
    }
    failed = classes.pop(FAILED)
    attributes: Any = root[FAILED].attrs
    reasons = zip(attributes["codes"], attributes["messages"], strict=True)
    return _OpenGroup(tuple(classes[each] for each in sorted(classes)), failed, tuple(reasons))


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
