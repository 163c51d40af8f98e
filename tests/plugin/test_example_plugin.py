"""The worked example in docs/plugin-example, installed as a distribution of its own."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rdkit import Chem

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "docs" / "plugin-example"
LONGEST = 60  # lines of a worked example
NAMES = {
    "screener.levels": "gfn1",
    "screener.quantities": "boiling_point",
    "screener.objectives": "gaussian",
}
CHECKS = """
from screener.registry.columns import column, level, quantity
from screener.registry.plugins import entry
from screener.testing import check_goal, check_level, check_quantity

check_level(level("gfn1"))
check_quantity(quantity("boiling_point"))
check_goal(entry("objectives", "gaussian"), {"target": 400.0}, (250.0, 600.0))
assert column("boiling_point_k").unit == "K"
"""
LIBRARY = "C1CCOC1,THF\nCOCCOC,DME\nCC#N,ACN\nO=C1OCCO1,EC\nCC(C)=O,acetone\nCCO,ethanol\n"


def install(target: Path) -> Path:
    source = target / "source"
    shutil.copytree(EXAMPLE, source, ignore=shutil.ignore_patterns("build", "*.egg-info"))
    installed = target / "installed"
    options = ("--no-deps", "--no-build-isolation", "--no-index", "--target", installed)
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "-q", *map(str, options), str(source)], check=True
    )
    return installed


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    return install(tmp_path_factory.mktemp("plugin"))


def run(*words, path=(), code=0, cwd=None, **variables):
    """What a command prints, with some folders among those that Python looks in."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (ROOT, *path)))}
    ended = subprocess.run(
        [sys.executable, *map(str, words)],
        capture_output=True,
        text=True,
        env={**environment, "COLUMNS": "200", **variables},
        cwd=cwd,
        check=False,
    )
    assert ended.returncode == code, ended.stderr
    return ended.stdout + ended.stderr


def screener(*words, path=(), code=0):
    return run("-m", "screener", *words, path=path, code=code)


def test_each_part_is_short():
    for path in (EXAMPLE / "screener_example").glob("*.py"):
        assert len(path.read_text().splitlines()) <= LONGEST


def test_plugins_are_listed_with_package_version_and_digest(installed):
    found = json.loads(screener("plugins", "--json", path=[installed]))
    ours = {each["group"]: each for each in found if each["package"] == "screener-example-plugin"}
    assert {group: each["name"] for group, each in ours.items()} == NAMES
    assert {each["version"] for each in ours.values()} == {"0.1.0"}
    (digest,) = {each["digest"] for each in ours.values()}
    assert len(digest) == 64
    assert {each["name"] for each in found if each["package"] == "screener"} >= {
        *("mmff94", "gfn2-opt", "homo", "maximise")
    }
    table = screener("plugins", path=[installed])
    assert any(
        all(word in line for word in ("levels", "gfn1", "screener-example-plugin", digest[:12]))
        for line in table.splitlines()
    )
    assert "failed" not in table


def fake_distribution(folder, points):
    """A distribution that only has entry points."""
    info = folder / "broken-1.5.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.5\n")
    (info / "entry_points.txt").write_text(points)
    (folder / "broken_module.py").write_text("raise OSError('no licence')\n")
    return folder


def test_what_fails_to_load_is_told_and_stops_nothing(installed, tmp_path):
    points = (
        "[screener.levels]\nlost = no_such_module:LEVEL\nangry = broken_module:LEVEL\n"
        "gfn1 = screener_example.level:GFN1\n"
        "[screener.quantities]\nwrong = screener_example.level:GFN1\n"
    )
    broken = fake_distribution(tmp_path / "broken", points)
    told = screener("plugins", path=[installed, broken])
    assert "failed: lost of screener.levels, from broken 1.5: ModuleNotFoundError" in told
    assert "failed: angry of screener.levels, from broken 1.5: OSError: no licence" in told
    assert "failed: wrong of screener.quantities, from broken 1.5: " in told
    assert "is a Level, and no Quantity" in told
    # of two that register a name the package that comes first in the alphabet has it
    assert "'gfn1' is registered by broken already" in told


def test_the_example_passes_the_checks(installed):
    run("-c", CHECKS, path=[installed])


def boiling_points():
    """Made up from size and polar atoms, degrees Celsius: of the library, and of others."""
    ends = ("C", "CC", "CCC", "C(C)C", "CCCC", "CC=C", "CCO", "CCOC")
    groups = (
        "O{}",
        "CO{}",
        "N#C{}",
        "O=C{}",
        "CC(=O){}",
        "COC(=O){}",
        "NC{}",
        "C1CC1{}",
        "CN(C){}",
        "OCC{}",
    )
    smiles = [group.format(end) for group in groups for end in ends]
    smiles += [line.partition(",")[0] for line in LIBRARY.split()] * 2
    rows = {Chem.MolToSmiles(Chem.MolFromSmiles(each)): None for each in smiles}
    for text in rows:
        heavy = Chem.MolFromSmiles(text).GetNumHeavyAtoms()
        rows[text] = 20.0 * heavy + 15.0 * sum(text.count(each) for each in "NO") - 60.0
    return pd.DataFrame({"smiles": list(rows), "tb": list(rows.values())})


TRAINING = """
name = "boiling"
out = "boiling"
model = "morgan-gp"
[data]
path = "tb.csv"
smiles = "smiles"
labels = { boiling_point_k = "tb" }
units = { boiling_point_k = "degC" }
[split]
fractions = { fit = 0.4, selection = 0.2, calibration = 0.2, test = 0.2 }
seed = 1
[settings]
min_seen = 1
outside = 0.0
"""


@pytest.fixture(scope="module")
def boiling(installed, tmp_path_factory):
    """A bundle that was learnt from a table of the quantity of the plug-in."""
    folder = tmp_path_factory.mktemp("training")
    boiling_points().to_csv(folder / "tb.csv", index=False)
    (folder / "training.toml").write_text(TRAINING)
    words = ("-m", "screener", "train", "training.toml", "--workers", 1)
    run(*words, path=[installed], cwd=folder, SCREENER_HOME=str(folder / "home"))
    return folder / "boiling"


def test_a_quantity_of_somebody_else_is_learnt_from_a_table(boiling):
    card = json.loads((boiling / "card.json").read_text())
    assert list(card["quantities"]) == ["boiling_point_k"]
    assert card["reads"] == "drawings"
    assert card["metrics"]["test"]["boiling_point_k"]["mae"] < 40.0
    assert 250.0 < card["golden"][0]["boiling_point_k"] < 600.0  # kelvin


@pytest.fixture(scope="module")
def campaign(installed, tiny_bundles, boiling, tmp_path_factory):
    """A campaign that ranks by the level, the quantity and the goal of the plug-in."""
    folder = tmp_path_factory.mktemp("campaign")
    (folder / "input.csv").write_text(f"smiles,name\n{LIBRARY}")
    screener("library", "build", folder / "input.csv", "--out", folder / "library", "--workers", 1)
    (folder / "campaign.toml").write_text(
        f'drawing_bundles = ["{boiling}"]\n'
        f'[[stages]]\nbundle = "{tiny_bundles.direct}"\nvalues = ["gfn1"]\n'
        "[stages.settings.gfn1]\naccuracy = 0.5\n"
        '[ranking]\nobjectives = ["gaussian:homo_gfn1_ev:target=-11,sigma=0.5", '
        '"gaussian:boiling_point_k:target=350"]\ntop = 3\n'
    )
    words = ("screen", folder / "library", "--config", folder / "campaign.toml")
    words += ("--out", folder / "results", "--workers", 1)
    screener(*words, path=[installed])
    return folder / "results", words


@pytest.mark.slow
def test_a_campaign_ranks_by_a_level_a_quantity_and_a_goal_of_somebody_else(campaign):
    folder, _ = campaign
    best = pd.read_parquet(folder / "shortlist.parquet")
    assert len(best) == 3
    orbital = ((best["homo_gfn1_ev"] + 11.0) / 0.5) ** 2
    boiling = ((best["boiling_point_k"] - 350.0) / 35.0) ** 2  # a tenth of what is typical
    worth = np.exp(-0.25 * (orbital + boiling))  # a geometric mean
    assert best["score"].to_numpy() == pytest.approx(worth.to_numpy(), rel=1e-6)
    assert best["boiling_point_k_std"].gt(0.0).all()
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


@pytest.mark.slow
def test_a_campaign_without_its_plugin_is_refused(campaign):
    folder, words = campaign
    for command in ((*words[:2], "--out", folder), ("status", folder), ("rank", folder)):
        told = screener(*command, code=2)
        assert "uses plug-ins that are not there" in told
        assert "gfn1 of screener.levels, from screener-example-plugin 0.1.0" in told
        assert "gaussian of screener.objectives" in told


@pytest.mark.slow
def test_a_campaign_with_another_plugin_is_refused_with_the_difference(campaign, tmp_path):
    _, words = campaign
    other = install(tmp_path)
    with (other / "screener_example" / "level.py").open("a") as file:
        file.write("# another digest\n")
    told = screener(*words, path=[other], code=2)
    assert "was begun with other settings of what is computed" in told
    assert "geometry.plugins.gfn1: screener-example-plugin 0.1.0 " in told
    assert " in the campaign, screener-example-plugin 0.1.0 " in told


@pytest.mark.slow
def test_the_same_plugin_resumes(campaign, installed):
    _, words = campaign
    assert "the best 3 of 3" in screener(*words, path=[installed])
