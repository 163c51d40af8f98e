from copy import deepcopy

import pytest

from screener.enumeration.limits import Limits
from screener.enumeration.parts import Pattern, part_of
from screener.enumeration.space import make_space
from screener.enumeration.spec import Spec, load_spec
from screener.errors import ConfigError

GOOD = {
    "limits": {"max_heavy": 9},
    "substituents": {"small": ["[*][H]", "[*]C"], "more": ["small", "[*]CC"]},
    "scaffolds": [{"family": "ether", "smiles": "O([*:1])[*:2]", "sites": "more"}],
}


def changed(path, value):
    values = deepcopy(GOOD)
    *way, last = path
    at = values
    for key in way:
        at = at[key]
    at[last] = value
    return values


def made(values, seeds=()):
    return make_space(Spec.from_mapping(values, "my.toml"), "my.toml", seeds)


def test_good_is_good():
    assert made(GOOD).n_draws == 9


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (["limit"], {}, "my.toml: limit: "),
        (["limits", "max_hevy"], 3, "limits.max_hevy"),
        (["limits", "min_heavy"], 10, "no molecule is both"),
        (["limits", "max_heavy"], 0, "limits.max_heavy"),
        (["limits", "elements"], ["C", "Xx"], "Xx: no such element"),
        (["limits", "elements"], ["H"], "besides hydrogen"),
        (["limits", "elements"], ["C"], "leave no scaffold"),
        (["limits", "min_charge"], 1, "no molecule has both"),
        (["limits", "forbidden"], {"odd": "C("}, r"odd: 'C\(' is not SMARTS"),
        (["substituents", "small"], [], "small is empty"),
        (["substituents", "small"], ["[*]C("], r"small: '\[\*\]C\(' is not SMILES"),
        (["substituents", "small"], ["CC"], "small: 'CC' is neither a set nor a substituent"),
        (["substituents", "small"], ["more"], "contains itself: small > more > small"),
        (["substituents", "small"], [{"smiles": "[*]C[*:1]", "sites": "no", "max_heavy": 4}],
         "small: there is no set 'no'"),
        (["substituents", "small"], [{"smiles": "[*]C", "sites": "more", "max_heavy": 4}],
         "small: .* has no site"),
        (["scaffolds"], [], "nothing to enumerate"),
        (["scaffolds", 0, "smiles"], "O(C", r"\[\[scaffolds\]\] number 1: .* is not SMILES"),
        (["scaffolds", 0, "smiles"], "COC", r"\[\[scaffolds\]\] number 1: .* has no site"),
        (["scaffolds", 0, "sites"], {"1": "small"}, "has the sites 1, 2"),
        (["scaffolds", 0, "sites"], "big", "there is no set 'big'"),
        (["scaffolds", 0, "site"], "small", r"scaffolds.0.site"),
    ],
)  # fmt: skip
def test_mistakes_are_told_with_their_place(path, value, message):
    with pytest.raises(ConfigError, match=f"my.toml: .*{message}|{message}") as told:
        made(changed(path, value))
    assert str(told.value).startswith("my.toml: ")


REACTION = {
    "blocks": {"acids": ["CC(=O)O"], "none": []},
    "reactions": [
        {"family": "e", "name": "r", "smarts": "[C:1][OH]>>[C:1]F", "blocks": ["acids"]},
    ],
}


@pytest.mark.parametrize(
    ("blocks", "reaction", "message"),
    [
        ({"none": []}, {}, r"\[blocks\] none is empty"),
        ({"acids": ["C("]}, {}, r"\[blocks\] acids: 'C\(' is not SMILES"),
        ({"acids": ["CC"]}, {}, r"r: no molecule of \[blocks\] acids"),
        ({"acids": ["CO"]}, {"blocks": ["bases"]}, "there is no list 'bases'"),
        ({"acids": ["CO"]}, {"blocks": ["acids", "acids"]}, "has 1 reactants, but 2 are given"),
        ({"acids": ["CO"]}, {"smarts": "CO"}, "r: .*'CO'"),
        ({"acids": ["CO"]}, {"smarts": "[C:1]>>[C"}, "is not reaction SMARTS"),
    ],
)
def test_mistakes_in_reactions(blocks, reaction, message):
    (good,) = REACTION["reactions"]
    with pytest.raises(ConfigError, match=message):
        made({"blocks": blocks, "reactions": [{**good, **reaction}]})


def test_mistakes_in_mutation():
    rules = {"fluorinate": "[C:1]>>[C:1]F"}
    with pytest.raises(ConfigError, match="give a file of them with --seeds"):
        made({"mutation": {"rules": rules}})
    with pytest.raises(ConfigError, match="'C1' is not SMILES"):
        made({"mutation": {"rules": rules}}, ["C1"])
    with pytest.raises(ConfigError, match="has 2 reactants, but 1 are given"):
        made({"mutation": {"rules": {"two": "[C:1].[C:2]>>[C:1][C:2]"}}}, ["CC"])
    with pytest.raises(ConfigError, match=r"it has no \[mutation\]"):
        made(GOOD, ["CC"])


def test_files(tmp_path):
    with pytest.raises(ConfigError, match="shipped specifications: battery, mutations, reactions"):
        load_spec("batery")
    broken = tmp_path / "broken.toml"
    broken.write_text("[limits\n")
    with pytest.raises(ConfigError, match="not valid TOML"):
        load_spec(str(broken))


def test_bonds_that_no_molecule_inside_has():
    """Of trifluoromethyl and methyl groups on carbon, fluorine is the first's alone."""
    limits = Limits(coordinations={"C:C,F,F,F", "C:C,H,H,H", "C:C,C,H,H", "F:C", "H:C"})
    fluorine, hydrogen, methyl = (part_of(s).attached for s in ("[*]F", "[*][H]", "[*]C"))
    assert (fluorine, hydrogen, methyl) == ("F:*", "H:*", "C:*,H,H,H")
    for scaffold, allowed in (
        ("CC(F)(F)[*:1]", [True, False, False]),
        ("CC[*:1]", [False, True, True]),
        ("CO[*:1]", [False, False, False]),
    ):
        (atom,) = Pattern(scaffold).attached
        assert [limits.allows_bond(p, atom) for p in (fluorine, hydrogen, methyl)] == allowed
        assert all(Limits().allows_bond(p, atom) for p in (fluorine, hydrogen, methyl))


def test_elements_are_those_of_before_unless_others_are_named():
    """They decide what an enumeration gives."""
    assert Limits().elements == ("H", "C", "N", "O", "F")
