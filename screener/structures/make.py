"""Making structures: what the store has is found, what is missing is made as a unit of its own.

Everyone who needs structures goes through here: the tasks of campaigns, training labels, outside
tables and reference molecules. A task looks first for the unit that is named by its very molecules,
which one question to the store answers; that is how work done before is found by the same campaign,
or by another with the same plan. For molecules that are elsewhere it asks the index, a few at
first: a unit that is found has many of the others too, as libraries with few differences have the
same neighbours. So the index is asked about as many molecules as there are units to read and
molecules to make, and each of these costs far more than the question.

Afterwards all is read back from the store, so that what follows sees the same float32 positions
whether they were made a moment or a year ago.
"""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice

import numpy as np

from screener.errors import DamagedError, MoleculeError, StoreError
from screener.execution.child import isolated_map
from screener.records import Structure
from screener.stores.structure_units import MolIds, unit_of
from screener.stores.structures import StructureStore
from screener.structures.recipe import Item, Recipe, make_item

log = logging.getLogger(__name__)

_FIRST_PROBES = 8  # molecules that the index is asked about at first; then ever more


@dataclass(frozen=True, slots=True)
class Prepared:
    """Where the structures of some molecules lie."""

    units: tuple[str, ...]  # structure units that together hold all
    n_made: int  # molecules that had to be made
    seconds: float


def make_missing(
    store: StructureStore,
    recipe: Recipe,
    items: list[Item],
    wall_clock_seconds: float | None = None,
) -> Prepared:
    """Make the structures that the store does not have, on a worker.

    Args:
        store: of the structures that are made by this recipe.
        recipe: how they are made.
        items: (n,) molecules, not empty.
        wall_clock_seconds: for one molecule; by default what the recipe says.
    Returns:
        where the structures lie.
    """
    started = time.perf_counter()
    keys = recipe.keys(items)
    search = _Search(store)
    whole = unit_of(keys)
    if store.has(whole) and search.read(whole):
        return Prepared((whole,), 0, time.perf_counter() - started)
    search.look_up(keys)
    ids = [key.tobytes() for key in keys]
    missing = [place for place, key in enumerate(ids) if key not in search.outcomes]
    if not missing:
        return Prepared(tuple(search.units), 0, time.perf_counter() - started)
    unit = unit_of(keys[missing])
    # an attempt that lost its worker may have come this far
    if unit in search.damaged or not (store.has(unit) and search.read(unit)):
        outcomes = isolated_map(
            partial(make_item, recipe=recipe),
            [items[place] for place in missing],
            wall_clock_seconds=wall_clock_seconds or recipe.wall_clock_seconds,
        )
        store.write(unit, keys[missing], outcomes, replace=unit in search.damaged)
    units = tuple(sorted({*search.units, unit}))
    return Prepared(units, len(missing), time.perf_counter() - started)


def are_made(store: StructureStore, keys: MolIds) -> list[bool]:
    """Whether the index of a store has molecules.

    Args:
        store: of structures.
        keys: uint8 (n, 16).
    """
    return [bool(units) for units in store.index.find(keys)]


def read_structures(
    store: StructureStore, units: Sequence[str], keys: MolIds
) -> list[Structure | MoleculeError]:
    """What became of each molecule.

    Args:
        store: of their structures.
        units: structure units that together hold all; of a molecule in two the first unit by name
            counts.
        keys: uint8 (n, 16), of the molecules.
    Returns:
        (n,), in the order of `keys`.
    Raises:
        DamagedError: a unit is missing or broken; StoreError: a molecule is missing.
    """
    ids = [key.tobytes() for key in keys]
    wanted = set(ids)
    found: dict[bytes, Structure | MoleculeError] = {}
    for name in sorted(units):
        unit = store.read(name)
        for key, outcome in zip(unit.mol_ids, unit.outcomes, strict=True):
            if (each := key.tobytes()) in wanted:
                found.setdefault(each, outcome)
    if lost := sorted(wanted - found.keys()):
        raise StoreError(
            f"{store.folder.url} has no structure of molecule {lost[0].hex()} (of {len(lost)})"
        )
    return [found[each] for each in ids]


def find_structures(store: StructureStore, keys: MolIds) -> list[Structure | MoleculeError | None]:
    """What became of molecules, as far as they are in the index.

    Args:
        store: of their structures.
        keys: uint8 (n, 16), of the molecules.
    Returns:
        (n,), None where a molecule is not there or its unit is damaged.
    """
    search = _Search(store)
    search.look_up(keys)
    return [search.outcomes.get(key.tobytes()) for key in keys]


class _Search:
    """The units that hold some molecules, found and read one after the other."""

    def __init__(self, store: StructureStore) -> None:
        self._store = store
        self.units: list[str] = []  # that were read and hold molecules that are wanted
        self.outcomes: dict[bytes, Structure | MoleculeError] = {}  # of molecules in these
        self.damaged: set[str] = set()

    def read(self, unit: str) -> dict[bytes, Structure | MoleculeError]:
        """What became of the molecules in a unit; nothing where it is damaged."""
        try:
            content = self._store.read(unit)
        except DamagedError as error:
            log.warning("structures are made again: %s", error)
            self.damaged.add(unit)
            return {}
        ids = (key.tobytes() for key in content.mol_ids)
        return dict(zip(ids, content.outcomes, strict=True))

    def look_up(self, keys: MolIds) -> None:
        """Find the units that hold molecules, by the index.

        Args:
            keys: uint8 (n, 16).
        """
        left = dict.fromkeys(key.tobytes() for key in keys)  # a set with an order
        n_probes = _FIRST_PROBES
        while left:
            probes = list(islice(left, n_probes))
            n_probes *= 2
            asked = np.frombuffer(b"".join(probes), np.uint8).reshape(-1, keys.shape[1])
            for probe, units in zip(probes, self._store.index.find(asked), strict=True):
                if probe in left:
                    self._take(probe, units, left)
                    left.pop(probe, None)

    def _take(self, probe: bytes, units: Sequence[str], left: dict[bytes, None]) -> None:
        for unit in units:
            if unit in self.damaged or unit in self.units:
                continue
            held = self.read(unit)
            if probe not in held:  # its key is that of another molecule
                continue
            self.units.append(unit)
            for each, outcome in held.items():
                self.outcomes.setdefault(each, outcome)
                left.pop(each, None)
            return
