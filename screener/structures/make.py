"""Making structures: what the store has is found, what is missing is made as a unit of its own.

Everyone who needs structures goes through here: the tasks of campaigns, training labels, outside
tables and reference molecules. A task looks first for the unit that is named by its very molecules,
which one question to the store answers; that is how work done before is found by the same campaign,
or by another with the same plan. For molecules that are elsewhere it asks the index, a few at
first: a unit that is found has many of the others too, as libraries with few differences have the
same neighbours. So the index is asked about as many molecules as there are units to read and
molecules to make, and each of these costs far more than the question.

A molecule that was given up after some time counts as missing for who gives it more. Afterwards all
is read back from the store, so that what follows sees the same float32 positions whether they were
made a moment or a year ago.
"""

import logging
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice

import numpy as np

from screener.errors import DamagedError, MoleculeError, StoreError
from screener.execution.child import isolated_map, time_limit_of
from screener.records import Structure
from screener.stores.mol_ids import MolIds, unit_of
from screener.stores.structures import StructureStore
from screener.structures.recipe import Item, Recipe, make_item, make_items

log = logging.getLogger(__name__)

TOGETHER = 64  # molecules that a chemistry process is given at once, by levels that take several
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
    Raises:
        ConfigError: a structure is missing, and other versions are installed here than those that
            the recipe names.
    """
    started = time.perf_counter()
    keys = recipe.keys(items)
    seconds = wall_clock_seconds or recipe.wall_clock_seconds
    search = _Search(store, keys, seconds)
    search.read_unit_of_missing()
    search.look_up()
    while search.read_unit_of_missing():  # an attempt that lost its worker may have come this far
        pass
    places = search.missing_places()
    units = search.units
    if places:
        recipe.require_installed()
        unit = unit_of(keys[places])
        outcomes = _made(recipe, [items[place] for place in places], seconds)
        store.write(unit, keys[places], outcomes, replace=unit in search.tried)
        units = {*units, unit}
    return Prepared(tuple(sorted(units)), len(places), time.perf_counter() - started)


def _made(recipe: Recipe, items: list[Item], seconds: float) -> list[Structure | MoleculeError]:
    """What becomes of molecules in a chemistry process, of which one costs only itself."""
    one = partial(make_item, recipe=recipe)
    if not recipe.is_together:
        return isolated_map(one, items, wall_clock_seconds=seconds)
    parts = [items[start : start + TOGETHER] for start in range(0, len(items), TOGETHER)]
    several = partial(make_items, recipe=recipe)
    outcomes: list[Structure | MoleculeError] = []
    for part, made in zip(
        parts, isolated_map(several, parts, wall_clock_seconds=seconds), strict=True
    ):
        if isinstance(made, MoleculeError):  # one of them is to blame
            outcomes += isolated_map(one, part, wall_clock_seconds=seconds)
        else:
            outcomes += made
    return outcomes


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
        units: structure units that together hold all; of a molecule in two that counts which had
            more time, and then that of the first unit by name.
        keys: uint8 (n, 16), of the molecules.
    Returns:
        (n,), in the order of `keys`.
    Raises:
        DamagedError: a unit is missing or broken; StoreError: a molecule is missing.
    """
    ids = [key.tobytes() for key in keys]
    wanted = set(ids)
    outcomes: dict[bytes, Structure | MoleculeError] = {}
    for name in sorted(units):
        unit = store.read(name, wanted)
        for key, outcome in zip(unit.mol_ids, unit.outcomes, strict=True):
            before = outcomes.setdefault(key.tobytes(), outcome)
            if _time_limit(outcome) > _time_limit(before):
                outcomes[key.tobytes()] = outcome
    if lost := sorted(wanted - outcomes.keys()):
        raise StoreError(
            f"{store.folder.url} has no structure of molecule {lost[0].hex()} (of {len(lost)})"
        )
    return [outcomes[each] for each in ids]


def _time_limit(outcome: Structure | MoleculeError) -> float:
    """The seconds after which a molecule was given up; infinite where more would change nothing."""
    seconds = time_limit_of(outcome) if isinstance(outcome, MoleculeError) else None
    return math.inf if seconds is None else seconds


def find_structures(store: StructureStore, keys: MolIds) -> list[Structure | MoleculeError | None]:
    """What became of molecules, as far as they are in the index.

    Args:
        store: of their structures.
        keys: uint8 (n, 16), of the molecules.
    Returns:
        (n,), None where a molecule is not there or its unit is damaged.
    """
    search = _Search(store, keys, 0.0)
    search.look_up()
    return [search.outcomes.get(key.tobytes()) for key in keys]


class _Search:
    """The units that hold some molecules, found and read one after the other.

    Args:
        store: that they are looked for in.
        keys: uint8 (n, 16), of the molecules.
        seconds: a molecule that was given up earlier than after these is missing.
    """

    def __init__(self, store: StructureStore, keys: MolIds, seconds: float) -> None:
        self._store = store
        self._keys = keys
        self._seconds = float(f"{seconds:g}")  # as failures state theirs
        self._missing = dict.fromkeys(key.tobytes() for key in keys)  # a set with an order
        self.outcomes: dict[bytes, Structure | MoleculeError] = {}
        self.units: set[str] = set()  # that these were read from
        self.tried: set[str] = set()  # all that were read, damaged ones among them

    def missing_places(self) -> list[int]:
        """Places of the molecules that no unit was found for."""
        return [place for place, key in enumerate(self._keys) if key.tobytes() in self._missing]

    def read_unit_of_missing(self) -> bool:
        """Read the unit that is named by the very molecules that are missing.

        Returns:
            whether there is one that was not read before.
        """
        if not self._missing:
            return False
        unit = unit_of(self._keys[self.missing_places()])
        if unit in self.tried or not self._store.has(unit):
            return False
        self._read(unit)
        return True

    def look_up(self) -> None:
        """Find the units that hold molecules which are missing, by the index."""
        waiting = iter(list(self._missing))
        n_probes = _FIRST_PROBES
        while probes := list(islice((key for key in waiting if key in self._missing), n_probes)):
            n_probes *= 2
            keys = np.frombuffer(b"".join(probes), np.uint8).reshape(-1, self._keys.shape[1])
            for probe, units in zip(probes, self._store.index.find(keys), strict=True):
                for unit in units:  # more than one where molecules share a key, or one is damaged
                    if probe in self._missing and unit not in self.tried:
                        self._read(unit)

    def _read(self, unit: str) -> None:
        self.tried.add(unit)
        try:
            content = self._store.read(unit, self._missing)
        except DamagedError as error:
            log.warning("structures are made again: %s", error)
            return
        for mol_id, outcome in zip(content.mol_ids, content.outcomes, strict=True):
            if _time_limit(outcome) >= self._seconds:
                self.units.add(unit)
                self.outcomes[mol_id.tobytes()] = outcome
                self._missing.pop(mol_id.tobytes(), None)
