"""The labels of QM9 that ship with the project, so that training can be repeated without making
them again.

`labels.parquet` holds the scalar GFN2 values of every kind of structure. `minima.parquet` holds how
far each atom moved from QM9's geometry to the GFN2 minimum reached from it: with QM9's own
geometries that is the whole structure. `screener/data/qm9/make_labels.py` writes both.
"""

import io
from functools import lru_cache
from importlib.resources import files

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from screener.errors import ConfigError
from screener.records import Structure
from screener.stores.files import from_parquet
from screener.training.qm9 import molecules as qm9

AT_B3LYP, FROM_B3LYP = "b3lyp-gfn2", "gfn2-opt-from-b3lyp"
KINDS = (AT_B3LYP, FROM_B3LYP)  # of which the structures can be put together here
STEP = 1e-3  # angstrom, in which displacements are stored; GFN2 values are those before rounding
# stored as integers, in these parts of their unit
SCALARS = {
    "energy_gfn2_ha": ("energy_gfn2_microhartree", 1e-6),
    "homo_gfn2_ev": ("homo_gfn2_mev", 1e-3),
    "lumo_gfn2_ev": ("lumo_gfn2_mev", 1e-3),
    "dipole_gfn2_debye": ("dipole_gfn2_millidebye", 1e-3),
}


def scalars(kind: str) -> pd.DataFrame:
    """GFN2 values of one kind of structure.

    Returns:
        by `qm9_index`: `made` (whether the structure could be made), and `energy_gfn2_ha` (total
        energy), `homo_gfn2_ev`, `lumo_gfn2_ev`, `dipole_gfn2_debye`, NaN where it could not.
    """
    table = _read("labels.parquet")
    table = table.filter(pc.equal(table["kind"], kind))
    columns = {
        name: table[stored].to_numpy().astype(np.float64) * step
        for name, (stored, step) in SCALARS.items()
    }
    made = table["made"].to_numpy()
    frame = pd.DataFrame(columns, index=pd.Index(table["qm9_index"].to_numpy(), name="qm9_index"))
    frame.loc[~made] = np.nan
    frame.insert(0, "made", made)
    return frame


def structures(kind: str, rows: NDArray[np.int64]) -> dict[int, Structure | None]:
    """Structures of one of `KINDS` by QM9 number; None for those of `rows` that failed.

    Atoms are in QM9's order; charges are not committed and are NaN.

    Raises:
        ConfigError: no label of some of `rows` is committed.
    """
    values = scalars(kind)
    missing = np.setdiff1d(rows, values.index)
    if len(missing):
        raise ConfigError(f"{len(missing)} of {len(rows)} labels of kind {kind} are not committed")
    moved = displacements() if kind == FROM_B3LYP else None
    by_row: dict[int, Structure | None] = {}
    for row, made, energy, homo, lumo, dipole in values.loc[rows].itertuples(name=None):
        entry = entries()[row]
        positions = entry.positions.astype(np.float32)
        if moved is not None and made:
            positions = (positions + moved[row].reshape(-1, 3) * STEP).astype(np.float32)
        gfn2 = dict(zip(SCALARS, (energy, homo, lumo, dipole), strict=True))
        charges = {"charges_gfn2": np.full(len(positions), np.nan, np.float32)}
        structure = Structure(entry.atomic_numbers, positions, gfn2, charges)
        by_row[row] = structure if made else None
    return by_row


@lru_cache(maxsize=1)
def entries() -> dict[int, qm9.Entry]:
    """All of QM9 by its number; half a minute, once per process."""
    return {entry.index: entry for entry in qm9.entries()}


def displacements() -> dict[int, NDArray[np.int32]]:
    """By QM9 number, how far its atoms moved to the GFN2 minimum: (3 n_atoms,), in `STEP`s."""
    table = _read("minima.parquet")
    steps = table["displacement_milliangstrom"].combine_chunks()
    offsets = steps.offsets.to_numpy()
    values = steps.values.to_numpy()
    indices = table["qm9_index"].to_numpy().tolist()
    return {
        index: values[start:stop]
        for index, start, stop in zip(indices, offsets[:-1], offsets[1:], strict=True)
    }


def _read(name: str) -> pa.Table:
    return from_parquet((files("screener.data") / "qm9" / name).read_bytes())


def to_compact_parquet(table: pa.Table) -> bytes:
    """Parquet as small as integers can be: byte plane by byte plane, so that like bytes meet."""
    planes = {}
    for field in table.schema:
        if pa.types.is_list(field.type):
            planes[f"{field.name}.list.element"] = "BYTE_STREAM_SPLIT"
        elif pa.types.is_int32(field.type):
            planes[field.name] = "BYTE_STREAM_SPLIT"
    named = [field.name for field in table.schema if pa.types.is_dictionary(field.type)]
    sink = io.BytesIO()
    pq.write_table(
        table,
        sink,
        compression="zstd",
        compression_level=19,
        use_dictionary=named,
        column_encoding=planes,
    )
    return sink.getvalue()
