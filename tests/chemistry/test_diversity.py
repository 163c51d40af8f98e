"""Choosing molecules that differ: by likeness, by scaffold, always the better one first."""

from screener.chemistry.diversity import choose_diverse

CARBONATES = ["O=C1OCCO1", "CC1COC(=O)O1", "CCC1COC(=O)O1", "CC1OC(=O)OC1C"]
OTHERS = ["CC#N", "COCCOC", "C1CCOC1", "CC1CCCO1"]


def test_nothing_asked_is_the_order_as_it_was():
    assert choose_diverse([*CARBONATES, *OTHERS], 6, None, None) == [0, 1, 2, 3, 4, 5]
    assert choose_diverse([], 6, 0.5, 1) == []


def test_of_two_that_are_alike_the_better_one_stays():
    chosen = choose_diverse([*CARBONATES, *OTHERS], 8, 0.4, None)
    assert 0 in chosen
    assert chosen == sorted(chosen)
    assert {4, 5} <= set(chosen)  # like none before them
    turned = choose_diverse(["CCC1COC(=O)O1", "CC1COC(=O)O1"], 2, 0.4, None)
    assert turned == choose_diverse(["CC1COC(=O)O1", "CCC1COC(=O)O1"], 2, 0.4, None) == [0]
    assert choose_diverse(["CC#N", "CC#N", "CCO"], 3, 0.99, None) == [0, 2]


def test_a_scaffold_is_chosen_so_often_and_chains_have_none():
    smiles = [*CARBONATES, "CC#N", "CCC#N", "CCCC#N", *OTHERS[2:]]
    assert choose_diverse(smiles, 9, None, 2) == [0, 1, 4, 5, 6, 7, 8]
    assert choose_diverse(smiles, 9, None, 1) == [0, 4, 5, 6, 7]
    assert choose_diverse(smiles, 3, None, 1) == [0, 4, 5]
