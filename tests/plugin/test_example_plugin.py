"""The worked example in docs/plugin-example, installed as a distribution of its own."""

import json

import pytest
from example_package import EXAMPLE, install, run, screener

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


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    return install(tmp_path_factory.mktemp("plugin"))


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
