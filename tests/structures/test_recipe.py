import numpy as np
import pytest

from screener.chemistry.gfn2 import with_gfn2
from screener.chemistry.identity import mol_id
from screener.chemistry.structures import StructureSettings, make_structure
from screener.errors import ConfigError, MoleculeError
from screener.records import Structure
from screener.stores.files import Folder
from screener.structures.recipe import Item, Recipe, from_table, to_table
from screener.structures.recipe_store import store_of, write_about

FORCE_FIELD = StructureSettings()
MINIMUM = StructureSettings(level="gfn2-opt")
METHANOL = make_structure("CO", mol_id("CO"), FORCE_FIELD)


def test_a_recipe_names_all_that_decides_structures_and_nothing_else():
    recipes = [
        Recipe.from_drawing(FORCE_FIELD),
        Recipe.from_drawing(StructureSettings.at("mmff94", 3)),
        Recipe.from_drawing(FORCE_FIELD, {"rdkit": "2020.1", "tblite": "0.1"}),
        Recipe.from_drawing(StructureSettings.at("mmff94", values=("gfn2",))),
        Recipe.from_drawing(MINIMUM),
        Recipe.minimum_from_geometry(MINIMUM),
        Recipe.at_geometry(("gfn2",)),
    ]
    assert len({recipe.digest for recipe in recipes}) == len(recipes)
    assert Recipe.from_drawing(StructureSettings.at("mmff94", 1)).digest == recipes[0].digest
    assert Recipe.model_validate(recipes[3].model_dump()).digest == recipes[3].digest


def test_units_and_wall_clocks_follow_from_what_a_molecule_costs():
    cheap, dear = Recipe.from_drawing(FORCE_FIELD), Recipe.from_drawing(MINIMUM)
    assert (cheap.unit_rows, dear.unit_rows) == (512, 32)
    assert (cheap.wall_clock_seconds, dear.wall_clock_seconds) == (60.0, 600.0)
    assert Recipe.at_geometry(("gfn2",)).wall_clock_seconds == 60.0


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"start": "scratch", "settings": FORCE_FIELD}, "start from drawing or geometry"),
        ({"start": "drawing", "settings": None}, "need a level"),
        ({"start": "geometry", "settings": MINIMUM, "values": ("gfn2",)}, "belong into"),
        ({"start": "geometry", "settings": None, "values": ("gfn2-opt",)}, "computes no values"),
    ],
)
def test_what_does_not_fit_is_refused(values, problem):
    with pytest.raises(ConfigError, match=problem):
        Recipe(**values)


def test_the_key_is_the_identity_unless_a_geometry_decides():
    item = Item(mol_id("CO"), "CO", METHANOL)
    assert Recipe.from_drawing(FORCE_FIELD).keys([item]).tobytes().hex() == item.mol_id
    recipe = Recipe.minimum_from_geometry(MINIMUM)
    moved = Structure(METHANOL.atomic_numbers, METHANOL.positions + np.float32(1e-3))
    charged = Structure(METHANOL.atomic_numbers, METHANOL.positions, charge=-1)
    others = [item._replace(geometry=moved), item._replace(geometry=charged)]
    keys = recipe.keys([item, *others, item._replace(smiles="OC")])
    assert len({key.tobytes() for key in keys}) == 4
    assert recipe.keys([item]).tolist() == keys[:1].tolist()
    with pytest.raises(ConfigError, match="no geometry to start from"):
        recipe.keys([Item("", "CO")])


def test_molecules_come_back_from_their_table():
    items = [Item(mol_id("CO"), "CO"), Item("", None, METHANOL)]
    first, second = from_table(to_table(items))
    assert first == items[0]
    assert (second.mol_id, second.smiles) == ("", None)
    assert second.geometry.positions.tobytes() == METHANOL.positions.tobytes()
    assert second.geometry.atomic_numbers.tolist() == METHANOL.atomic_numbers.tolist()


def test_structures_from_a_drawing_are_those_of_the_level():
    made = Recipe.from_drawing(FORCE_FIELD).make(Item(mol_id("CO"), "CO"))
    assert made.positions.tobytes() == METHANOL.positions.tobytes()


def test_given_geometries_stay_and_get_values():
    made = Recipe.at_geometry(("gfn2",)).make(Item("", None, METHANOL))
    assert made.positions.tobytes() == METHANOL.positions.tobytes()
    assert made.values == with_gfn2(METHANOL).values


def test_a_minimum_from_a_geometry_keeps_its_order_of_atoms_and_its_isomer():
    smiles = "C[C@H](O)F"
    start = make_structure(smiles, mol_id(smiles), FORCE_FIELD)
    order = np.random.default_rng(0).permutation(start.n_atoms)
    mixed = Structure(start.atomic_numbers[order], start.positions[order])
    recipe = Recipe.minimum_from_geometry(MINIMUM)
    made = recipe.make(Item("", smiles, mixed))
    assert made.atomic_numbers.tolist() == mixed.atomic_numbers.tolist()
    assert made.values["energy_gfn2_ha"] <= with_gfn2(mixed).values["energy_gfn2_ha"]
    assert np.abs(made.positions - mixed.positions).max() < 0.5  # not another conformer or isomer
    with pytest.raises(MoleculeError) as problem:
        recipe.make(Item("", "CCO", METHANOL))
    assert problem.value.code == "not_mapped"


def test_a_store_says_what_it_is(tmp_path):
    recipe = Recipe.from_drawing(FORCE_FIELD)
    store = store_of(recipe, Folder(str(tmp_path)))
    write_about(recipe, store)
    write_about(recipe, store)
    about = store.folder.read_json("about.json")
    assert about["settings"]["level"] == "mmff94"
    assert set(about["versions"]) == {"rdkit", "tblite"}
    assert store.folder.url.endswith(recipe.digest)
