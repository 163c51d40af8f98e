"""Structures on disk as they were written while they belonged to one library."""

import io
import json
import zipfile
from collections.abc import Sequence

import numpy as np
import zarr
from zarr.storage import MemoryStore

from screener.errors import MoleculeError
from screener.records import QuarantineRecord, Structure
from screener.stores.files import Folder
from screener.stores.quarantine import quarantine_table

FORMER = {
    "energy_gfn2_ha": "gfn2_energy_ha",
    "homo_gfn2_ev": "gfn2_homo_ev",
    "lumo_gfn2_ev": "gfn2_lumo_ev",
    "dipole_gfn2_debye": "gfn2_dipole_debye",
    "ip_uncorrected_gfn2_ev": "redox_ip_ev",
    "ea_uncorrected_gfn2_ev": "redox_ea_ev",
    "eox_uncorrected_gfn2_v_li": "redox_eox_v_li",
    "ered_uncorrected_gfn2_v_li": "redox_ered_v_li",
}  # names of arrays, by the columns of now


def write_former_unit(
    folder: Folder, unit: str, rows: Sequence[int], outcomes: Sequence[Structure | MoleculeError]
) -> None:
    """A unit by rows of a library, with its receipt; arrays have the names of that time."""
    n, width = len(rows), 24
    arrays = {
        "row": np.asarray(rows, dtype=np.int64),
        "status": np.full(n, 2, dtype=np.uint8),
        "n_atoms": np.zeros(n, dtype=np.uint8),
        "atomic_numbers": np.zeros((n, width), dtype=np.uint8),
        "positions": np.full((n, width, 3), np.nan, dtype=np.float32),
    }
    names = dict.fromkeys(
        name for each in outcomes if isinstance(each, Structure) for name in each.values
    )
    arrays |= {FORMER[name]: np.full(n, np.nan) for name in names}
    if names:
        arrays["gfn2_charges"] = np.full((n, width), np.nan, dtype=np.float32)
    failures = []
    for i, outcome in enumerate(outcomes):
        if isinstance(outcome, MoleculeError):
            failures.append(
                QuarantineRecord("structures", outcome.code, outcome.message, row=rows[i])
            )
            continue
        size = outcome.n_atoms
        arrays["status"][i], arrays["n_atoms"][i] = 1, size
        arrays["atomic_numbers"][i, :size] = outcome.atomic_numbers
        arrays["positions"][i, :size] = outcome.positions
        for name, value in outcome.values.items():
            arrays[FORMER[name]][i] = value
        if names:
            arrays["gfn2_charges"][i, :size] = outcome.atom_values["charges_gfn2"]
    store = MemoryStore()
    group = zarr.create_group(store, zarr_format=3, attributes={"schema_version": 1})
    for name, array in arrays.items():
        fill = np.nan if array.dtype.kind == "f" else 0
        group.create_array(name, data=array, chunks=array.shape, fill_value=fill)
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        for name, buffer in sorted(store._store_dict.items()):
            archive.writestr(name, buffer.to_bytes())
    path = f"structures.zarr/{unit}.zip"
    files = {path: folder.write_bytes(path, sink.getvalue())}
    if failures:
        path = f"quarantine/{unit}.parquet"
        files[path] = folder.write_table(path, quarantine_table(failures))
    receipt = {
        "unit": unit,
        "stage": "structures",
        "counts": {"in": n, "done": n - len(failures), "quarantined": len(failures)},
        "files": files,
        "seconds": 1.0,
        "details": {"ranges": [[int(row), int(row) + 1] for row in rows]},
    }
    folder.write_bytes(f"receipts/{unit}.json", json.dumps(receipt).encode())
