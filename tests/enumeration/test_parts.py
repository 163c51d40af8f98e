from itertools import product

import pytest
from rdkit import Chem, rdBase

from screener.enumeration.combinations import Combinations
from screener.enumeration.parts import Pattern, part_of
from screener.enumeration.permutation import Permutation
from screener.errors import ConfigError


def joined_by_rdkit(pattern, parts):
    """The same by bonds instead of text."""
    with rdBase.BlockLogs():
        text = ".".join(
            [pattern, *(p.replace("[*]", f"[*:{n}]") for n, p in enumerate(parts, start=1))]
        )
        return Chem.MolToSmiles(Chem.RemoveHs(Chem.molzip(Chem.MolFromSmiles(text))))


@pytest.mark.parametrize(
    ("smiles", "parts"),
    [
        ("O=C(O[*:1])O[*:2]", ["[*]C", "[*]CC(F)(F)F"]),
        ("[*:2]OCCO[*:1]", ["[*]C1CCOC1", "[*]C1CC1"]),
        ("C1([*:1])COC([*:2])C1", ["[*]C1COC(=O)O1", "[*][H]"]),
        ("O=C1O[C@@H]([*:1])[C@]([*:2])(F)O1", ["[*][C@H](F)C", "[*]C1CC1"]),
        ("O=C1O[C@H]([*:1])[C@@]([*:2])(F)O1", ["[*]C#N", "[*][H]"]),
        ("[*:1]/C=C/[*:2]", ["[*]C#N", r"[*]/C=C\F"]),
        (r"[*:1]/C=C\[*:2]", [r"[*]/C=C\C", "[*]/C=C/C"]),
        ("n1([*:1])ccnc1", ["[*][H]"]),
        ("O=P([*:1])([*:2])OC", ["[*][H]", "[*][H]"]),
        ("C[N+]1([*:1])CCCC1", ["[*]CC=C"]),
        ("C1CC2CC1CC2[*:1]", ["[*]C1CC2CCC1C2"]),
    ],
)
def test_text_gives_the_molecule_that_bonds_give(smiles, parts):
    pattern = Pattern(smiles)
    fragments = pattern.fragments([[part_of(part)] for part in parts])
    found = fragments.joined([0] * len(parts))
    assert Chem.CanonSmiles(found) == joined_by_rdkit(smiles, parts)


@pytest.mark.parametrize(
    ("smiles", "n"),
    [
        ("O=C(O[*:1])O[*:2]", 2),
        ("O=C(O[*:1])C[*:2]", 1),
        ("O=C1OC([*:1])([*:2])C([*:3])([*:4])O1", 8),
        ("O=P(O[*:1])(O[*:2])O[*:3]", 6),
        ("O=C1O[C@H]([*:1])[C@@H]([*:2])O1", 2),
    ],
)
def test_symmetries_form_the_group_of_the_scaffold(smiles, n):
    assert len(Pattern(smiles).symmetries) + 1 == n


def test_combinations_are_all_that_fit_each_once():
    sizes = [(0, 1, 1, 3), (1, 2), (0, 0, 4)]
    numbered = Combinations(sizes, 4, most=9)
    found = [numbered.choice(number) for number in range(numbered.size)]
    every = product(*(range(len(site)) for site in sizes))
    fitting = [c for c in every if sum(s[k] for s, k in zip(sizes, c, strict=True)) <= 4]
    assert sorted(found) == fitting
    assert Combinations(sizes, 0, most=9).size == 0
    assert Combinations(sizes, -1, most=9).size == 0


@pytest.mark.parametrize("size", [1, 2, 3, 10, 1000, 12345])
def test_permutation_is_one_and_shuffles(size):
    shuffled = [Permutation(size, "a")(number) for number in range(size)]
    assert sorted(shuffled) == list(range(size))
    if size >= 1000:
        assert shuffled != [Permutation(size, "b")(number) for number in range(size)]
        # the mean of the first tenth is within five standard errors of that of all
        first = shuffled[: size // 10]
        error = size / (12 * len(first)) ** 0.5
        assert abs(sum(first) / len(first) - size / 2) < 5 * error


def test_permutation_of_huge_sizes_stays_inside():
    size = 10**40
    found = {Permutation(size, "a")(number) for number in range(100)}
    assert len(found) == 100
    assert all(0 <= number < size for number in found)


@pytest.mark.parametrize(
    ("smiles", "message"),
    [
        ("C(", "not SMILES"),
        ("", "not SMILES"),
        ("CC", "has no site"),
        ("[*]CC[*:1]", "without a number"),
        ("[*:1]CC[*:1]", "two sites of one number"),
        ("C=[*:1]", "one single bond"),
        ("C1C[*:1]1", "one single bond"),
        ("[*:1][*:2]", "bonded to each other"),
        ("C[*:1].C", "more than one molecule"),
    ],
)
def test_broken_scaffolds_are_told(smiles, message):
    with pytest.raises(ConfigError, match=message):
        Pattern(smiles)


@pytest.mark.parametrize(
    ("smiles", "message"),
    [("CC", "0 open ends"), ("[*]C[*]", "2 open ends"), ("[*]C[*:1]", "has sites")],
)
def test_broken_substituents_are_told(smiles, message):
    with pytest.raises(ConfigError, match=message):
        part_of(smiles)
