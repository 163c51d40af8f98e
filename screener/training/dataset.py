"""Labelled structures of one kind and part, joined from the made labels and QM9's values."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from screener.errors import ConfigError
from screener.models.fit import FitData
from screener.records import Structure
from screener.training.labels import chosen, labels_folder, structure_store

HIGH = ("ae0_b3lyp_kcal", "homo_b3lyp_ev", "lumo_b3lyp_ev", "dipole_b3lyp_debye")


@dataclass(frozen=True, slots=True, eq=False)
class Labelled:
    """Structures with their B3LYP values.

    `n_failed` molecules of the wanted ones have no structure: they lie in the store's quarantine.
    """

    qm9_index: NDArray[np.int64]  # (n,)
    data: FitData
    n_failed: int

    def only(self, qm9_index: NDArray[np.int64]) -> "Labelled":
        """Those of `qm9_index` that are here, in this set's order."""
        rows = np.nonzero(np.isin(self.qm9_index, qm9_index))[0]
        return Labelled(self.qm9_index[rows], self.data.subset(rows), self.n_failed)

    def parted(self) -> "tuple[Labelled, Labelled]":
        """Those drawn at random, and those of reserved connectivities (see `splits`)."""
        splits = committed_splits()
        reserved = splits.loc[splits["reserved"], "qm9_index"].to_numpy()
        return self.only(np.setdiff1d(self.qm9_index, reserved)), self.only(reserved)


@lru_cache(maxsize=1)
def committed_splits() -> pd.DataFrame:
    """The split that ships with the project: `qm9_index`, `part`, `order`."""
    with (files("screener.data") / "qm9" / "splits.parquet").open("rb") as file:
        splits: pd.DataFrame = pq.read_table(file).to_pandas()
    return splits.astype({"qm9_index": np.int64, "part": str, "order": np.int64})


@lru_cache(maxsize=1)
def molecules() -> pd.DataFrame:
    """QM9 with its stereochemistry restored, by `qm9_index`.

    Raises:
        ConfigError: the labels have not been made.
    """
    folder = labels_folder()
    names = folder.names("molecules", ".parquet")
    if not names:
        raise ConfigError(f"there are no labels in {folder.url}; run `make labels` first")
    columns = ["qm9_index", "mol_id", "smiles", "inchikey", "n_heavy", "aside", *HIGH]
    tables = [folder.read_table(f"molecules/{name}", columns) for name in names]
    frame: pd.DataFrame = pa.concat_tables(tables).to_pandas()
    return frame.set_index("qm9_index")


def load(kind: str, wanted: Mapping[str, int]) -> Labelled:
    """The structures of one kind that exist, of the first molecules of the wanted parts.

    Args:
        kind: one of `labels.KINDS`.
        wanted: molecules by part, in each part's order.
    Raises:
        ConfigError: some were never made.
    """
    rows = chosen(committed_splits(), wanted)
    store = structure_store(kind)
    index = store.locate()
    at = index.find(rows)
    if (at < 0).any():
        raise ConfigError(
            f"{(at < 0).sum()} of {len(rows)} structures of kind {kind} are not made yet; "
            "run `make labels`"
        )
    found: dict[int, Structure] = {}
    for unit in np.unique(index.unit_of[at]):
        held = store.read_unit(index.units[unit])
        found |= {
            int(row): structure
            for row, structure in zip(held.rows, held.structures, strict=True)
            if structure is not None
        }
    kept = np.array([row for row in rows if int(row) in found], dtype=np.int64)
    values = molecules().loc[kept]
    high = {name: values[name].to_numpy(np.float64) for name in HIGH}
    return Labelled(kept, FitData([found[int(row)] for row in kept], high), len(rows) - len(kept))
