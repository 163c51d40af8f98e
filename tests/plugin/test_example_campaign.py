"""The worked example learns measured boiling points, and a campaign ranks by all that it adds.

The values are the normal boiling points in the table of enthalpies of vaporisation of the CRC
Handbook of Chemistry and Physics, as the package `chemicals` has it.
"""

import json
from pathlib import Path

import chemicals
import numpy as np
import pandas as pd
import pytest
from chemicals.identifiers import search_chemical
from example_package import install, screener
from rdkit import Chem, rdBase

pytestmark = pytest.mark.slow

TABLE = Path(chemicals.__file__).parent / "Phase Change" / "CRC Handbook Heat of Vaporization.tsv"
ELEMENTS = {"H", "C", "N", "O", "F", "Cl", "S"}
MOST_HEAVY = 12
LIBRARY = "C1CCOC1,THF\nCOCCOC,DME\nCOCC,ethyl methyl ether\nCC#N,ACN\nCCO,ethanol\nCCOC,EME\n"
TRAINING = """
name = "boiling-points"
out = "{out}"
model = "morgan-gp"

[data]
path = "{table}"
smiles = "smiles"

[data.labels]
boiling_point_k = "celsius"

[data.units]
boiling_point_k = "degC"
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    return install(tmp_path_factory.mktemp("plugin"))


@pytest.fixture(scope="module")
def trained(installed, tmp_path_factory):
    """A bundle of boiling points."""
    folder = tmp_path_factory.mktemp("boiling")
    measured().to_parquet(folder / "measured.parquet")
    config = folder / "train.toml"
    table = folder / "measured.parquet"
    config.write_text(TRAINING.format(out=folder / "bundle", table=table))
    screener("train", config, path=[installed])
    return folder / "bundle"


def measured() -> pd.DataFrame:
    """SMILES and boiling points in degrees Celsius of small organic liquids."""
    table = pd.read_csv(TABLE, sep="\t").dropna(subset="Tb")
    rows = []
    for cas, kelvin in zip(table["CAS"], table["Tb"], strict=True):
        try:
            smiles = search_chemical(cas).smiles
        except ValueError:  # not among the identifiers of the package
            continue
        with rdBase.BlockLogs():
            molecule = Chem.MolFromSmiles(smiles)
        if molecule is None or molecule.GetNumHeavyAtoms() > MOST_HEAVY:
            continue
        if {atom.GetSymbol() for atom in molecule.GetAtoms()} <= ELEMENTS:
            rows.append((smiles, kelvin - 273.15))
    return pd.DataFrame(rows, columns=["smiles", "celsius"])


def test_held_out_errors_are_a_fraction_of_those_of_the_mean(trained):
    card = json.loads((trained / "card.json").read_text())
    assert card["reads"] == "drawings"
    assert set(card["quantities"]) == {"boiling_point_k"}
    assert card["quantities"]["boiling_point_k"]["unit"]["name"] == "K"
    error = card["metrics"]["test"]["boiling_point_k"]["mae"]
    spread = (measured()["celsius"] - measured()["celsius"].median()).abs().mean()
    assert error < 0.4 * spread
    assert error < 40.0
    assert 250.0 < card["golden"][0]["boiling_point_k"] < 600.0  # kelvin


@pytest.fixture(scope="module")
def campaign(installed, tiny_bundles, trained, tmp_path_factory):
    """A campaign that ranks by the level, the quantity and the goal of the plug-in."""
    folder = tmp_path_factory.mktemp("campaign")
    (folder / "input.csv").write_text(f"smiles,name\n{LIBRARY}")
    screener("library", "build", folder / "input.csv", "--out", folder / "library", "--workers", 1)
    (folder / "campaign.toml").write_text(
        f'drawing_bundles = ["{trained}"]\n'
        f'[[stages]]\nbundle = "{tiny_bundles.direct}"\nvalues = ["gfn1"]\n'
        "[stages.settings.gfn1]\naccuracy = 0.5\n"
        '[ranking]\nobjectives = ["gaussian:homo_gfn1_ev:target=-11,sigma=0.5", '
        '"gaussian:boiling_point_k:target=350"]\n'
        'constraints = ["boiling_point_k>=250"]\ntop = 3\n'
    )
    words = ("screen", folder / "library", "--config", folder / "campaign.toml")
    words += ("--out", folder / "results", "--workers", 1)
    screener(*words, path=[installed])
    return folder / "results", words


def test_a_campaign_ranks_by_a_level_a_quantity_and_a_goal_of_somebody_else(campaign):
    folder, _ = campaign
    best = pd.read_parquet(folder / "shortlist.parquet")
    assert len(best) == 3
    orbital = ((best["homo_gfn1_ev"] + 11.0) / 0.5) ** 2
    boiling = ((best["boiling_point_k"] - 350.0) / 35.0) ** 2  # a tenth of what is typical
    worth = np.exp(-0.25 * (orbital + boiling))  # a geometric mean
    assert best["score"].to_numpy() == pytest.approx(worth.to_numpy(), rel=1e-6)
    assert best["desirability_boiling_point_k"].to_numpy() == pytest.approx(np.exp(-0.5 * boiling))
    assert best["boiling_point_k_std"].gt(0.0).all()
    assert (best["boiling_point_k_lo90"] < best["boiling_point_k"]).all()
    assert best["boiling_point_k"].between(250.0, 600.0).all()
    assert "domain_reasons_boiling-points" in best.columns
    assert best["score"].is_monotonic_decreasing


def test_provenance_names_the_plugins(campaign):
    folder, _ = campaign
    told = json.loads((folder / "provenance.json").read_text())["plugins"]
    assert {(each["group"], each["name"]) for each in told} == {
        ("screener.levels", "gfn1"),
        ("screener.quantities", "boiling_point"),
        ("screener.objectives", "gaussian"),
    }
    for each in told:
        assert (each["package"], each["version"]) == ("screener-example-plugin", "0.1.0")
        assert len(each["digest"]) == 64


def test_a_campaign_without_its_plugin_is_refused(campaign):
    folder, words = campaign
    for command in ((*words[:2], "--out", folder), ("status", folder), ("rank", folder)):
        told = screener(*command, code=2)
        assert "uses plug-ins that are not there" in told
        assert "gfn1 of screener.levels, from screener-example-plugin 0.1.0" in told
        assert "gaussian of screener.objectives" in told


def test_a_campaign_with_another_plugin_is_refused_with_the_difference(campaign, tmp_path):
    folder, words = campaign
    other = install(tmp_path)
    with (other / "screener_example" / "level.py").open("a") as file:
        file.write("# another digest\n")
    told = screener(*words, path=[other], code=2)
    assert "was begun with other settings of what is computed" in told
    assert "geometry.plugins.gfn1: screener-example-plugin 0.1.0 " in told
    assert " in the campaign, screener-example-plugin 0.1.0 " in told
    told = screener("rank", folder, path=[other])
    assert "gfn1 of screener.levels is of screener-example-plugin 0.1.0 " in told
    assert "ranked as it is" in told


def test_the_same_plugin_resumes(campaign, installed):
    _, words = campaign
    assert "the best 3 of 3" in screener(*words, path=[installed])
