"""Structures on disk: one Zarr v3 group per unit, written whole as one zip file.

    structures/<digest>/structures.zarr/<unit>.zip · receipts/<unit>.json ·
    quarantine/<unit>.parquet

Writers share nothing and need no lock. A receipt, written last, says that a unit is there; the
index from a row to its unit is made from the receipts. Of a row made twice the unit that sorts
first counts, so all readers agree on it.
"""

import io
import math
import struct
import zipfile
import zlib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.core.buffer import cpu
from zarr.storage import MemoryStore

from screener.errors import DamagedError, MoleculeError, SchemaError, StoreError
from screener.records import QuarantineRecord, Receipt, Structure
from screener.registry.columns import former_columns
from screener.stores.files import Folder, digest, from_parquet
from screener.stores.paths import require_path
from screener.stores.quarantine import quarantine_table
from screener.stores.receipts import Receipts

SCHEMA_VERSION = 1
NOT_DONE, DONE, QUARANTINED = 0, 1, 2
_VALUE, _ATOM_VALUE = "value_", "atom_value_"  # beginnings of the arrays of named values
# arrays of before values had the names of their columns
_FORMER = {
    **{
        f"gfn2_{name}_{unit}": f"{_VALUE}{name}_gfn2_{unit}"
        for name, unit in (("energy", "ha"), ("homo", "ev"), ("lumo", "ev"), ("dipole", "debye"))
    },
    **{
        f"redox_{name}_{unit}": f"{_VALUE}{name}_gfn2_{unit}"
        for name, unit in (("ip", "ev"), ("ea", "ev"), ("eox", "v_li"), ("ered", "v_li"))
    },
    "gfn2_charges": f"{_ATOM_VALUE}charges_gfn2",
}
_PADDING = (
    8  # atoms: sizes are rounded up to this, so units of like molecules have arrays of like shape
)
# what a zip file or the arrays in it raise when a bit has changed, wherever it lies
_BROKEN = (
    zipfile.BadZipFile,
    KeyError,
    ValueError,
    TypeError,
    OSError,
    EOFError,
    RuntimeError,
    NotImplementedError,
    struct.error,
    zlib.error,
)
_COMPRESSED_BYTES = 4096  # smaller arrays gain little, and Zarr starts a thread for each
_MAX_BYTES = 1 << 30  # of a unit's arrays; thousands of large molecules have a hundredth of it
_ZIP_DATE = (1980, 1, 1, 0, 0, 0)  # equal content gives equal bytes


@dataclass(frozen=True, slots=True, eq=False)
class StructureUnit:
    """The structures of one unit, in the order of its rows."""

    rows: NDArray[np.int64]  # (n,)
    status: NDArray[np.uint8]  # (n,), `DONE` or `QUARANTINED`
    structures: tuple[Structure | None, ...]  # None where quarantined
    errors: Mapping[int, MoleculeError]  # by row: why a molecule was quarantined


@dataclass(frozen=True, slots=True, eq=False)
class RowIndex:
    """Where the structure of a row lies."""

    rows: NDArray[np.int64]  # (n,), ascending, unique
    units: tuple[str, ...]
    unit_of: NDArray[np.int64]  # (n,), index into `units`
    position: NDArray[np.int64]  # (n,), within the unit

    def find(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """For each of `rows`, its index into this index's arrays, or -1 where it has no structure
        yet."""
        if len(self.rows) == 0:
            return np.full(len(rows), -1, dtype=np.int64)
        at = np.minimum(np.searchsorted(self.rows, rows), len(self.rows) - 1)
        return np.where(self.rows[at] == rows, at, -1)


@dataclass(frozen=True)
class StructureStore:
    """The structures made from one library with one set of settings.

    Args:
        folder: `structures/<digest>/` of a library.
    """

    folder: Folder

    @property
    def receipts(self) -> Receipts:
        """Which units are there."""
        return Receipts(self.folder)

    def write_unit(
        self,
        unit: str,
        rows: NDArray[np.int64],
        mol_ids: Sequence[str],
        outcomes: Sequence[Structure | MoleculeError],
        seconds: float,
    ) -> Receipt:
        """Write what became of each row, then the receipt; returns the receipt that counts.

        Args:
            unit: the digest that names the unit.
            rows: int64 (n,), library rows.
            mol_ids: of the same molecules.
            outcomes: a structure, or why there is none, for each row.
            seconds: what the unit took.
        Returns:
            the receipt that counts, of this attempt or of an earlier one.
        """
        failures = [
            QuarantineRecord.from_error(outcome, "structures", row=int(row), mol_id=mol_id)
            for row, mol_id, outcome in zip(rows, mol_ids, outcomes, strict=True)
            if isinstance(outcome, MoleculeError)
        ]
        archive = f"structures.zarr/{unit}.zip"
        files = {archive: self.folder.write_bytes(archive, _to_zip(rows, outcomes))}
        if failures:
            path = f"quarantine/{unit}.parquet"
            files[path] = self.folder.write_table(path, quarantine_table(failures))
        counts = {"in": len(rows), "done": len(rows) - len(failures), "quarantined": len(failures)}
        details = {"ranges": _to_ranges(rows)}
        return self.receipts.publish(Receipt(unit, "structures", counts, files, seconds, details))

    def compact(self, units: Iterable[str]) -> None:
        """Compact the receipts of these units, as far as they are not compacted yet.

        Several may do so at once, also with some of the same units: a unit that is told twice is
        one unit.
        """
        receipts = []
        for unit in sorted(units):
            with suppress(StoreError):  # broken, or compacted by another meanwhile
                receipts.append(self.receipts.read(unit))
        if receipts:
            self.receipts.compact(digest([receipt.unit for receipt in receipts]), receipts)

    def read_unit(self, unit: str) -> StructureUnit:
        """The structures of a unit.

        Raises:
            DamagedError: a file of the unit is missing or broken.
            SchemaError: it is of another version.
        """
        path = f"structures.zarr/{unit}.zip"
        try:
            arrays = _from_zip(self._content(path, unit))
            if not (arrays["status"] == QUARANTINED).any():
                return _unit(arrays, {})
            path = f"quarantine/{unit}.parquet"
            table = from_parquet(self._content(path, unit), ["row", "code", "message"])
            errors = {
                entry["row"]: MoleculeError(entry["code"], entry["message"])
                for entry in table.to_pylist()
            }
            return _unit(arrays, errors)
        except _BROKEN as error:
            raise DamagedError(f"{self.folder.url}/{path} is broken ({error})", (unit,)) from error

    def _content(self, path: str, unit: str) -> bytes:
        try:
            return self.folder.read_bytes(path)
        except StoreError as error:
            if self.folder.exists(path):
                raise
            raise DamagedError(f"{self.folder.url}/{path} is lost", (unit,)) from error

    def locate(self) -> RowIndex:
        """The index of every row that has a receipt."""
        return row_index(self.receipts.all())


def row_index(receipts: Iterable[Receipt]) -> RowIndex:
    """Index of the rows named by `receipts`, which come in the order of their units' names."""
    units: list[str] = []
    parts: list[NDArray[np.int64]] = []
    for receipt in receipts:
        units.append(receipt.unit)
        parts.append(_from_ranges(receipt.details["ranges"]))
    lengths = np.array([len(part) for part in parts], dtype=np.int64)
    rows = np.concatenate([*parts, np.empty(0, dtype=np.int64)])
    unit_of = np.repeat(np.arange(len(units), dtype=np.int64), lengths)
    starts = np.repeat(np.cumsum(lengths) - lengths, lengths)
    position = np.arange(len(rows), dtype=np.int64) - starts
    unique, first = np.unique(rows, return_index=True)  # the first occurrence, so the first unit
    return RowIndex(unique, tuple(units), unit_of[first], position[first])


def _to_ranges(rows: NDArray[np.int64]) -> list[list[int]]:
    """Rows as half-open runs, in their order: [5, 6, 7, 3] -> [[5, 8], [3, 4]]."""
    breaks = np.nonzero(np.diff(rows) != 1)[0] + 1
    return [[int(run[0]), int(run[-1]) + 1] for run in np.split(rows, breaks) if len(run)]


def _from_ranges(ranges: Sequence[Sequence[int]]) -> NDArray[np.int64]:
    runs = [np.arange(start, stop, dtype=np.int64) for start, stop in ranges]
    return np.concatenate([*runs, np.empty(0, dtype=np.int64)])


def _to_zip(rows: NDArray[np.int64], outcomes: Sequence[Structure | MoleculeError]) -> bytes:
    n = len(rows)
    done = [(i, o) for i, o in enumerate(outcomes) if isinstance(o, Structure)]
    largest = max((structure.n_atoms for _, structure in done), default=0)
    width = max(_PADDING, -(-largest // _PADDING) * _PADDING)
    arrays: dict[str, NDArray[Any]] = {
        "row": rows.astype(np.int64),
        "status": np.full(n, QUARANTINED, dtype=np.uint8),
        "n_atoms": np.zeros(n, dtype=np.uint8),
        "atomic_numbers": np.zeros((n, width), dtype=np.uint8),
        "positions": np.full((n, width, 3), np.nan, dtype=np.float32),
        "charge": np.zeros(n, dtype=np.int8),
        "n_unpaired": np.zeros(n, dtype=np.uint8),
    }
    values = dict.fromkeys(name for _, structure in done for name in structure.values)
    arrays |= {_VALUE + name: np.full(n, np.nan) for name in values}
    atom_values = dict.fromkeys(name for _, structure in done for name in structure.atom_values)
    arrays |= {
        _ATOM_VALUE + name: np.full((n, width), np.nan, dtype=np.float32) for name in atom_values
    }
    for i, structure in done:
        size = structure.n_atoms
        arrays["status"][i] = DONE
        arrays["n_atoms"][i] = size
        arrays["atomic_numbers"][i, :size] = structure.atomic_numbers
        arrays["positions"][i, :size] = structure.positions
        arrays["charge"][i] = structure.charge
        arrays["n_unpaired"][i] = structure.n_unpaired
        for name, value in structure.values.items():
            arrays[_VALUE + name][i] = value
        for name, of_atoms in structure.atom_values.items():
            arrays[_ATOM_VALUE + name][i, :size] = of_atoms
    store = MemoryStore()
    group = zarr.create_group(store, zarr_format=3, attributes={"schema_version": SCHEMA_VERSION})
    for name, array in arrays.items():
        fill = np.nan if array.dtype.kind == "f" else 0
        group.create_array(
            name,
            data=array,
            chunks=array.shape,
            fill_value=fill,
            compressors="auto" if array.nbytes >= _COMPRESSED_BYTES else None,
        )
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as archive:
        for name, buffer in sorted(store._store_dict.items()):
            archive.writestr(zipfile.ZipInfo(name, _ZIP_DATE), buffer.to_bytes())
    return sink.getvalue()


def _from_zip(data: bytes) -> dict[str, NDArray[Any]]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        _check_entries(archive, len(data))
        content = {name: cpu.Buffer.from_bytes(archive.read(name)) for name in archive.namelist()}
    group = zarr.open_group(MemoryStore(content), mode="r", zarr_format=3)
    if group.attrs.get("schema_version") != SCHEMA_VERSION:
        raise SchemaError(
            f"structures have schema version {group.attrs.get('schema_version')}, this screener "
            f"reads {SCHEMA_VERSION}; use the one that made them, or another folder"
        )
    arrays = {str(name): array for name, array in group.arrays()}
    n_bytes = sum(
        max(math.prod(array.shape), math.prod(array.chunks)) * array.dtype.itemsize
        for array in arrays.values()  # read a whole chunk at a time, which may be the larger one
    )
    if n_bytes > _MAX_BYTES:
        raise ValueError(f"its arrays declare {n_bytes:,} bytes")
    return {_name_of_now(name): np.asarray(array[...]) for name, array in arrays.items()}


def _name_of_now(name: str) -> str:
    name = _FORMER.get(name, name)
    if not name.startswith(_VALUE):
        return name
    column = name.removeprefix(_VALUE)
    return _VALUE + former_columns().get(column, column)


def _check_entries(archive: zipfile.ZipFile, n_bytes: int) -> None:
    """Look at what the table of contents declares before anything is unpacked.

    Args:
        archive: as `_to_zip` makes it, so its entries are not compressed.
        n_bytes: of the whole file.
    Raises:
        ValueError: an entry has a path that leads out, or more bytes than the file.
    """
    for entry in archive.infolist():
        require_path(entry.orig_filename)
    if (declared := sum(entry.file_size for entry in archive.infolist())) > n_bytes:
        raise ValueError(f"its entries declare {declared:,} bytes, and it has {n_bytes:,}")


def _unit(arrays: dict[str, NDArray[Any]], errors: Mapping[int, MoleculeError]) -> StructureUnit:
    values = [name for name in arrays if name.startswith(_VALUE)]
    atom_values = [name for name in arrays if name.startswith(_ATOM_VALUE)]
    structures: list[Structure | None] = []
    for i, status in enumerate(arrays["status"]):
        if status != DONE:
            structures.append(None)
            continue
        size = int(arrays["n_atoms"][i])
        structures.append(
            Structure(
                arrays["atomic_numbers"][i, :size],
                arrays["positions"][i, :size],
                {name.removeprefix(_VALUE): float(arrays[name][i]) for name in values},
                {name.removeprefix(_ATOM_VALUE): arrays[name][i, :size] for name in atom_values},
                int(arrays["charge"][i]) if "charge" in arrays else 0,
                int(arrays["n_unpaired"][i]) if "n_unpaired" in arrays else 0,
            )
        )
    return StructureUnit(arrays["row"], arrays["status"], tuple(structures), errors)
