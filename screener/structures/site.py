"""Structures of any number of molecules, made where a client or this process can, and kept.

Molecules are cut into units, in their order; units that the store has cost a question each, and the
others are tasks. A cluster is started only when something is missing.
"""

import logging
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from distributed import Client

from screener.errors import DamagedError, MoleculeError
from screener.execution.tasks import Task
from screener.records import Structure
from screener.stores.files import Folder
from screener.stores.home import screener_home
from screener.stores.mol_ids import unit_of
from screener.stores.structures import StructureStore
from screener.structures.index_tasks import Carry, here, on, update_index
from screener.structures.make import Prepared, make_missing, read_structures
from screener.structures.recipe import Item, Recipe, from_table, to_table
from screener.structures.recipe_store import store_of, write_about

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Site:
    """Where and by whom the work is done.

    Args:
        connect: gives a client; called once something has to be made. None: in this process.
        progress: called with what is made, how many are there, and how many there will be.
    """

    connect: Callable[[], AbstractContextManager[Client]] | None
    progress: Callable[[str, int, int], None] = lambda what, done, total: None

    @contextmanager
    def carrying(self) -> Iterator[Carry]:
        """What carries out tasks, for as long as the context."""
        if self.connect is None:
            yield here
            return
        with self.connect() as client:
            yield on(client)


@contextmanager
def inputs_of_tasks(folder: Folder) -> Iterator[str]:
    """Where the inputs of tasks are written down; gone after the context.

    It belongs to this command alone, since another may have the same batches.
    """
    path = f"input/{uuid.uuid4().hex}"
    try:
        yield path
    finally:
        folder.remove(path)


def own_root() -> Folder:
    """The folder of structures that belong to no library."""
    return Folder(str(screener_home() / "structures"))


def structures(
    items: Sequence[Item], recipe: Recipe, site: Site, root: Folder | None = None
) -> list[Structure | MoleculeError]:
    """The structures of molecules, or why there is none.

    Args:
        items: (n,) molecules, with what the recipe starts from.
        recipe: how they are made.
        site: where they are made.
        root: the folder of all structures; by default `$SCREENER_HOME/structures`.
    Returns:
        (n,), in order.
    Raises:
        DamagedError: a unit is damaged that was looked into or made a moment ago.
    """
    store = store_of(recipe, root or own_root())
    batches = _batches(items, recipe)
    made: dict[str, list[Structure | MoleculeError]] = {}
    for is_first in (True, False):
        missing = {unit: batch for unit, batch in batches.items() if unit not in made}
        has = store.has if is_first else _is_looked_into
        units_of = _carry_out(missing, store, recipe, site, has)
        for unit, batch in missing.items():
            try:
                made[unit] = read_structures(store, units_of[unit], recipe.keys(batch))
            except DamagedError as error:
                if not is_first:
                    raise
                log.warning("structures are made again: %s", error)
        if len(made) == len(batches):
            break
    size = recipe.unit_rows
    pieces = (list(items[start : start + size]) for start in range(0, len(items), size))
    return [outcome for piece in pieces for outcome in made[unit_of(recipe.keys(piece))]]


def make_structures(
    items: Sequence[Item], recipe: Recipe, site: Site, root: Folder | None = None
) -> None:
    """Have the structures of molecules made as far as they are missing.

    They are in the index afterwards, for `screener.structures.make.find_structures`. Units that are
    there are read, and made again where they are damaged.

    Args:
        items: (n,) molecules, with what the recipe starts from.
        recipe: how they are made.
        site: where they are made.
        root: the folder of all structures; by default `$SCREENER_HOME/structures`.
    """
    store = store_of(recipe, root or own_root())
    _carry_out(_batches(items, recipe), store, recipe, site, store.is_whole)
    with site.carrying() as carry:
        update_index(carry, store)


def _batches(items: Sequence[Item], recipe: Recipe) -> dict[str, list[Item]]:
    """Molecules by the names of the units that they would make, in order."""
    size = recipe.unit_rows
    pieces = (list(items[start : start + size]) for start in range(0, len(items), size))
    return {unit_of(recipe.keys(piece)): piece for piece in pieces}


def _carry_out(
    batches: dict[str, list[Item]],
    store: StructureStore,
    recipe: Recipe,
    site: Site,
    has: Callable[[str], bool],
) -> dict[str, tuple[str, ...]]:
    """Have batches done; returns the structure units that hold each.

    Args:
        batches: molecules by the name of the unit that they would make.
        store: where the structures are kept.
        recipe: how they are made.
        site: where.
        has: whether the store has a unit, so that no task needs to look into it.
    """
    write_about(recipe, store)
    units_of: dict[str, tuple[str, ...]] = {unit: (unit,) for unit in batches if has(unit)}
    missing = {unit: batch for unit, batch in batches.items() if unit not in units_of}
    n_items = sum(map(len, batches.values()))
    n_done = n_items - sum(map(len, missing.values()))
    site.progress("structures", n_done, n_items)
    if missing:
        with inputs_of_tasks(store.folder) as folder, site.carrying() as carry:
            update_index(carry, store)
            for completed in carry(_tasks(store, recipe, missing, folder)):
                _, path, _ = completed.task.arguments
                unit = path.removeprefix(f"{folder}/").removesuffix(".parquet")
                units_of[unit] = completed.result.units
                store.folder.remove(path)
                n_done += len(missing[unit])
                site.progress("structures", n_done, n_items)
    return units_of


def _is_looked_into(unit: str) -> bool:
    """No unit is taken as good before a task has looked into it."""
    return False


def _tasks(
    store: StructureStore, recipe: Recipe, batches: dict[str, list[Item]], folder: str
) -> Iterator[Task]:
    for unit, batch in batches.items():
        path = f"{folder}/{unit}.parquet"
        store.folder.write_table(path, to_table(batch))
        yield Task(f"structures-{unit[:8]}", make_batch, (store.folder.url, path, recipe))


def make_batch(url: str, path: str, recipe: Recipe) -> Prepared:
    """Make what is missing of a batch that was written down for it, on a worker.

    Args:
        url: of the store.
        path: of the table of its molecules in the store.
        recipe: how structures are made.
    Returns:
        where they lie.
    """
    store = StructureStore(Folder(url))
    return make_missing(store, recipe, from_table(store.folder.read_table(path)))
