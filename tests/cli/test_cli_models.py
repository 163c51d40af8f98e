"""`screener models`: which bundles there are, and what their cards say."""

import json

from screener.models.bundle import load_bundle
from screener.models.shipped import shipped_bundles

KEYS = {"name", "low", "high", "geometry_level", "metrics"}


def test_list_names_what_ships(screener):
    code, out, _ = screener("models", "list")
    assert code == 0
    assert all(name in out for name in shipped_bundles())
    code, out, _ = screener("models", "list", "--json")
    found = json.loads(out)
    assert [each["name"] for each in found] == shipped_bundles()
    assert all(set(each) == KEYS for each in found)


def test_info_is_the_card(screener, tiny_bundles):
    name = shipped_bundles()[0]
    card = load_bundle(name).card
    code, out, _ = screener("models", "info", name, "--json")
    assert code == 0
    found = json.loads(out)
    assert found["metrics"] == card.metrics
    assert (found["low"], found["geometry_level"]) == (card.low, card.geometry_level)
    code, out, _ = screener("models", "info", name)
    (first, *_) = card.metrics.values()
    assert all(f"{values['mae']:.3f}" in out for values in first.values())
    code, out, _ = screener("models", "info", tiny_bundles.delta, "--json")
    assert json.loads(out)["name"] == "tiny-delta"


def test_unknown_names_are_refused(screener):
    code, _, err = screener("models", "info", "nonsense")
    assert code == 2
    assert "there is no bundle nonsense" in err
