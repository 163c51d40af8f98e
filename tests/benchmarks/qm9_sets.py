"""Molecules of QM9 at their B3LYP geometries, by the committed split."""

from functools import lru_cache

import numpy as np

from screener.errors import ConfigError
from screener.records import Structure
from screener.training.fit.data import FitData
from screener.training.qm9.dataset import HIGH, committed_splits
from screener.training.qm9.molecules import Entry, entries


@lru_cache(maxsize=1)
def _all() -> dict[int, Entry]:
    return {entry.index: entry for entry in entries()}


def first(part: str, n: int) -> FitData:
    """The first n molecules of a part, in its order; of `test`, of those drawn at random.

    Raises:
        ConfigError: QM9 is not installed, or the part has fewer.
    """
    splits = committed_splits()
    splits = splits[(splits["part"] == part) & ~splits["reserved"]].sort_values("order")
    if len(splits) < n:
        raise ConfigError(f"the part {part} has {len(splits)} molecules, not {n}")
    chosen = [_all()[int(index)] for index in splits["qm9_index"][:n]]
    return FitData(
        [Structure(e.atomic_numbers, e.positions.astype(np.float32)) for e in chosen],
        {name: np.array([getattr(e, name) for e in chosen], dtype=np.float64) for name in HIGH},
    )
