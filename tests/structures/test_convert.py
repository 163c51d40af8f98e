"""Structures of earlier versions, by rows of one library, become structures by molecule."""

import numpy as np
import pytest
from former_structures import write_former_unit
from structure_examples import equal, unit_files

from screener.chemistry.standardise import StandardiseSettings
from screener.chemistry.structures import StructureSettings
from screener.errors import MoleculeError, StoreError
from screener.library_build.build import build_library
from screener.records import Structure
from screener.stores.files import Folder
from screener.stores.mol_ids import mol_ids_of
from screener.structures import convert as converting
from screener.structures.convert import convert, former_digest, former_folders
from screener.structures.index_tasks import here
from screener.structures.make import find_structures
from screener.structures.recipe import Recipe
from screener.structures.recipe_store import store_of

UNITS = {"11" * 16: [2, 0], "22" * 16: [1]}
USUAL = Recipe.from_drawing(StructureSettings.at("gfn2-opt", 3, ("gfn2-redox",)))
UNUSUAL = Recipe.from_drawing(
    StructureSettings.at("gfn2-opt", settings={"gfn2-opt": {"max_steps": 17}})
)


def outcome_of(row):
    if row == 2:
        return MoleculeError("not_converged", "after 200 steps")
    n = row + 3
    rng = np.random.default_rng(row)
    return Structure(
        rng.choice([1, 6, 8], n).astype(np.uint8),
        rng.normal(size=(n, 3)).astype(np.float32),
        {"energy_gfn2_ha": float(rng.normal())},
        {"charges_gfn2": rng.normal(size=n).astype(np.float32)},
    )


@pytest.fixture
def library(tmp_path, client):
    path = tmp_path / "input.smi"
    path.write_text("CO methanol\nCCO ethanol\nCC#N acetonitrile\n")
    return build_library([str(path)], str(tmp_path / "library"), StandardiseSettings(), client)


def with_former(library, recipe):
    folder = library.folder.child(f"structures/{former_digest(library.digest, recipe)}")
    for unit, rows in UNITS.items():
        write_former_unit(folder, unit, rows, [outcome_of(row) for row in rows])
    return folder


def found(library, recipe, root):
    keys = mol_ids_of(library.read_range(0, 3, ["mol_id"])["mol_id"].to_pylist())
    return find_structures(store_of(recipe, root), keys)


def test_rows_become_molecules_and_units_keep_their_names(library):
    former = with_former(library, USUAL)
    root = library.folder.child("structures")
    (done,) = convert(here, library, root, [])
    assert (done.recipe.digest, done.n_units, done.n_lost) == (USUAL.digest, 2, 0)
    assert all(equal(each, outcome_of(row)) for row, each in enumerate(found(library, USUAL, root)))
    assert set(unit_files(store_of(USUAL, root))) == UNITS.keys()
    assert not former.exists()
    assert former_folders(library) == []
    assert store_of(USUAL, root).folder.read_json("about.json") == USUAL.about


def test_an_interrupted_conversion_goes_on(library, tmp_path, monkeypatch):
    monkeypatch.setattr(converting, "UNITS", 1)
    former = with_former(library, USUAL)
    root = Folder(str(tmp_path / "elsewhere"))

    def killed(tasks):
        yield from here([next(iter(tasks))])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(convert(killed, library, root, []))
    assert len(unit_files(store_of(USUAL, root))) == 1
    assert former.exists()
    (done,) = convert(here, library, root, [])
    assert done.n_units == 2
    assert all(equal(each, outcome_of(row)) for row, each in enumerate(found(library, USUAL, root)))
    assert not former.exists()


def test_settings_that_nobody_guesses_are_told(library):
    former = with_former(library, UNUSUAL)
    root = library.folder.child("structures")
    (unknown,) = convert(here, library, root, [])
    assert unknown.recipe is None
    assert former.exists()
    (done,) = convert(here, library, root, [UNUSUAL])
    assert done.recipe.digest == UNUSUAL.digest
    assert not former.exists()


def test_what_cannot_be_read_is_left_out(library):
    former = with_former(library, USUAL)
    victim = former.local_path(f"structures.zarr/{'22' * 16}.zip")
    victim.write_bytes(victim.read_bytes()[:-30])
    root = library.folder.child("structures")
    (done,) = convert(here, library, root, [])
    assert (done.n_units, done.n_lost) == (1, 1)
    first, second, third = found(library, USUAL, root)
    assert second is None
    assert equal(first, outcome_of(0))
    assert equal(third, outcome_of(2))


def test_a_library_that_cannot_be_read_costs_no_structure(library):
    former = with_former(library, USUAL)
    (shard,) = library.folder.local_path("shards").rglob("*.parquet")
    content = shard.read_bytes()
    shard.write_bytes(content[: len(content) // 2])
    root = library.folder.child("structures")
    with pytest.raises(StoreError):
        list(convert(here, library, root, []))
    assert former.exists()
    shard.write_bytes(content)
    (done,) = convert(here, library, root, [])
    assert (done.n_units, done.n_lost) == (2, 0)
