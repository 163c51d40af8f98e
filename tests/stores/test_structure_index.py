import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structure_examples import random_ids

from screener.errors import StoreError
from screener.stores import structure_index
from screener.stores.files import Folder
from screener.stores.structure_index import (
    ENTRY,
    MoleculeIndex,
    Run,
    keys_of,
    names_of,
    unit_names_of,
)


def named(number):
    return f"{number:032x}"


def units_of(index):
    table = index.units()
    return dict(zip(names_of(table["name"]), table["n_rows"].tolist(), strict=True))


@pytest.fixture
def index(tmp_path):
    return MoleculeIndex(Folder(str(tmp_path)))


def merged(index, bits, bucket_bits=3):
    """All runs become one."""
    runs = index.runs()
    parts = [index.merged_part(runs, bits, part) for part in range(1 << bits)]
    units = np.concatenate([index.read_units(run) for run in runs])
    lengths = tuple(map(len, parts))
    whole = Run("merged", bits, bucket_bits, lengths, len(units))
    for number, part in enumerate(parts):
        index.write_part(whole, number, part)
    index.publish(whole, units)
    for run in runs:
        index.remove(run)


@settings(max_examples=30, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 40), min_size=1, max_size=8),
    n_runs=st.integers(1, 4),
    bucket=st.sampled_from([2, 3, 7, 4096]),
    bits=st.integers(0, 4),
    bucket_bits=st.integers(0, 3),
    seed=st.integers(0, 2**32 - 1),
    few_keys=st.booleans(),
)
def test_every_molecule_is_found_and_no_other(
    tmp_path_factory, sizes, n_runs, bucket, bits, bucket_bits, seed, few_keys
):
    index = MoleculeIndex(Folder(str(tmp_path_factory.mktemp("index"))))
    rng = np.random.default_rng(seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(structure_index, "BUCKET_ENTRIES", bucket)
        units = [(named(i), random_ids(rng, size)) for i, size in enumerate(sizes)]
        if few_keys:  # crowded at one place, and some of them equal
            for _, ids in units:
                ids[:, :7] = 200
        for start in range(n_runs):
            if units[start::n_runs]:
                index.add(units[start::n_runs])
        wanted = np.concatenate([ids for _, ids in units])
        holders: dict[int, set[str]] = {}
        for name, ids in units:
            for key in keys_of(ids).tolist():
                holders.setdefault(key, set()).add(name)
        expected = [tuple(sorted(holders[key])) for key in keys_of(wanted).tolist()]
        assert index.find(wanted) == expected
        others = random_ids(rng, 5)
        assert index.find(others) == [()] * 5
        assert units_of(index) == {name: len(ids) for name, ids in units}
        merged(index, bits, bucket_bits)
        assert len(index.runs()) == 1
        assert index.find(wanted) == expected
        assert index.find(others) == [()] * 5
        assert units_of(index) == {name: len(ids) for name, ids in units}


def test_keys_sort_as_identities_do():
    ids = random_ids(np.random.default_rng(0), 50)
    order = sorted(range(50), key=lambda i: ids[i].tobytes())
    assert np.argsort(keys_of(ids)).tolist() == order


def test_a_look_up_reads_little_of_a_long_run(index, monkeypatch):
    rng = np.random.default_rng(3)
    ids = random_ids(rng, 200_000)
    index.add([(named(1), ids)])
    read = []
    inner = Folder.read_ranges
    monkeypatch.setattr(
        Folder, "read_ranges", lambda self, ranges: read.extend(ranges) or inner(self, ranges)
    )
    assert index.find(ids[:8]) == [(named(1),)] * 8
    assert len(read) == 8
    assert sum(stop - start for _, start, stop in read) <= 8 * 2 * 256 * ENTRY.itemsize


def test_an_empty_index_has_nothing(index):
    assert index.find(random_ids(np.random.default_rng(0), 3)) == [(), (), ()]
    assert units_of(index) == {}
    index.repair()


@pytest.mark.parametrize("lost", ["entries-00000.bin", "units.bin"])
@pytest.mark.parametrize("n_left", [None, 0, 17])
def test_runs_that_lost_a_part_are_taken_out(index, tmp_path, lost, n_left):
    rng = np.random.default_rng(0)
    index.add([(named(1), random_ids(rng, 9))])
    index.add([(named(2), random_ids(rng, 9))])
    (broken, _) = sorted(path for path in (tmp_path / "index").iterdir() if path.is_dir())
    path = broken / lost
    if n_left is None:
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:n_left])
    index.repair()
    assert len(index.runs()) == 1
    assert len(index.units()) == 1
    assert not broken.exists()


def test_a_run_whose_description_is_broken_is_taken_out(index, tmp_path):
    index.add([(named(1), random_ids(np.random.default_rng(0), 9))])
    (path,) = (tmp_path / "index").glob("*.json")
    path.write_text('{"bits": 3, "bucket_bits": 0, "lengths": [9], "n_units": 1}')
    with pytest.raises(StoreError, match="is broken"):
        index.runs()
    index.repair()
    assert index.runs() == []


def test_a_run_that_was_merged_while_it_was_looked_at_is_found_in_the_other(index, monkeypatch):
    rng = np.random.default_rng(0)
    ids = random_ids(rng, 20)
    index.add([(named(1), ids[:10])])
    index.add([(named(2), ids[10:])])
    inner, calls = MoleculeIndex.runs, []

    def runs(self):
        found = inner(self)
        if not calls:
            calls.append(1)
            merged(self, 1)  # between listing and reading
        return found

    monkeypatch.setattr(MoleculeIndex, "runs", runs)
    assert index.find(ids) == [(named(1),)] * 10 + [(named(2),)] * 10


def test_names_of_units_may_end_in_zeros(index):
    names = ["00" * 16, "ab" * 8 + "00" * 8, "ff" * 16]
    assert names_of(unit_names_of([*names, "not-a-unit"])) == names
    rng = np.random.default_rng(0)
    units = [(name, random_ids(rng, 3)) for name in names]
    index.add(units)
    assert sorted(units_of(index)) == names
    assert all(index.find(ids) == [(name,)] * 3 for name, ids in units)


def test_a_run_that_is_lost_while_others_read_costs_its_molecules_alone(index, tmp_path):
    rng = np.random.default_rng(0)
    ids = random_ids(rng, 20)
    index.add([(named(1), ids[:10])])
    index.add([(named(2), ids[10:])])
    assert not index.is_incomplete()
    (run, _) = index.runs()
    for path in (tmp_path / "index" / run.name).iterdir():
        path.unlink()
    held = index.find(ids)
    assert sorted(set(held)) in ([(), (named(1),)], [(), (named(2),)])
    index.repair()
    assert index.is_incomplete()


@settings(max_examples=20, deadline=None)
@given(bits=st.lists(st.integers(0, 5), min_size=3, max_size=3), seed=st.integers(0, 99))
def test_runs_of_different_parts_are_merged(tmp_path_factory, bits, seed):
    index = MoleculeIndex(Folder(str(tmp_path_factory.mktemp("index"))))
    rng = np.random.default_rng(seed)
    ids = random_ids(rng, 60)
    names = iter(map(named, range(3)))
    for number, each in enumerate(bits):
        start = 20 * number
        index.add([(next(names), ids[start : start + 20])])
        runs = index.runs()
        parts = [index.merged_part(runs, each, part) for part in range(1 << each)]
        units = np.concatenate([index.read_units(run) for run in runs])
        whole = Run(f"merged-{number}", each, 2, tuple(map(len, parts)), len(units))
        for place, part in enumerate(parts):
            index.write_part(whole, place, part)
        index.publish(whole, units)
        for run in runs:
            index.remove(run)
        stop = start + 20
        assert index.find(ids[:stop]) == [(named(i // 20),) for i in range(stop)]
        assert index.find(ids[stop:]) == [()] * (60 - stop)
