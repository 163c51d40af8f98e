"""Units are joined into groups, whatever happens meanwhile, and stay the same structures."""

import hashlib

import numpy as np
import pytest
from structure_examples import equal, random_ids, random_outcomes, unit_files

from screener.errors import ConfigError, DamagedError
from screener.stores import structure_groups
from screener.stores.files import Folder
from screener.stores.lease import Lease
from screener.stores.mol_ids import unit_of
from screener.stores.structures import StructureStore, unit_path
from screener.structures.compact import compact, compact_units, stores_below
from screener.structures.index_tasks import here, on, update_index


def filled(folder, n_units=4, n=6, seed=0):
    store = StructureStore(Folder(str(folder)))
    rng = np.random.default_rng(seed)
    units = {}
    for _ in range(n_units):
        ids, outcomes = random_ids(rng, n), random_outcomes(rng, n)
        store.write(unit_of(ids), ids, outcomes)
        units[unit_of(ids)] = (ids, outcomes)
    return store, units


def all_there(store, units):
    for unit, (ids, outcomes) in units.items():
        read = store.read(unit)
        assert read.mol_ids.tolist() == ids.tolist()
        assert all(equal(*each) for each in zip(outcomes, read.outcomes, strict=True))
    return True


def contents(folder):
    """Digests of all files but leases, by path."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "leases" not in path.parts
    }


def test_units_become_groups_and_their_files_go(tmp_path, client):
    store, units = filled(tmp_path)
    told = []
    done = compact(on(client), store, lambda *each: told.append(each), group_rows=12)
    assert (done.n_units, done.n_rows, done.n_groups, done.n_left) == (4, 24, 2, 0)
    assert (told[0], told[-1]) == ((0, 24), (24, 24))
    assert unit_files(store) == []
    assert all_there(store, units)
    ids, _ = next(iter(units.values()))
    assert store.index.find(ids)[0] == (unit_of(ids),)
    again = compact(here, store, group_rows=12)
    assert (again.n_units, again.n_groups) == (0, 0)


def test_the_files_do_not_depend_on_who_made_them(tmp_path, client):
    first, _ = filled(tmp_path / "a")
    compact(on(client), first, group_rows=12)
    second, _ = filled(tmp_path / "b")
    compact(lambda tasks: here(list(tasks)[::-1]), second, group_rows=12)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


class Killed(BaseException):
    """Stands for the end of the process."""


@pytest.fixture
def kill_at(monkeypatch):
    """Calls that change a folder end the process from a given one on; each is told to a hook."""

    def prepare(number, hook=lambda: None):
        seen = [0]
        for name in ("write_bytes", "create_bytes", "remove"):
            inner = getattr(Folder, name)

            def changed(self, path, *rest, inner=inner):
                if "leases" not in path:
                    seen[0] += 1
                    if number is not None and seen[0] > number:
                        raise Killed
                    hook()
                return inner(self, path, *rest)

            monkeypatch.setattr(Folder, name, changed)
        return seen

    yield prepare
    monkeypatch.undo()


MOMENTS = [0.0, 0.03, 0.2, 0.45, 0.52, 0.8, 0.96, 0.98]  # parts of the work that is done


@pytest.mark.parametrize(
    "share",
    [0.94, *(pytest.param(each, marks=pytest.mark.soak) for each in (0.5, *MOMENTS))],
)
def test_a_compaction_that_was_killed_is_finished(tmp_path, kill_at, monkeypatch, share):
    whole, units = filled(tmp_path / "whole")
    seen = kill_at(None)
    compact(here, whole, group_rows=12)
    n_changes = seen[0]
    monkeypatch.undo()

    store, _ = filled(tmp_path / "killed")
    kill_at(int(share * n_changes))
    with pytest.raises(Killed):
        compact(here, store, group_rows=12)
    monkeypatch.undo()
    assert all_there(store, units)  # campaigns go on meanwhile
    _, more = filled(tmp_path / "killed", n_units=1, seed=9)  # and make others
    compact(here, store, group_rows=12)
    assert all_there(store, units | more)
    assert unit_files(store) == []
    assert set(store.groups.names()) == set(store.groups.begun())
    assert not [line for name in store.groups.names() for line in store.groups.damaged(name)]


@pytest.mark.slow
def test_readers_find_every_unit_at_any_moment(tmp_path, kill_at):
    store, units = filled(tmp_path)
    update_index(here, store)
    n_looks = [0]

    def look():
        n_looks[0] += 1
        if n_looks[0] % 10 == 0:
            structure_groups._places.cache_clear()  # as in another process
            assert all_there(store, units)

    kill_at(None, look)
    compact(here, store, group_rows=12)
    assert n_looks[0] > 60


def test_damaged_units_stay_and_are_compacted_once_they_are_made_again(tmp_path):
    store, units = filled(tmp_path)
    update_index(here, store)
    victim = sorted(units)[0]
    path = store.folder.local_path(unit_path(victim))
    path.write_bytes(path.read_bytes()[:-40])
    done = compact(here, store)
    assert (done.n_units, done.n_left) == (3, 1)
    ids, outcomes = units[victim]
    store.write(victim, ids, outcomes, replace=True)
    done = compact(here, store)
    assert (done.n_units, done.n_left) == (1, 0)
    assert all_there(store, units)


def test_what_a_damaged_group_had_is_joined_anew(tmp_path):
    store, units = filled(tmp_path)
    compact(here, store)
    (group,) = store.groups.names()
    for path in (tmp_path / structure_groups.ROOT / group).rglob("positions/c"):
        for file in path.rglob("*"):
            if file.is_file():
                file.unlink()
    structure_groups._open.cache_clear()
    for unit, (ids, outcomes) in units.items():
        store.write(unit, ids, outcomes, replace=True)
    done = compact(here, store)  # the same units, so a group of the same name
    assert (done.n_units, done.n_left) == (4, 0)
    assert not list(store.groups.damaged(group))
    structure_groups._open.cache_clear()
    assert all_there(store, units)


def test_a_damaged_group_goes_and_what_is_whole_of_it_is_joined_anew(tmp_path):
    store, units = filled(tmp_path)
    compact(here, store)
    (group,) = store.groups.names()
    longest = max((tmp_path / structure_groups.ROOT / group).rglob("positions/c/**/0"), key=_size)
    content = bytearray(longest.read_bytes())
    content[20] ^= 0xFF
    longest.write_bytes(bytes(content))
    structure_groups._open.cache_clear()
    broken = [unit for unit in units if is_damaged(store, unit)]
    assert broken
    remade = broken[0]  # by a campaign that needs it alone
    ids, outcomes = units[remade]
    store.write(remade, ids, outcomes, replace=True)
    done = compact(here, store)
    assert done.n_left == 0
    assert group not in store.groups.names()
    assert [line for each in store.groups.names() for line in store.groups.damaged(each)] == []
    whole = {unit: units[unit] for unit in units if unit not in broken} | {remade: units[remade]}
    assert done.n_units == len(whole)
    assert all_there(store, whole)
    for unit in broken[1:]:
        assert not store.has(unit)


def _size(path):
    return path.stat().st_size if path.is_file() else -1


def is_damaged(store, unit):
    try:
        store.read(unit)
    except DamagedError:
        return True
    return False


def test_one_compaction_at_a_time(tmp_path):
    store, _ = filled(tmp_path)
    other = StructureStore(Folder(str(tmp_path)))
    with Lease(other.folder, "compaction").held(), pytest.raises(ConfigError):
        compact(here, store)


def test_stores_are_found_below_a_library_and_a_shared_folder(tmp_path):
    for name in ("one", "two"):
        store, _ = filled(tmp_path / "shared" / name, n_units=1)
        store.folder.write_json("about.json", {})
    (tmp_path / "shared" / "else").mkdir()
    found = stores_below(str(tmp_path / "shared"))
    assert [store.folder.url.rsplit("/", 1)[1] for store in found] == ["one", "two"]
    (tmp_path / "library").mkdir()
    (tmp_path / "library" / "manifest.json").write_text("{}")
    with pytest.raises(ConfigError, match="holds no structures"):
        stores_below(str(tmp_path / "library"))
    (tmp_path / "shared").rename(tmp_path / "library" / "structures")
    assert len(stores_below(str(tmp_path / "library"))) == 2


def test_a_unit_that_differs_from_that_of_its_group_stays_a_file(tmp_path):
    """As where a molecule was given more time, and the file was replaced since."""
    store, units = filled(tmp_path, n_units=2)
    compact(here, store)
    unit, (ids, outcomes) = next(iter(units.items()))
    store.write(unit, ids, outcomes[::-1])
    done = compact(here, store)
    assert (done.n_units, done.n_left) == (0, 1)
    assert all_there(store, {**units, unit: (ids, outcomes[::-1])})


def test_a_late_attempt_at_a_group_does_no_harm(tmp_path):
    store, units = filled(tmp_path)
    names = sorted(units)
    assert compact_units(store.folder.url, names) == (4, 24)
    assert compact_units(store.folder.url, names) == (4, 24)
    assert len(store.groups.names()) == 1
    assert all_there(store, units)
