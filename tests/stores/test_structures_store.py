import io
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from screener.errors import DamagedError, MoleculeError, SchemaError
from screener.records import Structure
from screener.stores.files import Folder
from screener.stores.structures import DONE, QUARANTINED, StructureStore, row_index

SYMBOLS = (1, 6, 7, 8, 9)


@st.composite
def structures(draw, n_values: int, n_atom_values: int):
    n = draw(st.integers(1, 12))
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    numbers = rng.choice(SYMBOLS, n).astype(np.uint8)
    positions = rng.normal(scale=4, size=(n, 3)).astype(np.float32)
    values = {f"energy_level{i}_ha": float(rng.normal()) for i in range(n_values)}
    of_atoms = {
        f"charges_level{i}": rng.normal(size=n).astype(np.float32) for i in range(n_atom_values)
    }
    charge, n_unpaired = int(rng.integers(-2, 3)), int(rng.integers(0, 3))
    return Structure(numbers, positions, values, of_atoms, charge, n_unpaired)


def equal(one: Structure, other: Structure) -> bool:
    return (
        one.atomic_numbers.tobytes() == other.atomic_numbers.tobytes()
        and one.positions.tobytes() == other.positions.tobytes()
        and one.values == other.values
        and one.atom_values.keys() == other.atom_values.keys()
        and all(
            one.atom_values[name].tobytes() == other.atom_values[name].tobytes()
            for name in one.atom_values
        )
        and (one.charge, one.n_unpaired) == (other.charge, other.n_unpaired)
    )


def write(store, unit, rows, outcomes):
    rows = np.asarray(rows, dtype=np.int64)
    return store.write_unit(unit, rows, [f"{row:032x}" for row in rows], outcomes, 1.5)


@settings(max_examples=25)
@given(data=st.data(), n_values=st.integers(0, 3), n_atom_values=st.integers(0, 2))
def test_what_is_written_is_read_exactly(tmp_path_factory, data, n_values, n_atom_values):
    failure = MoleculeError("embedding_failed", "no conformer")
    outcomes = data.draw(
        st.lists(
            st.one_of(structures(n_values, n_atom_values), st.just(failure)), min_size=1, max_size=6
        )
    )
    rows = data.draw(st.permutations(range(100, 100 + len(outcomes))))
    store = StructureStore(Folder(str(tmp_path_factory.mktemp("store"))))
    receipt = write(store, "u", rows, outcomes)
    unit = store.read_unit("u")
    assert unit.rows.tolist() == list(rows)
    for outcome, status, read in zip(outcomes, unit.status, unit.structures, strict=True):
        if isinstance(outcome, Structure):
            assert status == DONE
            assert equal(outcome, read)
        else:
            assert (status, read) == (QUARANTINED, None)
    n_failed = sum(isinstance(outcome, MoleculeError) for outcome in outcomes)
    assert receipt.counts == {
        "in": len(rows),
        "done": len(rows) - n_failed,
        "quarantined": n_failed,
    }
    index = store.locate()
    found = index.find(np.asarray(rows))
    assert index.position[found].tolist() == list(range(len(rows)))
    assert index.find(np.array([5, 99, 10_000])).tolist() == [-1, -1, -1]


ATOM = Structure(np.array([8], np.uint8), np.zeros((1, 3), np.float32))


def test_equal_content_gives_equal_bytes(tmp_path):
    contents = []
    for name in ("a", "b"):
        store = StructureStore(Folder(str(tmp_path / name)))
        write(store, "u", [3, 4], [ATOM, MoleculeError("timed_out", "60 s")])
        contents.append(store.folder.read_bytes("structures.zarr/u.zip"))
    assert contents[0] == contents[1]


def test_of_a_row_made_twice_the_same_unit_counts_for_every_reader(tmp_path):
    store = StructureStore(Folder(str(tmp_path)))
    write(store, "bb", [1, 2, 3], [ATOM] * 3)
    write(store, "aa", [3, 9], [ATOM] * 2)
    index = store.locate()
    assert index.rows.tolist() == [1, 2, 3, 9]
    assert [index.units[unit] for unit in index.unit_of] == ["bb", "bb", "aa", "aa"]
    assert index.position.tolist() == [0, 1, 0, 1]


def test_the_first_receipt_of_a_unit_wins(tmp_path):
    store = StructureStore(Folder(str(tmp_path)))
    first = write(store, "u", [1], [ATOM])
    late = store.write_unit("u", np.array([1]), ["0" * 32], [ATOM], 99.0)
    assert late == first


def test_quarantine_says_which_molecule_and_why(tmp_path):
    store = StructureStore(Folder(str(tmp_path)))
    write(store, "u", [1, 2], [ATOM, MoleculeError("scf_failed", "250 cycles")])
    (record,) = store.folder.read_table("quarantine/u.parquet").to_pylist()
    assert (record["stage"], record["code"], record["row"]) == ("structures", "scf_failed", 2)
    assert record["mol_id"] == f"{2:032x}"


def test_empty_index():
    index = row_index([])
    assert index.find(np.array([0, 1])).tolist() == [-1, -1]


class TestBrokenFiles:
    def written(self, tmp_path):
        store = StructureStore(Folder(str(tmp_path)))
        receipt = write(store, "u", [1, 2], [ATOM, ATOM])
        return store, receipt, tmp_path / "structures.zarr" / "u.zip"

    def test_truncated(self, tmp_path):
        store, _, path = self.written(tmp_path)
        whole = path.read_bytes()
        for length in range(0, len(whole), 97):
            path.write_bytes(whole[:length])
            with pytest.raises(DamagedError, match=r"u\.zip is broken"):
                store.read_unit("u")

    def test_a_flipped_bit_is_found_or_changes_nothing(self, tmp_path):
        store, receipt, path = self.written(tmp_path)
        whole = path.read_bytes()
        n_found = 0
        for at in range(0, len(whole), 5):
            damaged = bytearray(whole)
            damaged[at] ^= 1 << (at % 8)
            path.write_bytes(bytes(damaged))
            with pytest.raises(DamagedError, match="checksum"):
                store.receipts.content(receipt, "structures.zarr/u.zip")
            try:
                unit = store.read_unit("u")
            except DamagedError:
                n_found += 1
            else:  # a date, say
                assert unit.rows.tolist() == [1, 2]
                assert all(equal(structure, ATOM) for structure in unit.structures)
        assert n_found > len(whole) / 5 / 2

    def test_damage_to_why_a_molecule_was_set_aside(self, tmp_path):
        store = StructureStore(Folder(str(tmp_path)))
        write(store, "u", [1, 2], [ATOM, MoleculeError("embedding_failed", "no conformer")])
        assert store.read_unit("u").errors[2].code == "embedding_failed"
        path = tmp_path / "quarantine" / "u.parquet"
        path.write_bytes(path.read_bytes()[:-9])
        with pytest.raises(DamagedError, match=r"quarantine/u\.parquet is broken"):
            store.read_unit("u")

    def test_another_schema_version(self, tmp_path):
        store, _, path = self.written(tmp_path)
        sink = io.BytesIO()
        with zipfile.ZipFile(path) as old, zipfile.ZipFile(sink, "w") as new:
            for name in old.namelist():
                data = old.read(name)
                if name == "zarr.json":
                    data = data.replace(b'"schema_version": 1', b'"schema_version": 2')
                new.writestr(name, data)
        path.write_bytes(sink.getvalue())
        with pytest.raises(SchemaError, match="version 2"):
            store.read_unit("u")

    def test_missing(self, tmp_path):
        store, _, path = self.written(tmp_path)
        path.unlink()
        with pytest.raises(DamagedError, match=r"u\.zip is lost"):
            store.read_unit("u")


def test_joined_receipts_tell_the_same_rows(tmp_path):
    store = StructureStore(Folder(str(tmp_path)))
    for unit, rows in (("u", [1, 2]), ("v", [5, 4]), ("w", [9])):
        write(store, unit, rows, [ATOM] * len(rows))
    before = store.locate()
    store.compact(["w", "u"])
    store.compact(["u", "v"])  # by another campaign, which has seen `u` as well
    assert len(store.receipts.compacted()) == 2
    after = store.locate()
    assert after.rows.tolist() == before.rows.tolist() == [1, 2, 4, 5, 9]
    for index in (before, after):
        units = [index.units[unit] for unit in index.unit_of]
        assert units == ["u", "u", "v", "v", "w"]
        assert index.position.tolist() == [0, 1, 1, 0, 0]


def test_values_of_former_names_come_back_by_those_of_now(tmp_path):
    store = StructureStore(Folder(str(tmp_path)))
    numbers, positions = np.array([8, 1, 1], np.uint8), np.zeros((3, 3), np.float32)
    values = {"ip_gfn2_ev": 14.0, "homo_gfn2_ev": -12.0}
    write(store, "u1", [5], [Structure(numbers, positions, values)])
    structure = store.read_unit("u1").structures[0]
    assert structure.values == {"ip_uncorrected_gfn2_ev": 14.0, "homo_gfn2_ev": -12.0}
