"""The plan: which rows one task works on, a pure function of the library's size and the settings.

A unit is an ordered list of library rows, kept as runs of consecutive rows, so that 512 rows of the
first stage are one pair of numbers. Its name is the digest of that list and of the stage: the same
plan made again, on any machine and in any order, names the same units. Units are made one by one,
so a plan of a billion rows needs no memory.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from screener.stores.runs import Runs, are_among, runs_of, unit_name


@dataclass(frozen=True, slots=True)
class Unit:
    """The rows of one task at one stage."""

    index: int  # its place in the plan
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


@dataclass(frozen=True, slots=True, eq=False)
class StagePlan:
    """The units of one stage, at most `unit_rows` rows each.

    Rows may be chosen batch by batch while the stage runs. Those of a batch come in ascending
    order, so that a unit reads few shards and does not depend on how its rows were found, and its
    units follow those of the batches before it, which it does not change.

    Args:
        stage_digest: names the stage and what decides its results.
        batches: of each its rows: `range(n)` for the whole library, or int64 (n,), ascending.
        unit_rows: rows per unit; the last of a batch has what is left.
        segment_units: units per segment, whose files are compacted once all of them are done.
        is_open: whether more batches may follow.
    """

    stage_digest: str
    batches: tuple[range | NDArray[np.int64], ...]
    unit_rows: int
    segment_units: int
    is_open: bool = False

    @classmethod
    def whole(
        cls, stage_digest: str, n_rows: int, unit_rows: int, segment_units: int
    ) -> "StagePlan":
        """The plan of a whole library.

        Args:
            stage_digest: names the stage and what decides its results.
            n_rows: of the library.
            unit_rows: rows per unit.
            segment_units: units per segment.
        Returns:
            a plan of one batch.
        """
        return cls(stage_digest, (range(n_rows),), unit_rows, segment_units)

    @classmethod
    def chosen(
        cls,
        stage_digest: str,
        batches: Iterable[Sequence[int] | NDArray[np.int64]],
        unit_rows: int,
        segment_units: int,
        *,
        is_open: bool = False,
    ) -> "StagePlan":
        """The plan of chosen rows.

        Args:
            stage_digest: names the stage and what decides its results.
            batches: of each its rows, in any order.
            unit_rows: rows per unit.
            segment_units: units per segment.
            is_open: whether more batches may follow.
        Returns:
            a plan with as many batches; of each the rows are ascending and unique.
        """
        ascending = tuple(np.unique(np.asarray(rows, dtype=np.int64)) for rows in batches)
        return cls(stage_digest, ascending, unit_rows, segment_units, is_open)

    @property
    def n_rows(self) -> int:
        """How many rows the stage has."""
        return sum(map(len, self.batches))

    @property
    def n_units(self) -> int:
        """How many units these make."""
        return sum(map(self._n_units, self.batches))

    def _n_units(self, rows: range | NDArray[np.int64]) -> int:
        return -(-len(rows) // self.unit_rows)

    def segment(self, number: int) -> list[Unit]:
        """The units of a segment; the last one may have fewer."""
        start = number * self.segment_units
        return [
            self.unit(index) for index in range(self.n_units)[start : start + self.segment_units]
        ]

    @property
    def n_segments(self) -> int:
        """How many segments the units make."""
        return -(-self.n_units // self.segment_units)

    def segment_of(self, index: int) -> int:
        """The number of the segment that holds the unit at this place."""
        return index // self.segment_units

    def storage_keys(self, units: Iterable[Unit]) -> Iterator[tuple[str, str]]:
        """What stores know these units by: the names of segment and unit."""
        return ((segment_name(self.segment_of(unit.index)), unit.name) for unit in units)

    def unit(self, index: int) -> Unit:
        """The unit at this place in the plan."""
        place = index  # in its batch
        for batch in self.batches:
            if place < self._n_units(batch):
                rows = batch[place * self.unit_rows : (place + 1) * self.unit_rows]
                runs = ((rows.start, rows.stop),) if isinstance(rows, range) else runs_of(rows)
                return Unit(index, unit_name(self.stage_digest, runs), runs)
            place -= self._n_units(batch)
        raise IndexError(f"unit {index} of a plan of {self.n_units}")

    def units(self, indices: Iterable[int] | None = None) -> Iterator[Unit]:
        """The units at these places, or all, one by one."""
        return map(self.unit, range(self.n_units) if indices is None else indices)

    def holding(self, rows: NDArray[np.int64]) -> Iterator[Unit]:
        """The units that hold any of these rows, each once; rows outside the plan have none."""
        before = 0
        for batch in self.batches:
            if isinstance(batch, range):
                places = rows[(rows >= 0) & (rows < len(batch))]
            else:
                places = np.searchsorted(batch, rows[are_among(rows, batch)])
            for place in np.unique(places // self.unit_rows).tolist():
                yield self.unit(before + place)
            before += self._n_units(batch)


def segment_name(number: int) -> str:
    """Sorts as the plan does, up to a hundred million segments."""
    return f"{number:08d}"
