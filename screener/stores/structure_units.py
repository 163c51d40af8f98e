"""One unit of structures as a file: a Zarr v3 group in a zip, written whole.

    mol_id (n, 16) uint8 · n_atoms (n,) · atomic_numbers (n, A) · positions (n, A, 3) float32, Å ·
    charge (n,) · n_unpaired (n,) · value_<column> (n,) · atom_value_<column> (n, A)

`A` is the size of the largest molecule, rounded up to 8. A molecule without atoms could not be
made; the group's attribute `errors` says why. A unit is one file that is there or not, whatever
happens to its writer, and the checksums of the zip tell whether it has changed since. Units that
were made before molecules had their `mol_id` in them hold rows of a library, and are read for
conversion.
"""

import io
import math
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.core.buffer import cpu
from zarr.storage import MemoryStore

from screener.errors import MoleculeError, SchemaError
from screener.records import Structure
from screener.registry.columns import former_columns
from screener.stores.mol_ids import MolIds
from screener.stores.paths import require_path

SCHEMA_VERSION = 2
FORMER_VERSION = 1  # rows of a library in place of `mol_id`
VALUE, ATOM_VALUE = "value_", "atom_value_"  # beginnings of the arrays of named values
PADDING = 8  # atoms: sizes are rounded up to this, so that arrays have few shapes
# what a zip file or the arrays in it raise when a bit has changed, wherever it lies
BROKEN = (
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
MAX_BYTES = 1 << 30  # of a unit's arrays; thousands of large molecules have a hundredth of it
_ZIP_DATE = (1980, 1, 1, 0, 0, 0)  # equal content gives equal bytes
# arrays of before values had the names of their columns
_FORMER = {
    **{
        f"gfn2_{name}_{unit}": f"{VALUE}{name}_gfn2_{unit}"
        for name, unit in (("energy", "ha"), ("homo", "ev"), ("lumo", "ev"), ("dipole", "debye"))
    },
    **{
        f"redox_{name}_{unit}": f"{VALUE}{name}_gfn2_{unit}"
        for name, unit in (("ip", "ev"), ("ea", "ev"), ("eox", "v_li"), ("ered", "v_li"))
    },
    "gfn2_charges": f"{ATOM_VALUE}charges_gfn2",
}

Arrays = dict[str, NDArray[Any]]
Errors = Mapping[int, tuple[str, str]]  # code and message by position


@dataclass(frozen=True, slots=True, eq=False)
class StructureUnit:
    """What became of the molecules of one unit, in their order."""

    mol_ids: MolIds
    outcomes: tuple[Structure | MoleculeError, ...]  # (n,)


@dataclass(frozen=True, slots=True, eq=False)
class UnitArrays:
    """A unit as arrays, all with n rows, and why molecules without atoms have none."""

    arrays: Arrays
    errors: Errors

    @property
    def mol_ids(self) -> MolIds:
        """(n, 16), of its molecules."""
        return self.arrays["mol_id"]


def to_arrays(mol_ids: MolIds, outcomes: Sequence[Structure | MoleculeError]) -> UnitArrays:
    """Molecules and what became of them, as arrays.

    Args:
        mol_ids: uint8 (n, 16).
        outcomes: (n,), a structure, or why there is none.
    """
    n = len(mol_ids)
    done = [(i, each) for i, each in enumerate(outcomes) if isinstance(each, Structure)]
    largest = max((structure.n_atoms for _, structure in done), default=0)
    width = max(PADDING, -(-largest // PADDING) * PADDING)
    arrays: Arrays = {
        "mol_id": np.ascontiguousarray(mol_ids),
        "n_atoms": np.zeros(n, dtype=np.uint16),
        "atomic_numbers": np.zeros((n, width), dtype=np.uint8),
        "positions": np.full((n, width, 3), np.nan, dtype=np.float32),
        "charge": np.zeros(n, dtype=np.int8),
        "n_unpaired": np.zeros(n, dtype=np.uint8),
    }
    values = dict.fromkeys(name for _, structure in done for name in structure.values)
    arrays |= {VALUE + name: np.full(n, np.nan) for name in values}
    atom_values = dict.fromkeys(name for _, structure in done for name in structure.atom_values)
    arrays |= {
        ATOM_VALUE + name: np.full((n, width), np.nan, dtype=np.float32) for name in atom_values
    }
    for i, structure in done:
        size = structure.n_atoms
        arrays["n_atoms"][i] = size
        arrays["atomic_numbers"][i, :size] = structure.atomic_numbers
        arrays["positions"][i, :size] = structure.positions
        arrays["charge"][i] = structure.charge
        arrays["n_unpaired"][i] = structure.n_unpaired
        for name, value in structure.values.items():
            arrays[VALUE + name][i] = value
        for name, of_atoms in structure.atom_values.items():
            arrays[ATOM_VALUE + name][i, :size] = of_atoms
    errors = {
        i: (each.code, each.message)
        for i, each in enumerate(outcomes)
        if isinstance(each, MoleculeError)
    }
    return UnitArrays(arrays, errors)


def from_arrays(unit: UnitArrays, rows: Sequence[int] | None = None) -> StructureUnit:
    """Molecules and what became of them, from arrays.

    Args:
        unit: the arrays.
        rows: only these; None for all.
    Raises:
        KeyError: an array is missing, or why a molecule has no atoms.
    """
    arrays = unit.arrays
    values = [name for name in arrays if name.startswith(VALUE)]
    atom_values = [name for name in arrays if name.startswith(ATOM_VALUE)]
    outcomes: list[Structure | MoleculeError] = []
    sizes = arrays["n_atoms"].tolist()
    wanted = range(len(sizes)) if rows is None else rows
    for i in wanted:
        size = sizes[i]
        if size == 0:
            outcomes.append(MoleculeError(*unit.errors[i]))
            continue
        outcomes.append(
            Structure(
                arrays["atomic_numbers"][i, :size],
                arrays["positions"][i, :size],
                {name.removeprefix(VALUE): float(arrays[name][i]) for name in values},
                {name.removeprefix(ATOM_VALUE): arrays[name][i, :size] for name in atom_values},
                int(arrays["charge"][i]) if "charge" in arrays else 0,
                int(arrays["n_unpaired"][i]) if "n_unpaired" in arrays else 0,
            )
        )
    return StructureUnit(arrays["mol_id"][list(wanted)], tuple(outcomes))


def is_per_atom(name: str) -> bool:
    """Whether an array has a column for each atom."""
    return name in ("atomic_numbers", "positions") or name.startswith(ATOM_VALUE)


def have_same_structures(unit: UnitArrays, other: UnitArrays) -> bool:
    """Whether the other unit has all that a unit says of its molecules, bit for bit.

    Args:
        unit: of any origin; what stands in places without atoms says nothing.
        other: may have wider arrays and further ones.
    """
    n_atoms = unit.arrays["n_atoms"]
    if (
        not np.array_equal(unit.mol_ids, other.mol_ids)
        or not np.array_equal(n_atoms, other.arrays["n_atoms"])
        or dict(unit.errors) != dict(other.errors)
    ):
        return False
    rows = np.flatnonzero(n_atoms)
    width = int(n_atoms.max(initial=0))

    def content(arrays: Arrays, name: str) -> bytes:
        array = arrays[name][rows]
        return (array[:, :width] if is_per_atom(name) else array).tobytes()

    return not len(rows) or all(
        name in other.arrays
        and array.dtype == other.arrays[name].dtype
        and content(unit.arrays, name) == content(other.arrays, name)
        for name, array in unit.arrays.items()
    )


def to_zip(unit: UnitArrays) -> bytes:
    """The file of a unit; equal units give equal bytes."""
    store = MemoryStore()
    errors = {str(i): list(error) for i, error in sorted(unit.errors.items())}
    attributes = {"schema_version": SCHEMA_VERSION, "errors": errors}
    group = zarr.create_group(store, zarr_format=3, attributes=attributes)
    for name, array in unit.arrays.items():
        is_worth_it = array.nbytes >= _COMPRESSED_BYTES and name != "mol_id"
        group.create_array(
            name,
            data=array,
            chunks=array.shape,
            fill_value=np.nan if array.dtype.kind == "f" else 0,
            compressors="auto" if is_worth_it else None,
        )
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as archive:
        for name, buffer in sorted(store._store_dict.items()):
            archive.writestr(zipfile.ZipInfo(name, _ZIP_DATE), buffer.to_bytes())
    return sink.getvalue()


def from_zip(data: bytes) -> UnitArrays:
    """A unit from its file.

    Raises:
        SchemaError: it is of another version; one of `BROKEN`: it is damaged.
    """
    group = _opened(data)
    version = group.attrs.get("schema_version")
    if version != SCHEMA_VERSION:
        raise SchemaError(
            f"structures have schema version {version}, this screener reads {SCHEMA_VERSION}; use "
            "the one that made them, or another folder"
            + ("; `screener library convert` brings them up to date" if version == 1 else "")
        )
    stated: Any = group.attrs["errors"]
    errors = {int(i): (str(code), str(message)) for i, (code, message) in stated.items()}
    return UnitArrays(_read(group), errors)


def from_former_zip(
    data: bytes, mol_ids_of_rows: Callable[[NDArray[np.int64]], MolIds], errors: Errors
) -> UnitArrays:
    """A unit of before, whose molecules are rows of a library.

    Args:
        data: the file.
        mol_ids_of_rows: gives uint8 (n, 16) for rows int64 (n,).
        errors: code and message by row.
    Returns:
        the unit with `mol_id`s.
    Raises:
        SchemaError: it is of another version; one of `BROKEN`: it is damaged.
    """
    group = _opened(data)
    if group.attrs.get("schema_version") != FORMER_VERSION:
        raise SchemaError(f"version {group.attrs.get('schema_version')}, not {FORMER_VERSION}")
    arrays = _read(group)
    rows, status = arrays.pop("row"), arrays.pop("status")
    places = {row: i for i, row in enumerate(rows.tolist()) if status[i] != 1}
    arrays["n_atoms"] = np.where(status == 1, arrays["n_atoms"], 0).astype(np.uint16)
    now = {"mol_id": mol_ids_of_rows(rows), **arrays}
    return UnitArrays(now, {i: errors[row] for row, i in places.items()})


def _opened(data: bytes) -> zarr.Group:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        _check_entries(archive, len(data))
        content = {name: cpu.Buffer.from_bytes(archive.read(name)) for name in archive.namelist()}
    return zarr.open_group(MemoryStore(content), mode="r", zarr_format=3)


def _read(group: zarr.Group) -> Arrays:
    arrays = {str(name): array for name, array in group.arrays()}
    require_size(arrays.values(), MAX_BYTES)
    return {_name_of_now(name): np.asarray(array[...]) for name, array in arrays.items()}


def require_size(arrays: Iterable[Any], n_bytes: int) -> None:
    """Look at what Zarr arrays declare before anything is unpacked.

    Args:
        arrays: of a unit, or one of a group.
        n_bytes: that they may have; a chunk is read whole, so it counts where it is larger.
    Raises:
        ValueError: they declare more.
    """
    declared = sum(
        max(math.prod(array.shape), math.prod(array.chunks)) * array.dtype.itemsize
        for array in arrays
    )
    if declared > n_bytes:
        raise ValueError(f"its arrays declare {declared:,} bytes")


def _name_of_now(name: str) -> str:
    """The name of an array that may have been written under a former one."""
    now = _FORMER.get(name, name)
    beginning = next((each for each in (VALUE, ATOM_VALUE) if now.startswith(each)), "")
    column = now.removeprefix(beginning)
    return beginning + former_columns().get(column, column) if beginning else now


def _check_entries(archive: zipfile.ZipFile, n_bytes: int) -> None:
    """Look at what the table of contents declares before anything is unpacked.

    Args:
        archive: as `to_zip` makes it, so its entries are not compressed.
        n_bytes: of the whole file.
    Raises:
        ValueError: an entry has a path that leads out, or more bytes than the file.
    """
    for entry in archive.infolist():
        require_path(entry.orig_filename)
    if (declared := sum(entry.file_size for entry in archive.infolist())) > n_bytes:
        raise ValueError(f"its entries declare {declared:,} bytes, and it has {n_bytes:,}")
