"""Write `labels.parquet` and `minima.parquet` from what `make labels` made.

`screener.training.qm9.committed` says what they hold and reads them. Values that are committed
already and have not been made here are kept.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from screener.records import Structure
from screener.training.qm9 import committed, labels
from screener.training.qm9.labels import KINDS, restored


def made(kind: str) -> dict[int, Structure | None]:
    """What was made of one kind: structures by QM9 number, None for those that failed."""
    rows = np.sort(restored()["qm9_index"].to_numpy(np.int64))
    return {
        row: outcome if isinstance(outcome, Structure) else None
        for row, outcome in zip(rows.tolist(), labels.made(kind, rows), strict=True)
        if outcome is not None
    }


def scalars(kind: str, structures: dict[int, Structure | None]) -> pa.Table:
    """The labels of one kind, in the order of QM9."""
    known = committed.scalars(kind)
    rows: dict[int, list[float] | None] = {
        index: values if was_made else None
        for index, was_made, values in zip(
            known.index.tolist(),
            known["made"].tolist(),
            known[list(committed.SCALARS)].to_numpy().tolist(),
            strict=True,
        )
    }
    rows |= {index: _values(structure) for index, structure in structures.items()}
    indices = sorted(rows)
    empty = [np.nan] * len(committed.SCALARS)
    values = np.array([rows[index] or empty for index in indices])
    columns: dict[str, Any] = {
        "kind": pa.array([kind] * len(indices)).dictionary_encode(),
        "qm9_index": pa.array(indices, pa.int32()),
        "made": [rows[index] is not None for index in indices],
    }
    for place, (stored, step) in enumerate(committed.SCALARS.values()):
        columns[stored] = _integers(values[:, place], step)
    return pa.table(columns)


def _values(structure: Structure | None) -> list[float] | None:
    if structure is None:
        return None
    return [structure.values[name] for name in committed.SCALARS]


def _integers(values: Any, step: float) -> pa.Array:
    return pa.array(np.nan_to_num(np.rint(values / step)).astype(np.int32))


def displacements(structures: dict[int, Structure | None]) -> pa.Table:
    """From QM9's geometries to the minima, in the order of QM9."""
    entries = committed.entries()
    moved = committed.displacements()
    for index, structure in structures.items():
        if structure is not None:
            change = structure.positions - entries[index].positions.astype(np.float32)
            moved[index] = np.rint(change.ravel() / committed.STEP).astype(np.int32)
    indices = sorted(moved)
    lengths = [0, *(len(moved[index]) for index in indices)]
    flat = np.concatenate([moved[index] for index in indices])
    lists = pa.ListArray.from_arrays(np.cumsum(lengths).astype(np.int32), pa.array(flat))
    return pa.table(
        {"qm9_index": pa.array(indices, pa.int32()), "displacement_milliangstrom": lists}
    )


if __name__ == "__main__":
    by_kind = {kind: made(kind) for kind in KINDS}
    minima = displacements(by_kind[committed.FROM_B3LYP])
    table = pa.concat_tables([scalars(kind, by_kind[kind]) for kind in KINDS]).unify_dictionaries()
    for name, made_of in (("minima", minima), ("labels", table)):
        path = Path(__file__).with_name(f"{name}.parquet")
        path.write_bytes(committed.to_compact_parquet(made_of))
    print(table.group_by(["kind", "made"]).aggregate([("qm9_index", "count")]).to_pandas())
