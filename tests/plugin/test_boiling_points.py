"""The quantity of the example plug-in, learnt from measured values and ranked by.

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
from rdkit import Chem, rdBase
from test_example_plugin import install, screener

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
def plugin(tmp_path_factory):
    return install(tmp_path_factory.mktemp("plugin"))


@pytest.fixture(scope="module")
def trained(plugin, tmp_path_factory):
    """A bundle of boiling points."""
    folder = tmp_path_factory.mktemp("boiling")
    measured().to_parquet(folder / "measured.parquet")
    config = folder / "train.toml"
    table = folder / "measured.parquet"
    config.write_text(TRAINING.format(out=folder / "bundle", table=table))
    screener("train", config, path=[plugin])
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


def test_a_campaign_ranks_by_it_beside_a_level_and_a_goal_of_the_plugin(
    trained, plugin, tiny_bundles, tmp_path
):
    (tmp_path / "input.csv").write_text(f"smiles,name\n{LIBRARY}")
    library, results = tmp_path / "library", tmp_path / "results"
    screener("library", "build", tmp_path / "input.csv", "--out", library, "--workers", 1)
    (tmp_path / "campaign.toml").write_text(
        f'drawing_bundles = ["{trained}"]\n'
        f'[[stages]]\nbundle = "{tiny_bundles.direct}"\nvalues = ["gfn1"]\n'
        "[ranking]\n"
        'objectives = ["gaussian:boiling_point_k:target=350,sigma=20", "minimise:homo_gfn1_ev:'
        'low=-13,high=-9"]\n'
        'constraints = ["boiling_point_k>=250"]\ntop = 3\n'
    )
    words = ("screen", library, "--config", tmp_path / "campaign.toml", "--out", results)
    screener(*words, "--workers", 1, path=[plugin])
    best = pd.read_parquet(results / "shortlist.parquet")
    assert len(best) == 3
    assert (best["boiling_point_k_lo90"] < best["boiling_point_k"]).all()
    assert best["boiling_point_k"].between(250.0, 600.0).all()
    worth = np.exp(-0.5 * ((best["boiling_point_k"] - 350.0) / 20.0) ** 2)
    assert best["desirability_boiling_point_k"].to_numpy() == pytest.approx(worth.to_numpy())
    assert "domain_reasons_boiling-points" in best.columns
