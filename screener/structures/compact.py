"""`screener library compact`: the units of a store are joined into large groups.

One task makes one group of up to 262,144 molecules, checks nothing out and locks nobody out: a
group counts once its manifest is there, and only then are the files of its units removed, so
whoever reads a unit meanwhile finds the one or the other. The same command after a kill removes
what was begun and not finished, and the files whose group is finished, and goes on with the rest.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from screener.errors import ConfigError, DamagedError
from screener.execution.tasks import Task
from screener.stores.files import Folder, digest
from screener.stores.lease import Lease
from screener.stores.library import MANIFEST
from screener.stores.structure_groups import ROOT
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
    stores = [StructureStore(root.child(name)) for name in store_names(root)]
    if not stores:
        raise ConfigError(
            f"{root.url} holds no structures; a campaign makes them, and "
            "`screener library convert` brings those of earlier versions up to date"
        )
    return stores


def store_names(root: Folder) -> list[str]:
    """Names of the stores in a folder of structures."""
    return [name for name in root.folders() if root.exists(f"{name}/{ABOUT}")]


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
        sizes = update_index(carry, store)
        _finish(store)
        units = sorted(store.units().keys() & sizes.keys())
        groups = list(_cut(units, sizes, group_rows))
        n_all, n_rows, n_units = sum(sizes[unit] for unit in units), 0, 0
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
            n_left=len(store.units()),
        )


def compact_units(url: str, units: Sequence[str]) -> tuple[int, int]:
    """Join units into a group and remove their files, on a worker.

    Args:
        url: of the store.
        units: names; damaged ones stay as they are.
    Returns:
        how many units and molecules the group has.
    """
    store = StructureStore(Folder(url))
    name = digest({"units": list(units)})
    # an attempt that lost its worker may have made it
    if name not in store.groups.names() or any(store.groups.damaged(name)):
        read = []
        for unit in units:
            try:
                read.append((unit, store.read_arrays(unit)))
            except DamagedError as error:
                log.warning("not compacted: %s", error)
        if not read:
            return 0, 0
        store.groups.write(name, read)
    manifest = store.groups.manifest(name)
    store.forget(store.groups.units(name))
    return manifest["n_units"], manifest["n_rows"]


def _finish(store: StructureStore) -> None:
    """Remove what a compaction that was killed left: parts of groups, and units whose group is
    there."""
    groups, files = store.groups, store.units().keys()
    complete = groups.names()
    for name in groups.begun():
        if name not in complete:
            log.info("group %s was not finished; it is made again", name)
            store.folder.remove(f"{ROOT}/{name}")
    for name in complete:
        joined = files & set(groups.units(name))
        if joined and not any(groups.damaged(name)):
            store.forget(joined)


def _cut(units: Sequence[str], sizes: dict[str, int], group_rows: int) -> Iterator[list[str]]:
    """Units in groups of about so many molecules."""
    group: list[str] = []
    n_rows = 0
    for unit in units:
        if group and n_rows + sizes[unit] > group_rows:
            yield group
            group, n_rows = [], 0
        group.append(unit)
        n_rows += sizes[unit]
    if group:
        yield group
