import json
import re

import pytest

SPEC = """
[limits]
max_heavy = 9
[substituents]
small = ["[*][H]", "[*]C", "[*]F"]
[[scaffolds]]
family = "cyclic carbonate"
smiles = "O=C1OC([*:1])C([*:2])O1"
sites = "small"
[[scaffolds]]
family = "sulfite"
smiles = "O=S1OC([*:1])C([*:2])O1"
sites = "small"
"""


@pytest.mark.slow
def test_enumerate_says_what_it_made_and_what_models_know(screener, tmp_path):
    (tmp_path / "my.toml").write_text(SPEC)
    out = tmp_path / "out.csv"
    code, told, _ = screener(
        "library", "enumerate", tmp_path / "my.toml", "--out", out, "--workers", 1
    )
    assert code == 0, told
    assert "9 draws" in told
    assert "limits rule them out: O=S1OC([*:1])C([*:2])O1" in told
    assert "6 made = 6 kept + 0 duplicates + 0 refused" in told
    assert "of 6 drawn evenly" in told
    assert re.search(r"qm9-mmff94-direct +\d+\.\d% \(", told)
    assert re.search(r"qm9-gfn2opt-delta +at most \d+\.\d% \(.*by elements, size and bonding", told)
    header, *rows = out.read_text().splitlines()
    assert header == "smiles,id,family,scaffold,parts"
    assert len(rows) == 6
    code, _, error = screener("library", "enumerate", tmp_path / "my.toml", "--out", out)
    assert code == 2
    assert "is there already" in error


def test_options_stand_above_the_specification(screener, tmp_path):
    (tmp_path / "my.toml").write_text(SPEC)
    run = ("library", "enumerate", tmp_path / "my.toml", "--workers", 1, "--domain-sample", 0)
    code, told, _ = screener(*run, "--out", tmp_path / "a.smi", "--elements", "H,C,O,F,S")
    assert code == 0
    assert "sulfite 6" in told
    assert "inside the models' domains" not in told
    share = r"qm9-mmff94-direct can speak about \d+% of the molecules \(\d+ of 12 looked at\)"
    assert re.search(share, told)
    assert "has sulfur, which the model never saw (6)" in told
    assert told.index("can speak about") < told.index("made =")
    assert "--inside qm9-mmff94-direct makes only molecules that this model can speak about" in told
    code, _, error = screener(*run, "--out", tmp_path / "b.smi", "--max-heavy", 4)
    assert code == 2
    assert "leave no scaffold" in error
    assert not (tmp_path / "b.smi").exists()


def test_only_what_a_bundle_knows(screener, tmp_path):
    (tmp_path / "my.toml").write_text(SPEC)
    run = ("library", "enumerate", tmp_path / "my.toml", "--workers", 1, "--domain-sample", 0)
    inside = ("--out", tmp_path / "a.smi", "--inside", "qm9-mmff94-direct")
    code, told, _ = screener(*run, *inside)
    assert code == 0, told
    assert "= 3 kept" in told  # with hydrogen and methyl on two sites, and not with fluorine
    assert "--inside" not in told
    code, told, _ = screener(*run, "--out", tmp_path / "c.smi", "--json")
    assert code == 0
    as_json = json.loads(told)
    assert (as_json["n_kept"], as_json["kept"]) == (6, {"cyclic carbonate": 6})
    assert as_json["coverage"][0]["n_molecules"] == 6
    assert as_json["inside_domains"] == []
    code, _, error = screener(*run, "--out", tmp_path / "b.smi", "--inside", "no-such-bundle")
    assert code == 2
    assert "no-such-bundle" in error


def test_mutation_starts_from_a_file(screener, tmp_path):
    (tmp_path / "seeds.csv").write_text("name,smiles\nEC,O=C1OCCO1\n")
    run = ("library", "enumerate", "mutations", "--limit", 50, "--workers", 1)
    rest = ("--domain-sample", 0, "--out", tmp_path / "a.smi")
    code, told, _ = screener(*run, *rest, "--seeds", tmp_path / "seeds.csv")
    assert code == 0, told
    assert len((tmp_path / "a.smi").read_text().splitlines()) == 50
    code, _, error = screener(*run, "--out", tmp_path / "b.smi")
    assert code == 2
    assert "--seeds" in error
