"""Write `labels.parquet`: the scalar labels of every structure that `make labels` made.

One row per molecule and kind of structure (see `screener.training.labels`): whether the structure
could be made, and its GFN2 values, null where the kind has none.
"""

from pathlib import Path

import numpy as np
import pyarrow as pa

from screener.records import Structure
from screener.stores.files import to_parquet
from screener.training.dataset import committed_splits
from screener.training.labels import KINDS, WANTED, chosen, structure_store

PROPERTIES = ("energy_ha", "homo_ev", "lumo_ev", "dipole_debye")


def scalars(kind: str) -> pa.Table:
    """The labels of one kind, in the order of QM9."""
    store = structure_store(kind)
    index = store.locate()
    rows = np.sort(chosen(committed_splits(), WANTED[kind]))
    found: dict[int, Structure | None] = {}
    for unit in np.unique(index.unit_of[index.find(rows)]):
        held = store.read_unit(index.units[unit])
        found |= dict(zip(held.rows.tolist(), held.structures, strict=True))
    columns: dict[str, list[float | None]] = {name: [] for name in PROPERTIES}
    for row in rows.tolist():
        structure = found[row]
        gfn2 = structure.gfn2 if structure is not None else None
        for name, values in columns.items():
            values.append(None if gfn2 is None else getattr(gfn2, name))
    table = pa.table(
        {
            "kind": [kind] * len(rows),
            "qm9_index": pa.array(rows, pa.uint32()),
            "made": [found[row] is not None for row in rows.tolist()],
            "energy_gfn2_ha": pa.array(columns["energy_ha"], pa.float64()),
            **{
                f"{quantity}_gfn2_{unit}": pa.array(columns[f"{quantity}_{unit}"], pa.float32())
                for quantity, unit in (("homo", "ev"), ("lumo", "ev"), ("dipole", "debye"))
            },
        }
    )
    return table.sort_by("qm9_index")


if __name__ == "__main__":
    tables = pa.concat_tables([scalars(kind) for kind in KINDS])
    Path(__file__).with_name("labels.parquet").write_bytes(to_parquet(tables))
    print(tables.group_by(["kind", "made"]).aggregate([("qm9_index", "count")]).to_pandas())
