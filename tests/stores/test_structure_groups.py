import shutil
from itertools import chain

import dask.array
import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from structure_examples import equal, random_ids, random_outcomes, random_structure, unit_files

from screener.errors import DamagedError, MoleculeError, StoreError
from screener.stores import structure_group_arrays, structure_groups
from screener.stores.files import Folder
from screener.stores.mol_ids import unit_of
from screener.stores.structure_groups import ROOT
from screener.stores.structures import StructureStore

FAILURE = MoleculeError("timed_out", "60 s")


def filled(url, unit_outcomes, seed=0):
    """A store with these units as files; returns it and what they hold by name."""
    store = StructureStore(Folder(str(url)))
    rng = np.random.default_rng(seed)
    units = {}
    for outcomes in unit_outcomes:
        ids = random_ids(rng, len(outcomes))
        store.write(unit_of(ids), ids, outcomes)
        units[unit_of(ids)] = (ids, outcomes)
    return store, units


def joined(store, units):
    """Units become a group; returns its name."""
    group = store.groups.write([(unit, store.read_arrays(unit)) for unit in units])
    store.forget(units)
    return group


def made_up(seed=0, n_units=4, n=30):
    rng = np.random.default_rng(seed)
    return [random_outcomes(rng, n) for _ in range(n_units)]


@pytest.mark.slow
@settings(max_examples=6, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 12), min_size=1, max_size=5),
    seed=st.integers(0, 2**32 - 1),
    without_any=st.booleans(),
    other_values=st.booleans(),
    in_memory=st.booleans(),
)
def test_the_same_structures_come_out_bit_for_bit(
    tmp_path_factory, sizes, seed, without_any, other_values, in_memory
):
    rng = np.random.default_rng(seed)
    outcomes = [random_outcomes(rng, size) for size in sizes]
    if without_any:
        outcomes.append([FAILURE, FAILURE])
    if other_values:
        outcomes.append([random_structure(rng, n_values=3), random_structure(rng, n_values=3)])
    url = tmp_path_factory.mktemp("store")
    store, units = filled(f"memory:/{url}" if in_memory else url, outcomes, seed)
    before = {unit: store.read_arrays(unit) for unit in units}
    joined(store, units)
    assert unit_files(store) == []
    assert {*chain.from_iterable(store.joined_unit_names())} == set(units)
    for unit, (ids, expected) in units.items():
        assert store.has(unit)
        read = store.read(unit)
        assert read.mol_ids.tolist() == ids.tolist()
        assert all(equal(*each) for each in zip(expected, read.outcomes, strict=True))
        arrays = store.read_arrays(unit).arrays
        assert arrays.keys() == before[unit].arrays.keys()
        assert all(arrays[name].tobytes() == a.tobytes() for name, a in before[unit].arrays.items())


def test_equal_units_give_equal_files(tmp_path):
    contents = []
    for name in ("a", "b"):
        store, units = filled(tmp_path / name, made_up())
        contents.append(store.groups.manifest(joined(store, units)))
    assert contents[0] == contents[1]


def test_zarr_and_dask_open_it_by_their_public_interface(tmp_path):
    store, units = filled(tmp_path, made_up(n_units=3))
    name_of_group = joined(store, units)
    root = zarr.open_group(str(tmp_path / ROOT), mode="r")
    assert list(root.group_keys()) == [name_of_group]
    group = root[name_of_group]
    of_molecule = {
        ids[i].tobytes(): outcome
        for ids, outcomes in units.values()
        for i, outcome in enumerate(outcomes)
    }
    n_rows = 0
    for name, part in group.groups():
        ids = part["mol_id"][...]
        n_rows += len(ids)
        if name == "failed":
            codes = part.attrs["codes"]
            assert [of_molecule[each.tobytes()].code for each in ids] == codes
            continue
        positions = dask.array.from_zarr(part["positions"])
        energies = dask.array.from_zarr(
            str(tmp_path / ROOT), f"{name_of_group}/{name}/value_energy_level0_ha"
        )
        assert positions.shape == (len(ids), int(name[6:9]), 3)
        assert positions.dtype == np.float32
        computed, total = positions.compute(), energies.sum().compute()
        structures = [of_molecule[each.tobytes()] for each in ids]
        for row, structure in zip(computed, structures, strict=True):
            assert row[: structure.n_atoms].tobytes() == structure.positions.tobytes()
            assert np.isnan(row[structure.n_atoms :]).all()
        assert total == pytest.approx(sum(each.values["energy_level0_ha"] for each in structures))
    assert n_rows == len(of_molecule)
    assert group["unit"].shape == (3, 16)


def files_of(folder):
    return [path for path in sorted(folder.rglob("*")) if path.is_file()]


def test_a_file_that_is_lost_cut_off_or_changed_is_noticed(tmp_path):
    n_noticed = 0
    rng = np.random.default_rng(0)
    small = [random_structure(rng, 1, 1, largest=8) for _ in range(5)]
    whole, units = filled(tmp_path / "whole", [[*small, FAILURE]])
    group = joined(whole, units)
    paths = files_of(tmp_path / "whole" / ROOT / group)
    for path in paths:
        data = path.read_bytes()
        for change in ("lost", "cut off", "changed"):
            if change == "lost":
                path.unlink()
            elif change == "cut off":
                path.write_bytes(data[: len(data) // 2])
            else:
                path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
            structure_groups._open.cache_clear()  # as another process
            structure_groups._places.cache_clear()
            lines = list(whole.groups.damaged(group))
            assert len(lines) == 1
            assert path.name in lines[0]
            for unit, (_, expected) in units.items():
                try:
                    read = whole.read(unit)
                except DamagedError as error:
                    n_noticed += error.units == (unit,)
                else:  # part of another unit's rows, or a blank in JSON
                    assert change == "changed"
                    assert all(equal(*each) for each in zip(expected, read.outcomes, strict=True))
            path.write_bytes(data)
    assert n_noticed > 5 * len(paths) / 4
    assert not list(whole.groups.damaged(group))


def test_a_unit_that_was_made_again_counts_before_its_group(tmp_path):
    store, units = filled(tmp_path, made_up(n_units=1, n=5))
    joined(store, units)
    (unit,) = units
    ids, _ = units[unit]
    again = [FAILURE] * 5
    store.write(unit, ids, again)
    assert all(equal(*each) for each in zip(again, store.read(unit).outcomes, strict=True))


def test_of_two_groups_that_have_a_unit_one_that_is_whole_is_read(tmp_path):
    store, units = filled(tmp_path, made_up(n_units=2, n=6))
    contents = [(unit, store.read_arrays(unit)) for unit in units]
    first = store.groups.write(contents)
    store.groups.write(contents[:1])
    store.forget(units)
    for path in (tmp_path / ROOT / first).rglob("c"):
        shutil.rmtree(path)
    unit, other = units
    assert all(equal(*each) for each in zip(units[unit][1], store.read(unit).outcomes, strict=True))
    with pytest.raises(DamagedError):
        store.read(other)


def test_nothing_counts_before_the_manifest(tmp_path):
    store, units = filled(tmp_path, made_up(n_units=2))
    group = joined(store, units)
    (tmp_path / "manifests" / f"{group}.json").unlink()
    structure_groups._places.cache_clear()  # as another process
    assert store.groups.names() == []
    assert store.groups.begun() == [group]
    unit = next(iter(units))
    assert not store.has(unit)
    with pytest.raises(DamagedError, match="is lost"):
        store.read(unit)


def test_a_writer_whose_group_is_removed_meanwhile_loses_no_unit(tmp_path, monkeypatch):
    """As a worker does that is still at its task after its client was killed."""
    store, units = filled(tmp_path, made_up(n_units=2, n=6))
    contents = [(unit, store.read_arrays(unit)) for unit in sorted(units)]
    inner, calls = Folder.create_bytes, []

    def removed_before(number):
        def create_bytes(self, path, data):
            if path.startswith("manifests/"):
                calls.append(path)
                if len(calls) == number:
                    store.groups.remove_unfinished()
            return inner(self, path, data)

        calls.clear()
        monkeypatch.setattr(Folder, "create_bytes", create_bytes)

    removed_before(1)  # before the writer has its group count, which has lost its files then
    with pytest.raises(StoreError, match="is lost"):
        store.groups.write(contents)
    monkeypatch.undo()
    structure_groups._places.cache_clear()
    group = store.groups.write(contents)  # and the next attempt makes it whole
    assert list(store.groups.damaged(group)) == []
    store.groups.remove_unfinished()  # it counts, and stays
    store.forget(units)
    assert all(
        equal(*pair)
        for pair in zip(units[contents[0][0]][1], store.read(contents[0][0]).outcomes, strict=True)
    )


def test_a_group_cannot_count_while_its_files_are_removed(tmp_path, monkeypatch):
    store, units = filled(tmp_path, made_up(n_units=2, n=6))
    contents = [(unit, store.read_arrays(unit)) for unit in sorted(units)]
    group = store.groups.write(contents)
    (tmp_path / "manifests" / f"{group}.json").unlink()
    inner = Folder.remove

    def remove(self, path):
        monkeypatch.setattr(Folder, "remove", inner)
        with pytest.raises(StoreError, match="removed by another"):
            store.groups.write(contents)
        raise KeyboardInterrupt  # and the process that removes them is killed

    monkeypatch.setattr(Folder, "remove", remove)
    with pytest.raises(KeyboardInterrupt):
        store.groups.remove_unfinished()
    structure_groups._places.cache_clear()
    assert not any(store.groups.holding(unit) for unit in units)
    store.groups.remove_unfinished()
    assert store.groups.names() == store.groups.begun() == []


def test_arrays_of_any_length_are_read_if_a_unit_is_not_too_large(tmp_path, monkeypatch):
    monkeypatch.setattr(structure_group_arrays, "_CHUNK_ROWS", 4)
    store, units = filled(tmp_path, made_up(n_units=20, n=6))
    monkeypatch.setattr(structure_group_arrays, "MAX_BYTES", 6 * 40 * 20)
    joined(store, units)
    assert all(len(store.read(unit).outcomes) == 6 for unit in units)
    structure_groups._open.cache_clear()
    monkeypatch.setattr(structure_group_arrays, "MAX_BYTES", 100)
    with pytest.raises(DamagedError, match="too large"):
        store.read(next(iter(units)))


def test_a_group_is_looked_for_by_the_range_of_its_units(tmp_path, monkeypatch):
    store, units = filled(tmp_path, made_up(n_units=8, n=3))
    names = sorted(units)
    for start in range(0, 8, 2):
        joined(store, names[start : start + 2])
    read = []
    inner = structure_groups._places
    monkeypatch.setattr(
        structure_groups, "_places", lambda url, group: read.append(group) or inner(url, group)
    )
    assert all(len(store.groups.holding(name)) == 1 for name in names)
    assert len(read) == 8
