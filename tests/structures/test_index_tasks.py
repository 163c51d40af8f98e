"""The index of a store is brought up to date by tasks, and few runs are left."""

import shutil

import numpy as np
import pytest
from structure_examples import ATOM, random_ids

from screener.stores.files import Folder
from screener.stores.mol_ids import unit_of
from screener.stores.structure_index import names_of
from screener.stores.structures import StructureStore, unit_path
from screener.structures import index_tasks
from screener.structures.index_tasks import here, on, update_index


def add_units(store, rng, n_units, n=5):
    added = {}
    for _ in range(n_units):
        ids = random_ids(rng, n)
        store.write(unit_of(ids), ids, [ATOM] * n)
        added[unit_of(ids)] = ids
    return added


def sizes(table):
    return dict(zip(names_of(table["name"]), table["n_rows"].tolist(), strict=True))


def all_found(store, units):
    return all(store.index.find(ids) == [(unit,)] * len(ids) for unit, ids in units.items())


@pytest.fixture
def store(tmp_path):
    return StructureStore(Folder(str(tmp_path)))


def test_every_unit_gets_into_the_index_and_is_read_once(store, client, monkeypatch):
    rng = np.random.default_rng(0)
    units = add_units(store, rng, 7)
    assert sizes(update_index(on(client), store)) == dict.fromkeys(units, 5)
    assert all_found(store, units)
    asked = []
    monkeypatch.setattr(index_tasks, "index_units", lambda url, names: asked.append(names))
    assert sizes(update_index(here, store)) == dict.fromkeys(units, 5)
    assert asked == []


def test_many_runs_become_one_in_parts(store, monkeypatch):
    monkeypatch.setattr(index_tasks, "RUN_UNITS", 2)
    monkeypatch.setattr(index_tasks, "MAX_RUNS", 3)
    monkeypatch.setattr(index_tasks, "PART_ENTRIES", 8)
    rng = np.random.default_rng(1)
    units = add_units(store, rng, 6)
    update_index(here, store)
    assert [run.bits for run in store.index.runs()] == [0, 0, 0]
    units |= add_units(store, rng, 3)
    update_index(here, store)
    (run,) = store.index.runs()
    assert run.bits == 3
    assert run.n_entries == 45
    assert max(run.lengths) < 20
    assert all_found(store, units)
    assert len(store.folder.folders("index")) == 1  # the files of the others are gone


def test_damaged_units_are_left_out_until_they_are_made_again(store):
    rng = np.random.default_rng(2)
    units = add_units(store, rng, 3)
    victim, ids = next(iter(units.items()))
    path = store.folder.local_path(unit_path(victim))
    whole = path.read_bytes()
    path.write_bytes(whole[:-30])
    known = update_index(here, store)
    assert sizes(known).keys() == units.keys() - {victim}
    assert store.index.find(ids) == [()] * 5
    path.write_bytes(whole)
    update_index(here, store)
    assert all_found(store, units)


def test_two_clients_that_merge_at_once_do_no_harm(store, monkeypatch):
    monkeypatch.setattr(index_tasks, "RUN_UNITS", 1)
    monkeypatch.setattr(index_tasks, "MAX_RUNS", 2)
    units = add_units(store, np.random.default_rng(3), 4)

    def carry(tasks):
        for task in tasks:
            if task.name.startswith("merge"):
                update_index(here, store)  # another client is faster
            yield from here([task])

    update_index(carry, store)
    assert all_found(store, units)
    assert len(store.index.runs()) == 1


def test_joined_units_get_into_an_index_that_was_lost(store, tmp_path):
    units = add_units(store, np.random.default_rng(4), 4)
    update_index(here, store)
    store.groups.write([(unit, store.read_arrays(unit)) for unit in sorted(units)])
    store.forget(units)
    (run,) = store.index.runs()
    (tmp_path / run.part_path(0)).unlink()
    update_index(here, store)
    assert all_found(store, units)
    assert not store.index.is_incomplete()
    shutil.rmtree(tmp_path / "index")
    update_index(here, store)
    assert all_found(store, units)
