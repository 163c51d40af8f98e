"""Labelled structures of one kind and part, joined from the made labels and QM9's values."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from screener.errors import ConfigError
from screener.records import Structure
from screener.stores.files import from_parquet
from screener.training.fit.data import FitData
from screener.training.qm9 import committed
from screener.training.qm9.labels import chosen, made

HIGH = ("ae0_b3lyp_kcal", "homo_b3lyp_ev", "lumo_b3lyp_ev", "dipole_b3lyp_debye")  # of QM9


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

    def ordered(self) -> "Labelled":
        """The same in the order of QM9."""
        rows = np.argsort(self.qm9_index)
        return Labelled(self.qm9_index[rows], self.data.subset(rows), self.n_failed)

    def parted(self) -> "tuple[Labelled, Labelled]":
        """Those drawn at random, and those of reserved connectivities (see `splits`)."""
        splits = committed_splits()
        reserved = splits.loc[splits["reserved"], "qm9_index"].to_numpy()
        return self.only(np.setdiff1d(self.qm9_index, reserved)), self.only(reserved)


@lru_cache(maxsize=1)
def committed_splits() -> pd.DataFrame:
    """The split that ships with the project: `qm9_index`, `part`, `order`."""
    data = (files("screener.data") / "qm9" / "splits.parquet").read_bytes()
    splits: pd.DataFrame = from_parquet(data).to_pandas()
    return splits.astype({"qm9_index": np.int64, "part": str, "order": np.int64})


def load(kind: str, wanted: Mapping[str, int]) -> Labelled:
    """The structures of one kind that exist, of the first molecules of the wanted parts.

    Args:
        kind: one of `labels.KINDS`; those of `committed.KINDS` ship with the project.
        wanted: molecules by part, in each part's order.
    Raises:
        ConfigError: some were never made.
    """
    rows = chosen(committed_splits(), wanted)
    by_row = committed.structures(kind, rows) if kind in committed.KINDS else _made(kind, rows)
    kept = np.array([row for row in rows.tolist() if by_row[row] is not None], dtype=np.int64)
    entries = committed.entries()
    high = {name: np.array([getattr(entries[row], name) for row in kept]) for name in HIGH}
    structures = [structure for row in kept.tolist() if (structure := by_row[row]) is not None]
    return Labelled(kept, FitData(structures, high), len(rows) - len(kept))


def _made(kind: str, rows: NDArray[np.int64]) -> dict[int, Structure | None]:
    """By QM9 number, from what `make labels` made; None where it failed."""
    outcomes = made(kind, rows)
    if n_missing := sum(outcome is None for outcome in outcomes):
        raise ConfigError(
            f"{n_missing} of {len(rows)} structures of kind {kind} are not made yet; "
            "run `make labels`"
        )
    return {
        row: outcome if isinstance(outcome, Structure) else None
        for row, outcome in zip(rows.tolist(), outcomes, strict=True)
    }
