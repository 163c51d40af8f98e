"""Structures of a unit's rows: those that are there already, and those that have to be made.

The driver reads the receipts of the library's structures once and tells each task which structure
units touch its rows; the task makes what is missing as a structure unit of its own. Then everything
is read back from the store, so that what follows sees the same float32 positions whether they were
made a moment or a year ago.
"""

import logging
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from screener.chemistry.structures import StructureSettings, make_structure
from screener.errors import DamagedError, MoleculeError, StoreError
from screener.execution.child import isolated_map
from screener.records import Receipt, Structure
from screener.stores.runs import Runs, runs_of, unit_name
from screener.stores.structures import StructureStore

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class StructureHints:
    """Which structure units touch which rows: runs of rows, not rows, so it stays small."""

    units: NDArray[np.bytes_]  # (n_units,), names; millions of them as text would need a gigabyte
    start: NDArray[np.int64]  # (n_runs,), ascending
    stop: NDArray[np.int64]  # (n_runs,)
    reach: NDArray[np.int64]  # (n_runs,), the largest `stop` up to here
    unit_of: NDArray[np.int64]  # (n_runs,), index into `units`

    @classmethod
    def of(cls, receipts: Iterable[Receipt]) -> "StructureHints":
        """The hints that the receipts of a structure store give."""
        units: list[bytes] = []
        runs: list[NDArray[np.int64]] = []
        for receipt in receipts:
            ranges = np.array(receipt.details["ranges"], dtype=np.int64).reshape(-1, 2)
            runs.append(np.column_stack([ranges, np.full(len(ranges), len(units))]))
            units.append(receipt.unit.encode())
        table = np.concatenate([*runs, np.empty((0, 3), dtype=np.int64)])
        table = table[np.argsort(table[:, 0], kind="stable")]
        reach = np.maximum.accumulate(table[:, 1]) if len(table) else table[:, 1]
        return cls(np.array(units, dtype=np.bytes_), table[:, 0], table[:, 1], reach, table[:, 2])

    def touching(self, runs: Runs) -> tuple[str, ...]:
        """Names of the structure units that hold any row of `runs`, sorted."""
        found: set[str] = set()
        for start, stop in runs:
            first = int(np.searchsorted(self.reach, start, side="right"))
            last = int(np.searchsorted(self.start, stop, side="left"))
            overlapping = self.stop[first:last] > start
            found.update(
                self.units[index].decode() for index in self.unit_of[first:last][overlapping]
            )
        return tuple(sorted(found))


@dataclass(frozen=True, slots=True)
class Prepared:
    """Where the structures of a unit's rows lie."""

    units: tuple[str, ...]  # structure units that together hold all rows
    n_made: int  # rows that had to be made
    seconds: float


def make_missing(
    store: StructureStore,
    structures_digest: str,
    geometry: StructureSettings,
    rows: NDArray[np.int64],
    mol_ids: Sequence[str],
    smiles: Sequence[str],
    hints: Sequence[str],
    wall_clock_seconds: float,
) -> Prepared:
    """Make the structures that the store does not have.

    Args:
        store: the library's structures at these settings.
        structures_digest: names the store; part of the new unit's name.
        geometry: how structures are made.
        rows: int64 (n,), library rows.
        mol_ids: (n,), of the same molecules.
        smiles: (n,), canonical isomeric.
        hints: structure units that may hold some of the rows.
        wall_clock_seconds: for one molecule.
    Returns:
        where the structures of all rows lie.
    """
    started = time.perf_counter()
    there: dict[str, NDArray[np.int64]] = {}
    damaged: list[str] = []
    for name in hints:
        try:
            there[name] = store.read_unit(name).rows
        except DamagedError as error:
            log.warning("structures are made again: %s", error)
            damaged.append(name)
    missing = np.flatnonzero(~np.isin(rows, np.concatenate([*there.values(), rows[:0]]))).tolist()
    if not missing:
        return Prepared(tuple(there), 0, time.perf_counter() - started)
    unit = unit_name(structures_digest, runs_of(rows[missing]))
    # an attempt that lost its worker may have come this far
    if unit in damaged or not store.receipts.has(unit):
        outcomes = isolated_map(
            partial(structure_of, geometry=geometry),
            [(smiles[index], mol_ids[index]) for index in missing],
            wall_clock_seconds=wall_clock_seconds,
        )
        store.write_unit(
            unit,
            rows[missing],
            [mol_ids[index] for index in missing],
            outcomes,
            time.perf_counter() - started,
        )
    return Prepared((*there, unit), len(missing), time.perf_counter() - started)


def structure_of(item: tuple[str, str], geometry: StructureSettings) -> Structure:
    """The structure of one (SMILES, mol_id); the function that runs in a chemistry process."""
    return make_structure(*item, geometry)


def read_structures(
    store: StructureStore, units: Sequence[str], rows: NDArray[np.int64]
) -> list[Structure | MoleculeError]:
    """What became of each row, in the order of `rows`.

    Args:
        store: the library's structures.
        units: structure units that together hold all rows; of a row in two the first unit by name
            counts.
        rows: int64 (n,).
    Returns:
        (n,) a structure, or why there is none.
    Raises:
        DamagedError: a unit is missing or broken; StoreError: a row is missing.
    """
    wanted = set(rows.tolist())
    found: dict[int, Structure | MoleculeError] = {}
    for name in sorted(units):
        unit = store.read_unit(name)
        for row, structure in zip(unit.rows.tolist(), unit.structures, strict=True):
            if row in wanted and row not in found:
                found[row] = unit.errors[row] if structure is None else structure
    if lost := sorted(wanted - found.keys()):
        raise StoreError(f"{store.folder.url} has no structure of row {lost[0]} (of {len(lost)})")
    return [found[row] for row in rows.tolist()]
