"""The plan: which rows one task works on, a pure function of the library's size and the settings.

A unit is an ordered list of library rows, kept as runs of consecutive rows, so that 512 rows of the
first stage are one pair of numbers. Its name is the digest of that list and of the stage: the same
plan made again, on any machine and in any order, names the same units. Units are generated one by
one, so a plan of a billion rows needs no memory.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from screener.stores.files import digest

Runs = tuple[tuple[int, int], ...]  # (first row, one past the last), in the order of the unit


@dataclass(frozen=True, slots=True)
class Unit:
    """The rows of one task at one stage."""

    name: str
    runs: Runs

    @property
    def n_rows(self) -> int:
        """How many rows the unit has."""
        return sum(stop - start for start, stop in self.runs)

    @property
    def rows(self) -> NDArray[np.int64]:
        """int64 (n_rows,), in the unit's order."""
        return np.concatenate([np.arange(start, stop, dtype=np.int64) for start, stop in self.runs])


def runs_of(rows: NDArray[np.int64]) -> Runs:
    """The runs of consecutive numbers in `rows`, in their order.

    Args:
        rows: int64 (n,), not empty.
    """
    breaks = np.flatnonzero(np.diff(rows) != 1) + 1
    pieces = np.split(rows, breaks)
    return tuple((int(piece[0]), int(piece[-1]) + 1) for piece in pieces)


def make_unit(stage_digest: str, runs: Runs) -> Unit:
    """The unit of these rows, named by the digest of the rows and of the stage."""
    return Unit(digest({"stage": stage_digest, "rows": [list(run) for run in runs]}), runs)


def range_units(stage_digest: str, n_rows: int, unit_rows: int) -> Iterator[Unit]:
    """Units of a stage that takes the whole library: ranges of at most `unit_rows` rows."""
    for start in range(0, n_rows, unit_rows):
        yield make_unit(stage_digest, ((start, min(start + unit_rows, n_rows)),))


def batch_units(
    stage_digest: str, rows: Sequence[int] | NDArray[np.int64], unit_rows: int
) -> Iterator[Unit]:
    """Units of a stage that takes chosen rows: these, ascending, in batches of at most `unit_rows`.

    Ascending, so that a batch reads few shards and does not depend on how the rows were found.
    """
    ordered = np.unique(np.asarray(rows, dtype=np.int64))
    for start in range(0, len(ordered), unit_rows):
        yield make_unit(stage_digest, runs_of(ordered[start : start + unit_rows]))


def count_units(n_rows: int, unit_rows: int) -> int:
    """How many units `n_rows` rows make."""
    return -(-n_rows // unit_rows)
