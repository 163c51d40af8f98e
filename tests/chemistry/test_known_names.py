"""Names, abbreviations and CAS numbers of known molecules."""

import pytest
from chemicals.identifiers import search_chemical
from rdkit import Chem

from screener.chemistry import known_names
from screener.chemistry.known_names import (
    KnownMolecule,
    has_check_digit,
    is_cas_number,
    known_as,
    known_molecules,
    names_like,
)


@pytest.mark.parametrize(
    ("text", "smiles"),
    [
        ("ethylene carbonate", "O=C1OCCO1"),
        ("Ethylene Carbonate (EC)", "O=C1OCCO1"),
        ("EC", "O=C1OCCO1"),
        ("fec", "O=C1OCC(F)O1"),
        ("96-49-1", "O=C1OCCO1"),
        ("γ-butyrolactone", "O=C1CCCO1"),
        ("gamma butyrolactone", "O=C1CCCO1"),
        ("2(5H)-furanone", "O=C1C=CCO1"),
        ("HFE-7100", "COC(F)(F)C(F)(F)C(F)(F)C(F)(F)F"),
        ("veratrole", "COc1ccccc1OC"),
        ("sulfolane", "O=S1(=O)CCCC1"),
    ],
)
def test_known_molecules_have_their_names(text, smiles):
    (known,) = known_as(text)
    assert Chem.CanonSmiles(known.smiles) == Chem.CanonSmiles(smiles)


def test_cas_numbers_are_those_of_the_molecules():
    unknown = []
    for each in known_molecules():
        if not each.cas:
            continue
        try:
            found = search_chemical(each.cas)
        except ValueError:
            unknown.append(each.cas)
            continue
        drawn = Chem.MolToInchiKey(Chem.MolFromSmiles(each.smiles))
        assert drawn.split("-")[0] == found.InChI_key.split("-")[0], each.cas
    assert unknown == ["114435-02-8"]  # fluoroethylene carbonate, from a supplier's safety sheet


def test_the_lists_have_no_name_twice_and_cas_numbers_that_can_be():
    listed = known_molecules()
    assert len(listed) > 300
    twice = {name for each in listed for name in each.names if known_as(name) != [each]}
    assert twice == {"PS"}  # which both propane sultone and propylene sulfite are called
    numbers = [each.cas for each in listed if each.cas]
    assert len(numbers) > 200
    assert len(set(numbers)) == len(numbers)
    assert all(is_cas_number(each) and has_check_digit(each) for each in numbers)


def test_what_nobody_is_called():
    assert known_as("unobtainium") == []
    assert names_like("unobtainium") == []
    assert known_as("7732-18-5") == []
    assert has_check_digit("7732-18-5")
    assert not has_check_digit("7732-18-6")
    assert not is_cas_number("1,2-dimethoxyethane")


def test_the_nearest_names_are_suggested():
    assert names_like("ethylen carbonat")[0] == "ethylene carbonate (EC)"
    assert "adiponitrile (ADN)" in names_like("adiponitril")
    assert len(names_like("methyl acetat", n=2)) <= 2


def test_a_name_of_several_gives_all_of_them(monkeypatch):
    two = (KnownMolecule("a (X)", "C", ""), KnownMolecule("b (X)", "CC", ""))
    monkeypatch.setattr(known_names, "known_molecules", lambda: two)
    assert known_as("x") == list(two)
