"""Structures on a real object store: written, found by the index, compacted and read."""

import dask.array
import numpy as np
import pytest
import zarr
from structure_examples import equal, random_ids, random_outcomes, unit_files

from screener.stores import structure_groups
from screener.stores.files import Folder
from screener.stores.mol_ids import unit_of
from screener.stores.structure_groups import ROOT
from screener.stores.structure_index import names_of
from screener.stores.structures import StructureStore
from screener.structures.compact import compact, stores_below
from screener.structures.index_tasks import here, update_index

pytestmark = pytest.mark.slow


def test_units_are_found_compacted_and_read(bucket):
    root = Folder(f"{bucket}/structures")
    store = StructureStore(root.child("settings"))
    store.folder.write_json("about.json", {})
    assert root.folders() == ["settings"]
    rng = np.random.default_rng(0)
    units = {}
    for _ in range(4):
        ids, outcomes = random_ids(rng, 5), random_outcomes(rng, 5)
        store.write(unit_of(ids), ids, outcomes)
        units[unit_of(ids)] = (ids, outcomes)
    assert set(unit_files(store)) == units.keys()
    table = update_index(here, store)
    assert (names_of(table["name"]), set(table["n_rows"])) == (sorted(units), {5})
    for unit, (ids, _) in units.items():
        assert store.index.find(ids) == [(unit,)] * 5
    (found,) = stores_below(root.url)
    done = compact(here, found, group_rows=10)
    assert (done.n_groups, done.n_left) == (2, 0)
    structure_groups._places.cache_clear()
    for unit, (ids, outcomes) in units.items():
        read = store.read(unit)
        assert read.mol_ids.tolist() == ids.tolist()
        assert all(equal(*each) for each in zip(outcomes, read.outcomes, strict=True))
    group = zarr.open_group(f"{store.folder.url}/{ROOT}", mode="r")
    names = [f"{name}/{part}" for name, each in group.groups() for part in each.group_keys()]
    sizes = [dask.array.from_zarr(group[f"{name}/mol_id"]).shape[0] for name in names]
    assert sum(sizes) == 20
    (unfinished, *_) = store.groups.names()
    store.folder.remove(f"manifests/{unfinished}.json")
    store.groups.remove_unfinished()  # as after a kill
    assert store.groups.begun() == store.groups.names()
