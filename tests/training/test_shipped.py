"""What the bundles that ship with the project claim, held against the project itself."""

from importlib.resources import files
from pathlib import Path

import pytest

from screener.chemistry.identity import mol_id
from screener.chemistry.structures import StructureSettings, make_structure
from screener.models.bundle import load_bundle
from screener.models.ladder.enthalpy import COLUMN as ENTHALPY
from screener.models.shipped import ORBITALS_BY_AIMNET2, shipped_bundles
from screener.training.g4mp2.train import NESTED
from screener.training.orbitals.molecules import BATTERY, PPE
from screener.training.orbitals.train import AT_B3LYP, OUT_OF_FOLD
from screener.training.qm9.train import FROM_SMILES, RECIPES, Recipe
from screener.training.shipped import TRAINERS

AE0 = "ae0_g4mp2_kcal"

FOLDER = Path(str(files("screener.data"))) / "bundles"
FEWEST_FITTED, FEWEST_TESTED = 100_000, 5_000


def test_there_is_a_bundle_for_each_recipe_and_all_are_small():
    assert shipped_bundles() == sorted(TRAINERS)
    assert sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file()) < 40e6


class TestG4mp2:
    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("name", "level", "low", "largest"),
        [
            ("b3lyp-to-g4mp2", "b3lyp-opt", "b3lyp", 0.28),
            ("gfn2opt-b3lyp-to-g4mp2", "gfn2-opt", "b3lyp", 0.28),
            ("gfn2opt-to-g4mp2", "gfn2-opt", "gfn2", 1.8),
        ],
    )
    def test_cards_tell_errors_that_are_worth_having(self, name, level, low, largest):
        card = load_bundle(name).card
        assert (card.geometry_level, card.low, card.high) == (level, low, "g4mp2")
        key = NESTED if low == "b3lyp" else f"{NESTED}: all but suspect"
        values = card.metrics[key]["ae0_g4mp2_kcal"]
        assert values["mae"] <= largest
        assert values["mae_95_low"] < values["mae"] < values["mae_95_high"]
        assert values["coverage90_95_low"] <= 0.9 <= values["coverage90_95_high"]

    @pytest.mark.parametrize(
        ("some", "largest"),
        [
            ("up to 9 heavy atoms, inside or not", 0.9),
            ("10 to 14 heavy atoms, inside or not", 1.1),
            ("15 to 20 heavy atoms, inside or not", 2.0),
            ("inside", 0.8),
        ],
    )
    def test_the_potential_leads_from_smiles_to_g4mp2_over_ten_elements(self, some, largest):
        card = load_bundle("aimnet2opt-to-g4mp2").card
        assert (card.geometry_level, card.low, card.high) == ("aimnet2-opt", "aimnet2", "g4mp2")
        assert set(card.elements) == {"H", "B", "C", "N", "O", "F", "Si", "P", "S", "Cl"}
        assert card.given_low is None
        values = card.metrics[f"{NESTED}: {some}"]["ae0_g4mp2_kcal"]
        assert values["mae"] <= largest
        assert values["mae_95_low"] < values["mae"] < values["mae_95_high"]

    def test_sulfones_silanes_and_chlorides_get_an_answer_and_phosphates_a_reason(self):
        settings = StructureSettings(level="aimnet2-opt")
        smiles = [
            "O=S1(=O)CCCC1", "c1ccsc1", "COC(=O)OCCCl", "COCC(F)(F)F", "O=C1OCC(F)O1",
            "CC[Si](C)(C)C", "COP(=O)(OC)OC",
        ]  # fmt: skip
        structures = [make_structure(each, mol_id(each), settings) for each in smiles]
        table = load_bundle("aimnet2opt-to-g4mp2").predict(structures).to_pandas()
        assert table["in_domain"].tolist() == [True] * 6 + [False]
        assert "an oxygen bonded to C and P" in table["domain_reasons"][6]
        told = table[:6]
        assert (told["ae0_g4mp2_kcal_hi90"] - told["ae0_g4mp2_kcal_lo90"] < 20.0).all()
        # zero-point energy, and what the functional is off by
        assert (told["de_aimnet2_kcal"] - told["ae0_g4mp2_kcal"]).between(20.0, 120.0).all()
        assert told["hof298_g4mp2_kcal"].between(-250.0, 50.0).all()
        assert table["hof298_g4mp2_kcal"].isna().tolist() == [False] * 6 + [True]

    def test_the_potentials_intervals_hold_in_every_class_and_know_what_makes_errors(self):
        metrics = load_bundle("aimnet2opt-to-g4mp2").card.metrics
        whole = metrics[f"{NESTED}: all"][AE0]
        assert 0.88 <= whole["coverage90"] <= 0.92
        assert whole["spearman_std_error"] >= 0.35
        assert metrics[f"{NESTED}: up to 9 heavy atoms, inside or not"][AE0]["median_width90"] < 2.5
        for name, values in metrics.items():
            if name.startswith(f"{NESTED}:") and values[AE0]["n"] >= 200:
                assert 0.85 <= values[AE0]["coverage90"] <= 0.95, name

    def test_enthalpies_of_formation_are_as_good_as_those_of_g4mp2(self):
        metrics = load_bundle("aimnet2opt-to-g4mp2").card.metrics
        ours = metrics[f"{NESTED}, against experiment: all"][ENTHALPY]
        theirs = metrics["G4(MP2) itself, against experiment: all"][ENTHALPY]
        assert ours["n"] == theirs["n"] > 1200
        assert ours["mae"] < 1.3 * theirs["mae"]
        assert metrics["share inside"]["ae0_g4mp2_kcal"]["inside"] >= 0.95

    def test_the_ladder_climbs_from_smiles_and_brings_fluorine_in(self):
        settings = StructureSettings(level="gfn2-opt")
        smiles = ["O=C1OCCO1", "CC(F)F", "CS(C)(=O)=O"]
        structures = [make_structure(each, mol_id(each), settings) for each in smiles]
        table = load_bundle("gfn2opt-to-g4mp2").predict(structures).to_pandas()
        assert table["in_domain"].tolist() == [True, True, False]
        assert table["ae0_b3lyp_kcal"].isna().tolist() == [False, True, True]
        assert abs(table["ae0_g4mp2_kcal"][0] - table["ae0_b3lyp_kcal"][0]) < 15.0
        assert "sulfur" in table["domain_reasons"][2]


class TestOrbitals:
    def test_the_card_tells_errors_that_are_worth_having(self):
        card = load_bundle(ORBITALS_BY_AIMNET2).card
        assert (card.geometry_level, card.low, card.high) == ("aimnet2-opt", "gfn2", "b3lyp")
        assert len(card.elements) == 10
        at_b3lyp = card.metrics[AT_B3LYP]
        for column, largest in (("homo_b3lyp_ev", 0.06), ("lumo_b3lyp_ev", 0.08)):
            assert at_b3lyp[column]["mae"] < largest
            assert card.metrics[f"{OUT_OF_FOLD}: {BATTERY}"][column]["mae"] < 0.35
        for rows, largest in ((BATTERY, 0.2), (PPE, 0.1)):
            assert card.metrics[f"{OUT_OF_FOLD}: {rows}"]["dipole_b3lyp_debye"]["mae"] < largest

    def test_molecules_of_ten_elements_get_an_answer(self):
        settings = StructureSettings.at("aimnet2-opt", values=("gfn2",))
        smiles = ["O=S1(=O)CCCC1", "COP(=O)(OC)OC", "COB(OC)OC", "C[Si](C)(C)OC", "O=C1OCC(Cl)O1"]
        structures = [make_structure(each, mol_id(each), settings) for each in smiles]
        table = load_bundle(ORBITALS_BY_AIMNET2).predict(structures).to_pandas()
        told = table[table["in_domain"]]
        assert len(told) >= 3
        assert told["homo_b3lyp_ev"].between(-9.5, -6.0).all()
        assert (told["lumo_b3lyp_ev"] > told["homo_b3lyp_ev"] + 5.0).all()
        assert told["dipole_b3lyp_debye"].between(0.2, 8.0).all()


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
class TestShipped:
    def test_card_says_what_the_recipe_does(self, recipe: Recipe):
        card = load_bundle(recipe.name).card
        assert (card.kind, card.low) == (recipe.targets.kind, recipe.low)
        assert card.geometry_level == recipe.geometry_level
        assert type(recipe.settings).model_validate(card.fit["settings"]) == recipe.settings
        assert card.data["fit"]["n"] >= FEWEST_FITTED
        assert card.data["test"]["n"] >= FEWEST_TESTED

    def test_errors_are_below_the_baseline_and_intervals_hold(self, recipe: Recipe):
        metrics = load_bundle(recipe.name).card.metrics
        errors = metrics[FROM_SMILES]
        baseline = metrics[f"{FROM_SMILES}, best linear composition correction"]
        for quantity, values in baseline.items():
            assert errors[quantity]["mae"] < 0.9 * values["mae"]
            assert 0.87 < errors[quantity]["coverage90"] < 0.93
        assert errors["ae0_b3lyp_kcal"]["mae"] < 0.2 * baseline["ae0_b3lyp_kcal"]["mae"]

    def test_known_solvents_are_inside_and_fluorinated_ones_outside(self, recipe: Recipe):
        settings = StructureSettings(level=recipe.geometry_level)
        smiles = ["O=C1OCCO1", "C[C@@H]1COC(=O)O1", "COCCOC", "O=C1OC[C@H](F)O1", "CS(C)(=O)=O"]
        structures = [make_structure(each, mol_id(each), settings) for each in smiles]
        table = load_bundle(recipe.name).predict(structures).to_pandas()
        assert table["in_domain"].tolist() == [True, True, True, False, False]
        assert "carbon bonded to C, F, H and O" in table["domain_reasons"][3]
        assert "sulfur" in table["domain_reasons"][4]
        carbonate = table.iloc[0]
        assert carbonate["ae0_b3lyp_kcal"] == pytest.approx(1014.8, abs=5)  # QM9
        assert carbonate["dipole_b3lyp_debye"] > 3.5  # one of the most polar solvents there are
