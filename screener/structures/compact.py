"""`screener library compact`: the units of a store are joined into large groups.

One task makes one group of up to 262,144 molecules and locks nobody out: a group counts once its
manifest is there, and only after it was read back are the files of its units removed, so whoever
reads a unit meanwhile finds the one or the other. The same command after a kill removes what was
begun and not finished, and the files whose group is finished, and goes on with the rest; workers
that are still at the tasks of the killed command do no harm.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from screener.errors import ConfigError, DamagedError
from screener.execution.tasks import Task
from screener.stores.files import Folder
from screener.stores.lease import Lease
from screener.stores.library import MANIFEST
from screener.stores.structure_index import UnitNames, Units, names_of, unit_names_of
from screener.stores.structure_units import UnitArrays, have_same_structures
from screener.stores.structures import ABOUT, StructureStore
from screener.structures.index_tasks import Carry, update_index

log = logging.getLogger(__name__)

GROUP_ROWS = 1 << 18  # some 130 MB, which a worker holds twice while it writes them


@dataclass(frozen=True, slots=True)
class Compacted:
    """What became of a store.

    Args:
        digest: names the store.
        n_units: that were joined, this time.
        n_rows: molecules in these.
        n_groups: that they became.
        n_left: units that are files still, since they are damaged or were made meanwhile.
    """

    digest: str
    n_units: int
    n_rows: int
    n_groups: int
    n_left: int


def stores_below(url: str) -> list[StructureStore]:
    """The stores of a library, or those in a folder that libraries share.

    Args:
        url: of a library or of a folder of structures.
    Raises:
        ConfigError: there are none.
    """
    folder = Folder(url)
    if folder.is_local:  # workers have other working directories
        folder = Folder(str(folder.local_path()))
    root = folder.child("structures") if folder.exists(MANIFEST) else folder
    stores = stores_in(root)
    if not stores:
        raise ConfigError(
            f"{root.url} holds no structures; a campaign makes them, and "
            "`screener library convert` brings those of earlier versions up to date"
        )
    return stores


def stores_in(root: Folder) -> list[StructureStore]:
    """The stores in a folder of structures."""
    names = (name for name in root.folders() if root.exists(f"{name}/{ABOUT}"))
    return [StructureStore(root.child(name)) for name in names]


def compact(
    carry: Carry,
    store: StructureStore,
    progress: Callable[[int, int], None] = lambda n_done, n_all: None,
    group_rows: int = GROUP_ROWS,
) -> Compacted:
    """Join the units of a store.

    Args:
        carry: carries out tasks.
        store: of structures.
        progress: called with molecules that are joined, and that will be.
        group_rows: most molecules in a group of more than one unit.
    Returns:
        what became of it.
    Raises:
        ConfigError: another process compacts it at this moment.
        StoreError: a file cannot be read or written.
    """
    with Lease(store.folder, "compaction").held():
        known = update_index(carry, store)
        store.groups.remove_unfinished()
        files = _unit_files(store)
        if _take_apart_damaged(store, files):
            files = _unit_files(store)
        units = known[np.isin(known["name"], files)]
        groups = list(_cut(units, group_rows))
        n_all, n_rows, n_units = int(units["n_rows"].sum()), 0, 0
        progress(0, n_all)
        tasks = (
            Task(f"compact-{number}", compact_units, (store.folder.url, tuple(group)))
            for number, group in enumerate(groups)
        )
        for completed in carry(tasks):
            n_units += completed.result[0]
            n_rows += completed.result[1]
            progress(n_rows, n_all)
        return Compacted(
            digest=store.folder.url.rsplit("/", 1)[-1],
            n_units=n_units,
            n_rows=n_rows,
            n_groups=len(groups),
            n_left=sum(map(len, store.unit_names())),
        )


def _unit_files(store: StructureStore) -> UnitNames:
    """Names of the units that are files of their own."""
    return unit_names_of(list(chain.from_iterable(store.unit_names())))


def _take_apart_damaged(store: StructureStore, files: UnitNames) -> bool:
    """Remove groups that are damaged; units of theirs that can be read are files again.

    A group is looked into where a unit of it is a file as well, since whoever meets a damaged unit
    makes it again. Units that cannot be read are made again by whoever needs them.

    Returns:
        whether any was damaged.
    """
    is_any = False
    for group in store.groups.names():
        units = store.groups.units(group)
        is_file = np.isin(unit_names_of(units), files)
        if not is_file.any() or not any(store.groups.damaged(group)):
            continue
        log.warning("group %s is damaged; what is whole of it is joined anew", group)
        for unit, is_there in zip(units, is_file.tolist(), strict=True):
            if not is_there and (content := _joined_before(store, unit)) is not None:
                store.write_arrays(unit, content)
        store.groups.remove(group)
        is_any = True
    return is_any


def compact_units(url: str, units: Sequence[str]) -> tuple[int, int]:
    """Join units into a group and remove their files, on a worker.

    Args:
        url: of the store.
        units: names; damaged ones stay as they are.
    Returns:
        how many units and molecules lie in groups now.
    Raises:
        StoreError: a file cannot be read or written, or a group be read back.
    """
    store = StructureStore(Folder(url))
    contents, finished = [], []
    for unit in units:
        try:
            content = store.read_arrays(unit)
        except DamagedError as error:
            log.warning("not compacted: %s", error)
            continue
        before = _joined_before(store, unit)
        if before is None:
            contents.append((unit, content))
        elif have_same_structures(content, before):  # by an attempt that was killed, or is late
            finished.append((unit, content))
        else:
            log.info("unit %s stays a file, which counts before what a group has of it", unit)
    if contents:
        store.groups.write(contents)
    joined = [*contents, *finished]
    store.forget(unit for unit, _ in joined)
    return len(joined), sum(len(content.mol_ids) for _, content in joined)


def _joined_before(store: StructureStore, unit: str) -> UnitArrays | None:
    """What the groups have of a unit; None where they have nothing of it that is whole."""
    try:
        return store.groups.read(unit)
    except DamagedError:
        return None


def _cut(units: Units, group_rows: int) -> Iterator[list[str]]:
    """Names of units in groups of about so many molecules."""
    start, n_rows = 0, 0
    for stop, size in enumerate(units["n_rows"].tolist()):
        if stop > start and n_rows + size > group_rows:
            yield names_of(units["name"][start:stop])
            start, n_rows = stop, 0
        n_rows += size
    if len(units):
        yield names_of(units["name"][start:])
