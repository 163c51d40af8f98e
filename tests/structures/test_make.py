"""Structures are made once, found again wherever they lie, and made again where damaged."""

import numpy as np
import pytest
from structure_examples import ATOM, unit_files

from screener.chemistry.identity import mol_id
from screener.chemistry.structures import StructureSettings
from screener.errors import ConfigError, DamagedError, MoleculeError, StoreError
from screener.records import Structure
from screener.stores.files import Folder
from screener.stores.mol_ids import mol_ids_of, unit_of
from screener.stores.structures import unit_path
from screener.structures import make
from screener.structures.index_tasks import here, update_index
from screener.structures.make import are_made, find_structures, make_missing, read_structures
from screener.structures.recipe import Item, Recipe, installed
from screener.structures.recipe_store import store_of

RECIPE = Recipe.from_drawing(StructureSettings())
SMILES = ["O=C1OCCO1", "COC(=O)OC", "CC#N", "COCCOC", "C1CCOC1", "CO", "COC", "CCO", "CC=O", "C=O"]
IMPOSSIBLE = "CC1([C@H]2CC[C@]1(C(=O)C2)C)C"  # camphor with its bridge inside out


def items_of(smiles):
    return [Item(mol_id(text), text) for text in smiles]


def keys_of(smiles):
    return mol_ids_of([mol_id(text) for text in smiles])


@pytest.fixture
def store(tmp_path):
    return store_of(RECIPE, Folder(str(tmp_path)))


@pytest.fixture
def made(monkeypatch):
    """SMILES of all molecules of which a structure was made."""
    asked = []
    inner = make.isolated_map

    def isolated_map(function, items, **limits):
        asked.extend(item.smiles for item in items)
        return inner(function, items, **limits)

    monkeypatch.setattr(make, "isolated_map", isolated_map)
    return asked


def have(store, smiles):
    return make_missing(store, RECIPE, items_of(smiles))


def test_only_what_is_missing_is_made(store, made):
    first = have(store, SMILES[:3])
    again = have(store, SMILES[:3])
    update_index(here, store)
    more = have(store, SMILES[1:5])
    assert (first.n_made, again.n_made, more.n_made) == (3, 0, 2)
    assert made == SMILES[:5]
    assert again.units == first.units
    assert len(unit_files(store)) == 2
    found = read_structures(store, more.units, keys_of(SMILES[4:0:-3]))
    assert [structure.n_atoms for structure in found] == [13, 12]


def test_a_set_with_one_molecule_more_makes_one_molecule(store, made):
    """Wherever it is put, so that all units after it hold others."""
    before = [SMILES[start : start + 3] for start in range(0, 9, 3)]
    for unit in before:
        have(store, unit)
    update_index(here, store)
    made.clear()
    for place in range(3):
        new = "C" * (place + 2)
        longer = [*SMILES[: 4 * place], new, *SMILES[4 * place : 9]]
        prepared = [have(store, longer[start : start + 3]) for start in range(0, 10, 3)]
        assert made == [new]
        assert sum(each.n_made for each in prepared) == 1
        update_index(here, store)
        made.clear()


def test_an_attempt_that_came_this_far_is_not_repeated(store, made):
    have(store, SMILES[:2])
    update_index(here, store)
    first = have(store, SMILES[:4])
    path = unit_path(unit_of(keys_of(SMILES[2:4])))
    before = store.folder.read_bytes(path)
    made.clear()
    again = have(store, SMILES[:4])  # its own unit is not in the index, as after a lost worker
    assert again.units == first.units
    assert made == []
    assert store.folder.read_bytes(path) == before


def test_the_index_is_asked_about_as_many_molecules_as_units_are_read(store, monkeypatch):
    smiles = ["C" * n for n in range(1, 41)]
    ids = keys_of(smiles)
    atom = Structure(np.array([6], np.uint8), np.zeros((1, 3), np.float32))
    for start in (0, 20):
        some = ids[start : start + 20]
        store.write(unit_of(some), some, [atom] * 20)
    update_index(here, store)
    asked = []
    inner = type(store.index).find
    monkeypatch.setattr(
        type(store.index),
        "find",
        lambda self, mol_ids: asked.append(len(mol_ids)) or inner(self, mol_ids),
    )
    assert have(store, smiles[10:30]).n_made == 0
    assert sum(asked) <= 20
    assert asked[0] == 8
    asked.clear()
    assert have(store, smiles[2:18]).n_made == 0  # all in one unit: one question
    assert asked == [8]


def test_a_failure_comes_back_with_its_reason(store):
    prepared = have(store, ["CC#N", IMPOSSIBLE])
    structure, error = read_structures(store, prepared.units, keys_of(["CC#N", IMPOSSIBLE]))
    assert isinstance(structure, Structure)
    assert isinstance(error, MoleculeError)
    assert error.code
    assert error.message


def test_a_missing_molecule_is_an_error(store):
    prepared = have(store, SMILES[:1])
    with pytest.raises(StoreError, match=f"no structure of molecule {mol_id('CO')}"):
        read_structures(store, prepared.units, keys_of([SMILES[0], "CO"]))


def test_what_is_damaged_is_made_again(store, made, tmp_path):
    first = have(store, SMILES[:3])
    path = store.folder.local_path(unit_path(*first.units))
    whole = path.read_bytes()
    path.write_bytes(whole[:-100])
    with pytest.raises(DamagedError):
        read_structures(store, first.units, keys_of(SMILES[:3]))
    made.clear()
    assert have(store, SMILES[:3]).units == first.units
    assert made == SMILES[:3]
    assert path.read_bytes() == whole


def test_what_is_damaged_in_another_unit_is_made_again(store, made):
    first = have(store, SMILES[:3])
    update_index(here, store)
    path = store.folder.local_path(unit_path(*first.units))
    path.write_bytes(path.read_bytes()[:-100])
    made.clear()
    prepared = have(store, SMILES[1:5])
    assert made == SMILES[1:5]
    assert first.units[0] not in prepared.units
    update_index(here, store)
    made.clear()
    assert have(store, SMILES[1:4]).n_made == 0  # in the new unit, though the old one is damaged


def test_which_molecules_are_there_is_told_by_the_index(store):
    have(store, SMILES[:2])
    update_index(here, store)
    assert are_made(store, keys_of(SMILES[:3])) == [True, True, False]
    found = find_structures(store, keys_of(SMILES[2::-1]))
    assert found[0] is None
    assert [each.n_atoms for each in found[1:]] == [12, 10]


def test_more_time_is_another_chance(store, monkeypatch):
    slow = SMILES[1]

    def isolated_map(function, items, *, wall_clock_seconds):
        return [
            MoleculeError("timed_out", f"not finished after {wall_clock_seconds:g} s")
            if item.smiles == slow and wall_clock_seconds < 100
            else function(item)
            for item in items
        ]

    def outcomes(smiles, seconds):
        prepared = make_missing(store, RECIPE, items_of(smiles), seconds)
        return prepared.n_made, read_structures(store, prepared.units, keys_of(smiles))

    monkeypatch.setattr(make, "isolated_map", isolated_map)
    for smiles in ([slow], SMILES[:3]):  # of a unit of its own the file is replaced
        n_made, given_up = outcomes(smiles, 1 / 3)
        assert n_made == len(smiles)
        assert given_up[smiles.index(slow)].code == "timed_out"
        assert outcomes(smiles, 1 / 3)[0] == outcomes(smiles, 0.1)[0] == 0
        n_made, done = outcomes(smiles, 200.0)
        assert n_made == 1
        assert isinstance(done[smiles.index(slow)], Structure)
        assert outcomes(smiles, 300.0)[0] == 0
        store.folder.clear()


def test_a_search_keeps_only_what_it_was_asked_for(store):
    ids = keys_of(["C" * n for n in range(1, 31)])
    store.write(unit_of(ids), ids, [ATOM] * 30)
    update_index(here, store)
    search = make._Search(store, ids[3:5], 1.0)
    search.look_up()
    assert len(search.outcomes) == 2


def test_structures_of_another_procedure_are_read_and_not_made(tmp_path):
    before = {"gfn2-opt": {"procedure": 1}}
    recipe = Recipe.from_drawing(StructureSettings.at("gfn2-opt", settings=before))
    assert recipe.digest != Recipe.from_drawing(StructureSettings.at("gfn2-opt")).digest
    store = store_of(recipe, Folder(str(tmp_path)))
    with pytest.raises(ConfigError, match="procedure 1 of level gfn2-opt, and another"):
        make_missing(store, recipe, items_of(SMILES[:1]))
    ids = keys_of(SMILES[:1])
    store.write(unit_of(ids), ids, [ATOM])
    assert make_missing(store, recipe, items_of(SMILES[:1])).n_made == 0


def test_structures_of_other_versions_are_not_made(tmp_path):
    versions = {**installed(), "rdkit": "2019.03.1"}
    recipe = Recipe.from_drawing(StructureSettings(), versions)
    other = store_of(recipe, Folder(str(tmp_path)))
    with pytest.raises(ConfigError, match="made with rdkit 2019"):
        make_missing(other, recipe, items_of(SMILES[:1]))
    ids = keys_of(SMILES[:1])
    other.write(unit_of(ids), ids, [ATOM])
    assert make_missing(other, recipe, items_of(SMILES[:1])).n_made == 0  # reading does no harm
