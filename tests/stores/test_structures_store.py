import io
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structure_examples import ATOM, equal, random_ids, structures, unit_files

from screener.errors import DamagedError, MoleculeError, SchemaError
from screener.records import Structure
from screener.stores.files import Folder
from screener.stores.mol_ids import mol_ids_of, unit_of
from screener.stores.structures import StructureStore, unit_path

UNIT = "ab" * 16


def write(store, outcomes, unit=UNIT):
    ids = random_ids(np.random.default_rng(0), len(outcomes))
    store.write(unit, ids, outcomes)
    return ids


@settings(max_examples=25)
@given(data=st.data(), n_values=st.integers(0, 3), n_atom_values=st.integers(0, 2))
def test_what_is_written_is_read_exactly(tmp_path_factory, data, n_values, n_atom_values):
    failure = MoleculeError("embedding_failed", "no conformer")
    outcomes = data.draw(
        st.lists(
            st.one_of(structures(n_values, n_atom_values), st.just(failure)), min_size=1, max_size=6
        )
    )
    store = StructureStore(Folder(str(tmp_path_factory.mktemp("store"))))
    assert not store.has(UNIT)
    ids = write(store, outcomes)
    assert store.has(UNIT)
    unit = store.read(UNIT)
    assert unit.mol_ids.tolist() == ids.tolist()
    assert all(equal(*each) for each in zip(outcomes, unit.outcomes, strict=True))
    assert unit_files(store) == [UNIT]


def test_equal_content_gives_equal_bytes(tmp_path):
    contents = []
    for name in ("a", "b"):
        store = StructureStore(Folder(str(tmp_path / name)))
        write(store, [ATOM, MoleculeError("timed_out", "60 s")])
        contents.append(store.folder.read_bytes(unit_path(UNIT)))
    assert contents[0] == contents[1]


def test_a_unit_is_named_by_its_molecules_in_their_order():
    ids = random_ids(np.random.default_rng(1), 3)
    assert unit_of(ids) == unit_of(ids.copy())
    assert len({unit_of(ids), unit_of(ids[::-1]), unit_of(ids[:2])}) == 3
    assert mol_ids_of([each.tobytes().hex() for each in ids]).tolist() == ids.tolist()
    with pytest.raises(ValueError, match="32 hexadecimal digits"):
        mol_ids_of(["abcd"])


def test_the_first_attempt_at_a_unit_counts_unless_it_is_damaged(tmp_path):
    store = StructureStore(Folder(str(tmp_path)))
    ids = write(store, [ATOM])
    late = Structure(np.array([1], np.uint8), np.ones((1, 3), np.float32))
    store.write(UNIT, ids, [late])
    assert equal(store.read(UNIT).outcomes[0], ATOM)
    store.write(UNIT, ids, [late], replace=True)
    assert equal(store.read(UNIT).outcomes[0], late)


@pytest.mark.slow
def test_folders_hold_few_entries(tmp_path):
    store = StructureStore(Folder(str(tmp_path)))
    ids = random_ids(np.random.default_rng(2), 300)
    for i in range(300):
        store.write(unit_of(ids[i : i + 1]), ids[i : i + 1], [ATOM])
    assert len(unit_files(store)) == 300
    assert max(len(list(folder.iterdir())) for folder in (tmp_path / "units").iterdir()) < 10
    assert len(list((tmp_path / "units").iterdir())) <= 256


class TestBrokenFiles:
    def written(self, tmp_path):
        store = StructureStore(Folder(str(tmp_path)))
        write(store, [ATOM, MoleculeError("embedding_failed", "no conformer")])
        return store, tmp_path / unit_path(UNIT)

    def test_truncated(self, tmp_path):
        store, path = self.written(tmp_path)
        whole = path.read_bytes()
        for length in range(0, len(whole), 97):
            path.write_bytes(whole[:length])
            with pytest.raises(DamagedError, match=r"\.zip is broken"):
                store.read(UNIT)

    def test_a_flipped_bit_is_found_or_changes_nothing(self, tmp_path):
        store, path = self.written(tmp_path)
        before = store.read(UNIT)
        whole = path.read_bytes()
        n_found = 0
        for at in range(0, len(whole), 5):
            damaged = bytearray(whole)
            damaged[at] ^= 1 << (at % 8)
            path.write_bytes(bytes(damaged))
            try:
                unit = store.read(UNIT)
            except DamagedError as error:
                n_found += error.units == (UNIT,)
            else:  # a date, say
                assert unit.mol_ids.tolist() == before.mol_ids.tolist()
                assert all(map(equal, unit.outcomes, before.outcomes))
        assert n_found > len(whole) / 5 / 2

    def test_another_schema_version(self, tmp_path):
        store, path = self.written(tmp_path)
        sink = io.BytesIO()
        with zipfile.ZipFile(path) as old, zipfile.ZipFile(sink, "w") as new:
            for name in old.namelist():
                data = old.read(name)
                if name == "zarr.json":
                    data = data.replace(b'"schema_version": 2', b'"schema_version": 3')
                new.writestr(name, data)
        path.write_bytes(sink.getvalue())
        with pytest.raises(SchemaError, match="version 3"):
            store.read(UNIT)

    def test_missing(self, tmp_path):
        store, path = self.written(tmp_path)
        path.unlink()
        with pytest.raises(DamagedError, match=r"\.zip is lost"):
            store.read(UNIT)


def test_values_of_former_names_come_back_by_those_of_now(tmp_path):
    store = StructureStore(Folder(str(tmp_path)))
    numbers, positions = np.array([8, 1, 1], np.uint8), np.zeros((3, 3), np.float32)
    values = {"ip_gfn2_ev": 14.0, "homo_gfn2_ev": -12.0}
    write(store, [Structure(numbers, positions, values)])
    structure = store.read(UNIT).outcomes[0]
    assert structure.values == {"ip_uncorrected_gfn2_ev": 14.0, "homo_gfn2_ev": -12.0}
