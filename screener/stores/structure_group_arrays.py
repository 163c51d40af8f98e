"""How the units of a group of structures lie in its Zarr arrays, and are read from them.

`structure_groups` describes the layout and keeps the files; here are the arrays alone.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.codecs import ZstdCodec
from zarr.storage import MemoryStore

from screener.stores.structure_units import (
    ATOM_VALUE,
    MAX_BYTES,
    PADDING,
    VALUE,
    Arrays,
    Errors,
    UnitArrays,
    is_per_atom,
)

SCHEMA_VERSION = 1
_FAILED = "failed"
_CHUNK_ROWS = 1024


def write_arrays(store: MemoryStore, units: Sequence[tuple[str, UnitArrays]]) -> None:
    """Write units as the arrays of a group.

    Args:
        store: that they are written to.
        units: names and contents.
    """
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
    group = root.create_group(_FAILED)
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
class OpenGroup:
    """The arrays of a group whose files are all there."""

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

    def loaded(self) -> "OpenGroup":
        """With everything in memory."""
        classes = tuple(each.loaded() for each in self.classes)
        return OpenGroup(classes, self.failed.loaded(), self.reasons)


def open_arrays(root: zarr.Group) -> OpenGroup:
    """The arrays of a group.

    Args:
        root: whose files are all there.
    Raises:
        ValueError: an array declares chunks, or a number of units, that are too large to read; one
            of `BROKEN`: it is damaged.
    """
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
    failed = classes.pop(_FAILED)
    attributes: Any = root[_FAILED].attrs
    reasons = zip(attributes["codes"], attributes["messages"], strict=True)
    return OpenGroup(tuple(classes[each] for each in sorted(classes)), failed, tuple(reasons))


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
