"""Runs of consecutive rows, and the names of units made of them."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from screener.stores.files import digest

Runs = tuple[tuple[int, int], ...]  # (first row, one past the last), in the order of the unit


def runs_of(rows: NDArray[np.int64]) -> Runs:
    """The runs of consecutive numbers in `rows`, in their order.

    Args:
        rows: int64 (n,), not empty.
    """
    breaks = np.flatnonzero(np.diff(rows) != 1) + 1
    pieces = np.split(rows, breaks)
    return tuple((int(piece[0]), int(piece[-1]) + 1) for piece in pieces)


def are_among(rows: NDArray[np.int64], ascending: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which rows are among others; takes time by `rows`, however many the others are.

    Args:
        rows: int64 (n,).
        ascending: int64 (m,), in this order.
    """
    if not len(ascending):
        return np.zeros(len(rows), dtype=np.bool_)
    places = np.minimum(np.searchsorted(ascending, rows), len(ascending) - 1)
    is_among: NDArray[np.bool_] = ascending[places] == rows
    return is_among


def with_rows(table: pa.Table, ascending: NDArray[np.int64]) -> pa.Table:
    """The rows of a table whose `row` is among these, int64 (n,), ascending."""
    return table.filter(pa.array(are_among(table["row"].to_numpy(), ascending)))


def unit_name(stage_digest: str, runs: Runs) -> str:
    """The digest of the rows and of the stage, which names the unit."""
    return digest({"stage": stage_digest, "rows": [list(run) for run in runs]})


def rows_of(column: pa.ChunkedArray) -> NDArray[np.int64]:
    """The row numbers of a column, int64 (n,), without the pandas that `to_numpy` loads."""
    if not len(column):
        return np.zeros(0, dtype=np.int64)
    rows = np.from_dlpack(column.cast(pa.int64()).combine_chunks())
    return rows.astype(np.int64, copy=False)
