"""Bringing the index of a store up to date, before somebody looks molecules up in it.

New units become runs of the index, and many runs are merged into one, part by part; both are tasks
on the workers. The client lists the names of units that are files, folder by folder, and reads
nothing of their content; it keeps 20 bytes of each that the index has and 16 of each that is new.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain
from typing import TypeVar

import numpy as np
from distributed import Client

from screener.errors import DamagedError, SchemaError, StoreError
from screener.execution.tasks import Completed, Task, run_tasks
from screener.stores.files import Folder, digest
from screener.stores.structure_index import (
    BUCKET_ENTRIES,
    PART_ENTRIES,
    Run,
    UnitNames,
    Units,
    bits_for,
    names_of,
    unit_names_of,
)
from screener.stores.structures import StructureStore

log = logging.getLogger(__name__)

RUN_UNITS = 2048  # that one task reads
MAX_RUNS = 8  # a look-up asks each

T = TypeVar("T")
Carry = Callable[[Iterable[Task]], Iterator[Completed]]


def on(client: Client) -> Carry:
    """Tasks carried out by a cluster."""
    return partial(run_tasks, client)


def here(tasks: Iterable[Task]) -> Iterator[Completed]:
    """Tasks carried out in this process, one after the other."""
    for task in tasks:
        yield Completed(task, task.function(*task.arguments))


def update_index(carry: Carry, store: StructureStore) -> Units:
    """Have the index know every unit that is there.

    Several clients may do so at once: they write the same runs, or merge the same ones.

    Args:
        carry: carries out tasks.
        store: of structures.
    Returns:
        all units that are in the index, with how many molecules each has, by name.
    """
    index = store.index
    index.repair()
    is_incomplete = index.is_incomplete()
    known = _tried_again(index.units)
    names = store.unit_names()
    if is_incomplete:  # units are in the index before they are joined, so else it knows these
        names = chain(names, store.joined_unit_names())
    new = _unknown(names, known["name"])
    tasks = (
        Task(
            f"index-{start}",
            index_units,
            (store.folder.url, tuple(names_of(new[start : start + RUN_UNITS]))),
        )
        for start in range(0, len(new), RUN_UNITS)
    )
    for _ in carry(tasks):
        pass
    if is_incomplete:
        index.set_complete()
    runs = _tried_again(index.runs)
    if len(runs) > MAX_RUNS:
        try:
            _merge(carry, store, runs)
        except StoreError as error:  # another client has merged them, and theirs are as good
            if all(store.folder.exists(f"index/{run.name}.json") for run in runs):
                raise
            log.info("the index was merged by somebody else: %s", error)
    return _tried_again(index.units) if len(new) else known


def _unknown(names: Iterable[list[str]], known: UnitNames) -> UnitNames:
    """Names that are not among those that are known, ascending.

    Args:
        names: folder by folder.
        known: ascending.
    """
    pieces = [known[:0]]
    for some in names:
        array = unit_names_of(some)
        pieces.append(array[~np.isin(array, known)])
    return np.unique(np.concatenate(pieces))


def index_units(url: str, units: Sequence[str]) -> None:
    """Make a run of the index from units, on a worker; damaged ones are left out."""
    store = StructureStore(Folder(url))
    read = []
    for unit in units:
        try:
            read.append((unit, store.read_arrays(unit).mol_ids))
        except (DamagedError, SchemaError) as error:
            log.warning("not in the index: %s", error)
    if read:
        store.index.add(read)


def merge_part(url: str, runs: Sequence[Run], whole: Run, part: int) -> int:
    """Write a part of a run that others are merged into, on a worker.

    Args:
        url: of the store.
        runs: that are merged.
        whole: what they become; its lengths are not known yet.
        part: which of its parts.
    Returns:
        the length of the part.
    """
    index = StructureStore(Folder(url)).index
    entries = index.merged_part(runs, whole.bits, part)
    index.write_part(whole, part, entries)
    return len(entries)


def _merge(carry: Carry, store: StructureStore, runs: Sequence[Run]) -> None:
    n_entries = sum(run.n_entries for run in runs)
    bits = bits_for(n_entries, PART_ENTRIES)
    bucket_bits = bits_for(n_entries >> bits, BUCKET_ENTRIES)
    n_units = sum(run.n_units for run in runs)
    whole = Run(digest({"runs": [run.name for run in runs]}), bits, bucket_bits, (), n_units)
    tasks = (
        Task(f"merge-{part}", merge_part, (store.folder.url, tuple(runs), whole, part))
        for part in range(1 << bits)
    )
    lengths = {each.task.arguments[-1]: each.result for each in carry(tasks)}
    units = np.concatenate([store.index.read_units(run) for run in runs])
    in_order = tuple(lengths[part] for part in range(1 << bits))
    store.index.publish(replace(whole, lengths=in_order), units)
    for run in runs:
        store.index.remove(run)


def _tried_again(read: Callable[[], T]) -> T:
    """What is read of the index, also where another client merges runs at this moment."""
    try:
        return read()
    except StoreError:
        return read()
