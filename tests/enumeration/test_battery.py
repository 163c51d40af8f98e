from functools import cache

import pyarrow as pa
import pytest
from rdkit import Chem
from rdkit.Chem import Descriptors

from screener.chemistry.coordination import drawn_coordinations
from screener.enumeration.space import make_space
from screener.enumeration.spec import load_spec
from screener.enumeration.stream import Stream
from screener.registry.elements import G4MP2_ELEMENTS, QM9_ELEMENTS

BATTERY = load_spec("battery")
MAX_HEAVY = 9  # a space that is made quickly, with molecules of every family

# besides H, C, N, O and F
ELEMENTS = {
    "sulfone": "S",
    "sulfonate": "S",
    "sultone": "S",
    "sulfate": "S",
    "sulfite": "S",
    "sulfonamide": "S",
    "sulfamide": "S",
    "phosphate": "P",
    "phosphonate": "P",
    "phosphite": "P",
    "phosphazene": "P",
    "silane": "Si",
    "siloxane": "Si",
    "silyl ether": "Si",
    "silyl ester": "Si",
    "silyl phosphate": "Si P",
    "borate": "B",
    "boronic ester": "B",
    "boroxine": "B",
    "chlorinated carbonate": "Cl",
    "chlorinated ether": "Cl",
    "chlorinated ester": "Cl",
}
NAMED = {
    "sulfone": ["O=S1(=O)CCCC1", "CCS(C)(=O)=O", "CS(=O)(=O)C(F)(F)F"],
    "sulfonate": ["COS(C)(=O)=O", "O=S1(=O)CS(=O)(=O)OCO1"],
    "sultone": ["O=S1(=O)CCCO1", "O=S1(=O)C=CCO1", "O=S1(=O)CCCCO1"],
    "sulfate": ["O=S1(=O)OCCO1", "COS(=O)(=O)OC"],
    "sulfite": ["O=S1OCCO1", "CC1COS(=O)O1", "COS(=O)OC"],
    "sulfonamide": ["CN(C)S(=O)(=O)C(F)(F)F"],
    "sulfamide": ["CN(C)S(=O)(=O)F"],
    "phosphate": ["COP(=O)(OC)OC", "COP1(=O)OCCO1", "COP(=O)(F)F"],
    "phosphonate": ["COP(C)(=O)OC"],
    "phosphite": ["COP(OC)OC", "COP1OCCO1"],
    "phosphazene": ["FP1(F)=NP(F)(F)=NP(F)(F)=N1", "CCOP1(F)=NP(F)(F)=NP(F)(F)=N1"],
    "silane": ["C=C[Si](OC)(OC)OC", "C[Si](C)(C)C#N", "C[Si](C)(C)F", "C[Si](C)(C)C(F)(F)F"],
    "siloxane": ["C[Si](C)(C)O[Si](C)(C)C", "C=C[Si](C)(C)O[Si](C)(C)C=C"],
    "silyl ether": ["CO[Si](C)(C)C", "CO[Si](C)(C)OC"],
    "silyl ester": ["CC(=O)O[Si](C)(C)C", "C[Si](C)(C)OS(C)(=O)=O"],
    "silyl phosphate": ["C[Si](C)(C)OP(=O)(F)F", "COP(=O)(OC)O[Si](C)(C)C"],
    "borate": ["COB(OC)OC", "COB1OCCO1"],
    "boronic ester": ["CB(OC)OC", "CB1OC(C)(C)C(C)(C)O1"],
    "boroxine": ["CB1OB(C)OB(C)O1"],
    "fluorinated carbonate": [
        "O=C1OCC(F)O1",
        "O=C1OC(F)C(F)O1",
        "O=C1OCC(C(F)(F)F)O1",
        "COC(=O)OCC(F)(F)F",
        "COC(=O)OC(C(F)(F)F)C(F)(F)F",
    ],
    "fluorinated ether": ["FC(F)C(F)(F)COC(F)(F)C(F)F", "COC(C(F)(F)F)C(F)(F)F"],
    "chlorinated carbonate": ["O=C1OCC(Cl)O1", "COC(=O)OCCl"],
    "chlorinated ether": ["ClCCOCCCl", "COCCCl"],
    "chlorinated ester": ["COC(=O)CCl"],
}


def sets_for(entries):
    """The names of the sets that scaffolds or substituents with sites need, theirs included."""
    names = set()
    for entry in entries:
        sites = entry if isinstance(entry, str) else entry.sites
        named = {sites} if isinstance(sites, str) else set(sites.values())
        for name in named & set(BATTERY.substituents):
            names |= {name} | sets_for(BATTERY.substituents[name])
    return names


def made(scaffolds, limit, **limits):
    names = sets_for(scaffolds)
    sets = {name: entries for name, entries in BATTERY.substituents.items() if name in names}
    spec = BATTERY.model_copy(update={"scaffolds": scaffolds, "substituents": sets})
    spec = spec.with_limits(limits)
    stream = Stream(make_space(spec, "battery"), seed=0, limit=limit)
    return pa.concat_tables(list(stream)), stream


def of_family(family):
    return tuple(each for each in BATTERY.scaffolds if each.family == family)


@cache
def with_ten_elements():
    table, _ = made(BATTERY.scaffolds, 1500, max_heavy=MAX_HEAVY, elements=G4MP2_ELEMENTS)
    return table.to_pylist()


def elements_of(molecule):
    return {atom.GetSymbol() for atom in Chem.AddHs(molecule).GetAtoms()}


@pytest.mark.slow
def test_every_family_with_other_elements_yields_molecules_with_them():
    found = {}
    for row in with_ten_elements():
        found.setdefault(row["family"], []).append(Chem.MolFromSmiles(row["smiles"]))
    assert set(found) == {each.family for each in BATTERY.scaffolds}
    for family, symbols in ELEMENTS.items():
        for molecule in found[family]:
            assert set(symbols.split()) <= elements_of(molecule), family


@pytest.mark.slow
def test_what_they_yield_is_neutral_allowed_and_round_trips():
    forbidden = {
        name: Chem.MolFromSmarts(smarts) for name, smarts in BATTERY.limits.forbidden.items()
    }
    for row in with_ten_elements():
        molecule = Chem.MolFromSmiles(row["smiles"])
        assert Chem.MolToSmiles(molecule) == row["smiles"]
        assert Chem.GetFormalCharge(molecule) == 0
        assert Descriptors.NumRadicalElectrons(molecule) == 0
        assert elements_of(molecule) <= set(G4MP2_ELEMENTS)
        groups = [name for name, each in forbidden.items() if molecule.HasSubstructMatch(each)]
        assert not groups, row["smiles"]


@pytest.mark.parametrize(
    ("family", "smiles"),
    [(family, smiles) for family, examples in NAMED.items() for smiles in examples],
)
def test_what_is_known_of_a_family_is_made(family, smiles):
    """All molecules of its size whose atoms have neighbours as its own are made."""
    molecule = Chem.MolFromSmiles(smiles)
    table, stream = made(
        of_family(family),
        limit=10_000,
        elements=sorted(elements_of(molecule)),
        max_heavy=molecule.GetNumHeavyAtoms(),
        coordinations=drawn_coordinations(molecule),
    )
    assert stream.tally.ended == "all draws are done"
    assert Chem.CanonSmiles(smiles) in table["smiles"].to_pylist()


def test_each_family_with_other_elements_has_an_example():
    assert set(ELEMENTS) <= set(NAMED)


def test_other_elements_are_used_only_where_they_are_asked_for():
    assert BATTERY.limits.elements == QM9_ELEMENTS
    for asked in ({}, {"elements": [*QM9_ELEMENTS, "S", "P"]}):
        rows = made(BATTERY.scaffolds, 500, max_heavy=7, **asked)[0].to_pylist()
        allowed = set(asked.get("elements", QM9_ELEMENTS))
        families = {row["family"] for row in rows}
        expected = {
            family for family, symbols in ELEMENTS.items() if set(symbols.split()) <= allowed
        }
        assert families & set(ELEMENTS) == expected - {"phosphazene"}  # which is larger
        for row in rows:
            assert elements_of(Chem.MolFromSmiles(row["smiles"])) <= allowed


def test_a_ring_of_phosphazene_has_one_drawing():
    """Of two drawings, all double bonds of the ring are moved one bond further."""
    table, stream = made(
        of_family("phosphazene"),
        limit=10_000,
        max_heavy=13,
        elements=["H", "C", "N", "O", "F", "P"],
    )
    assert stream.tally.ended == "all draws are done"
    drawn_without_bonds = set()
    for smiles in table["smiles"].to_pylist():
        molecule = Chem.RWMol(Chem.MolFromSmiles(smiles))
        for bond in molecule.GetBonds():
            if bond.IsInRing():
                bond.SetBondType(Chem.BondType.ONEANDAHALF)
        drawn_without_bonds.add(Chem.MolToSmiles(molecule, isomericSmiles=False))
    assert len(drawn_without_bonds) == len(table)


@pytest.mark.parametrize(
    ("name", "forbidden", "allowed"),
    [
        ("B-H", "COBOC", "COB(C)OC"),
        ("Si-H beside a heteroatom", "CO[SiH](C)C", "C[SiH](C)C"),
        ("P-H", "COP(=O)OC", "COP(C)(=O)OC"),
        ("chlorine on a heteroatom", "C[Si](C)(C)Cl", "C[Si](C)(C)CCl"),
        ("fluorine that hydrolyses", "COB(F)OC", "COP(=O)(F)F"),
        ("chain of sulfur", "CSSSC", "CSSC"),
        ("S(II) beside a heteroatom", "CSOC", "CS(=O)(=O)OC"),
        ("bond of B, Si and P to each other", "C[Si](C)(C)[Si](C)(C)C", "C[Si](C)(C)OB(OC)OC"),
        ("acyl on B, Si, P or sulfonyl", "CC(=O)[Si](C)(C)C", "CC(=O)O[Si](C)(C)C"),
        ("cyanide on B, P or sulfonyl", "COP(=O)(C#N)OC", "C[Si](C)(C)C#N"),
        ("mixed anhydride", "CC(=O)OP(=O)(OC)OC", "COP(=O)(OC)OC"),
        ("alkyl perfluoroalkanesulfonate", "COS(=O)(=O)C(F)(F)F", "COS(C)(=O)=O"),
        ("alpha-fluoro alkoxide", "COB(OC)OC(F)F", "COB(OC)OCC(F)F"),
        ("alpha-fluoro alkoxide", "O=S1OCC(F)O1", "O=S1(=O)OCC(F)O1"),
        ("leaving group beside boron", "COB(CF)OC", "COB(CC)OC"),
        ("beta-elimination from B or Si", "C[Si](C)(C)CCF", "C[Si](C)(C)CCCF"),
        ("acyl chloride", "CC(=O)Cl", "COC(=O)CCl"),
        ("alpha-chloro ether or ester", "COCCl", "COC(=O)OCCl"),
        ("alpha-chloro amine", "CN(C)CCl", "CN(C)CCCCl"),
        ("beta-chloro amine", "CN(C)CCCl", "CN(CCCl)C(C)=O"),
        ("vinyl chloride", "C=CCl", "C=CCCl"),
        ("acyl on B, Si, P or sulfonyl", "CC(=O)S(C)(=O)=O", "CC(=O)CS(C)=O"),
        ("acidic C-H", "CS(=O)(=O)CS(C)(=O)=O", "O=S1(=O)CS(=O)(=O)OCO1"),
    ],
)
def test_forbidden_groups_are_those_that_they_are_named_for(name, forbidden, allowed):
    pattern = Chem.MolFromSmarts(BATTERY.limits.forbidden[name])
    assert Chem.MolFromSmiles(forbidden).HasSubstructMatch(pattern)
    assert not Chem.MolFromSmiles(allowed).HasSubstructMatch(pattern)
