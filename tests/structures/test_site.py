"""Structures of any number of molecules: made once, kept, and made again where they are damaged."""

from contextlib import nullcontext

import pytest
from structure_examples import unit_files

from screener.chemistry.identity import mol_id
from screener.chemistry.structures import StructureSettings
from screener.stores.files import Folder
from screener.structures import site as making
from screener.structures.make import find_structures
from screener.structures.recipe import Item, Recipe
from screener.structures.recipe_store import store_of
from screener.structures.site import Site, structures

RECIPE = Recipe.from_drawing(StructureSettings())
SMILES = ["CO", "COC", "CCO", "CC=O", "C=O"]
ITEMS = [Item(mol_id(text), text) for text in SMILES]


@pytest.fixture
def two_each(monkeypatch):
    monkeypatch.setattr(Recipe, "unit_rows", property(lambda self: 2))


def told_by(connect=None):
    told = []
    return Site(connect, lambda what, done, total: told.append(done)), told


@pytest.mark.usefixtures("two_each")
def test_structures_are_made_once_wherever_they_are_asked_for(tmp_path, client):
    root = Folder(str(tmp_path))
    site, told = told_by(lambda: nullcontext(client))
    first = structures(ITEMS, RECIPE, site, root)
    assert [each.n_atoms for each in first] == [6, 9, 9, 7, 4]
    assert (told[0], told[-1], len(told)) == (0, 5, 4)
    store = store_of(RECIPE, root)
    assert len(unit_files(store)) == 3
    assert store.folder.names("input") == []

    def never():
        raise AssertionError("nothing is missing")

    site, told = told_by(never)
    again = structures(ITEMS, RECIPE, site, root)
    assert told == [5]
    assert [each.positions.tobytes() for each in again] == [
        each.positions.tobytes() for each in first
    ]
    site, told = told_by()
    others = structures(ITEMS[::-1], RECIPE, site, root)  # other units, the same molecules
    assert len(unit_files(store)) == 3
    assert [each.positions.tobytes() for each in others[::-1]] == [
        each.positions.tobytes() for each in first
    ]


@pytest.mark.usefixtures("two_each")
@pytest.mark.parametrize(("n_items", "number"), [(5, 1), (2, 0)])
def test_what_is_damaged_is_made_again(tmp_path, n_items, number):
    root = Folder(str(tmp_path))
    first = structures(ITEMS[:n_items], RECIPE, Site(None), root)
    victim = sorted(tmp_path.rglob("*.zip"))[number]
    whole = victim.read_bytes()
    victim.write_bytes(whole[:-50])
    again = structures(ITEMS[:n_items], RECIPE, Site(None), root)
    assert victim.read_bytes() == whole
    assert [each.positions.tobytes() for each in again] == [
        each.positions.tobytes() for each in first
    ]


def test_structures_that_are_had_made_are_in_the_index(tmp_path):
    root = Folder(str(tmp_path))
    making.make_structures(ITEMS, RECIPE, Site(None), root)
    found = find_structures(store_of(RECIPE, root), RECIPE.keys(ITEMS[::-1]))
    assert [each.n_atoms for each in found] == [4, 7, 9, 9, 6]
    (victim,) = tmp_path.rglob("*.zip")
    whole = victim.read_bytes()
    victim.write_bytes(whole[:-50])
    making.make_structures(ITEMS, RECIPE, Site(None), root)
    assert victim.read_bytes() == whole


@pytest.mark.usefixtures("two_each")
def test_two_commands_with_the_same_molecules_do_no_harm(tmp_path, monkeypatch):
    root = Folder(str(tmp_path))
    inner, n_calls = making.make_batch, [0]

    def make_batch(*arguments):
        n_calls[0] += 1
        if n_calls[0] == 1:  # another command begins and ends meanwhile
            structures(ITEMS, RECIPE, Site(None), root)
        return inner(*arguments)

    monkeypatch.setattr(making, "make_batch", make_batch)
    assert [each.n_atoms for each in structures(ITEMS, RECIPE, Site(None), root)] == [6, 9, 9, 7, 4]
    assert store_of(RECIPE, root).folder.folders("input") == []
