"""The example library: known electrolyte solvents and additives, and analogues around them.

Reads `known-molecules.csv` (written by hand: family, name, formula, CAS number where it is known,
SMILES) and writes `battery-candidates.csv` beside it. The analogues are all combinations of the
fragments below on the scaffolds of each family, less what `UNWANTED` and the size limits rule out.
Nothing is drawn at random: the same RDKit gives the same bytes. Stereo centres of analogues are
left open. Run it with `python screener/data/examples/make_battery_candidates.py`.
"""

import csv
from collections.abc import Iterator
from itertools import combinations_with_replacement, product
from pathlib import Path

from rdkit import Chem
from rdkit.Chem.rdMolDescriptors import CalcMolFormula

HERE = Path(__file__).resolve().parent
KNOWN = HERE / "known-molecules.csv"
CANDIDATES = HERE / "battery-candidates.csv"

# fmt: off
# Fragments, as SMILES that begin at the atom that is attached.
SMALL = ["C", "CC", "CCC", "C(C)C"]
ALKYL = [*SMALL, "CCCC", "CC(C)C", "C(C)CC", "C(C)(C)C", "CCCCC", "CCC(C)C"]
CYCLIC = ["C1CC1", "CC1CC1", "C1CCC1", "C1CCCC1"]
UNSATURATED = ["CC=C", "CC#C", "CC(C)=C"]
ETHER = ["CCOC", "CCOCC", "CCCOC", "C(C)COC", "CC(C)OC"]
NITRILE = ["CCC#N", "CCCC#N"]
TRIFLUORO = ["CC(F)(F)F", "CCC(F)(F)F", "C(C)C(F)(F)F", "C(C(F)(F)F)C(F)(F)F"]  # no other sp3 C-F
FLUORO = ["CCF", "CC(F)F", "CCCF", "CCC(F)F", "CC(C)(F)F", "CC(F)(F)C(F)F", "CC(F)(F)C(F)(F)F"]
ON_O = [*ALKYL, *CYCLIC, *UNSATURATED, *ETHER, *NITRILE, *TRIFLUORO, *FLUORO]
ON_C = [
    *ALKYL,
    "C1CC1", "C1CCC1", "C=C", "C(C)=C", "CC=C", "COC", "CCOC", "CC#N", "CCC#N",
    "C(F)(F)F", "CC(F)(F)F", "CCC(F)(F)F", "CF", "C(F)F", "CC(F)F", "C(F)(F)C", "C(F)(F)C(F)(F)F",
]
ON_N = [*SMALL, "CC(C)C", "C1CC1", "CC=C", "CCOC", "CCC#N", "CC(F)(F)F", "CCF", "CC(F)F"]
AMINO = [
    "N(C)C", "N(C)CC", "N(CC)CC", "N(C)CCC", "N(C)C(C)C", "N(C)CC=C", "N(C)CCOC", "N(C)CCC#N",
    "N(C)CC(F)(F)F", "N(CC)CC(F)(F)F", "N(C)CC(F)F", "N(C)CCF", "N1CCC1", "N1CCCC1",
    "N1CCCCC1", "N1CCOCC1",
]
ON_RING = [
    "C", "CC", "CCC", "C(C)C", "C=C", "CC=C", "C1CC1", "COC", "CCOC", "CC#N", "CCC#N",
    "C(F)(F)F", "CC(F)(F)F", "F", "CF", "C(F)F",
]
ON_EC = [*ON_RING, "COCC", "COCC(F)(F)F"]
TWICE_ON_RING = ["C", "CC", "COC", "C(F)(F)F", "F"]
ON_ARENE = [
    "C", "CC", "C(C)C", "C(C)(C)C", "OC", "OCC", "C#N", "F", "C(F)(F)F", "OCC(F)(F)F",
    "N(C)C", "C(C)=O", "C(=O)OC",
]
TWICE_ON_HETEROARENE = ["C", "OC", "C#N", "C(F)(F)F"]
NOTHING = [""]

# family, template, fragments for {a}, fragments for {b}, most heavy atoms; rings are closed by 9
CHAINS: list[tuple[str, str, list[str], list[str], int]] = [
    ("linear carbonate", "O=C(O{a})O{b}", ON_O, ON_O, 13),
    ("ether", "O({a}){b}", ON_O, ON_O, 11),
    ("ether", "O(C(F)(F)C(F)F){a}", [*ALKYL, *TRIFLUORO, *FLUORO], NOTHING, 14),
    ("glyme", "O({a})CCO{b}", ON_O, ON_O, 12),
    ("glyme", "O({a})CC(C)O{b}", ON_O, ON_O, 11),
    ("glyme", "O({a})CCCO{b}", ON_O, ON_O, 11),
    ("glyme", "O({a})CC(C)(C)CO{b}", SMALL, SMALL, 10),
    ("glyme", "O({a})CCCCO{b}", ON_O, SMALL, 11),
    ("glyme", "O({a})CCOCCO{b}", [*ALKYL, *TRIFLUORO, *FLUORO], SMALL, 13),
    ("glyme", "O({a})CC(F)(F)CO{b}", SMALL, SMALL, 12),
    ("glyme", "O({a})CC(F)(F)C(F)(F)CO{b}", SMALL, SMALL, 14),
    ("acetal", "O({a})CO{b}", ON_O, [*SMALL, *TRIFLUORO, *FLUORO], 10),
    ("ester", "C({a})(=O)O{b}", ON_C, ON_O, 11),
    ("ester", "C(=O)O{a}", ON_O, NOTHING, 10),
    ("diester", "O=C(O{a})C(=O)O{b}", ALKYL, [*ALKYL, *TRIFLUORO], 12),
    ("diester", "O=C(O{a})CC(=O)O{b}", ALKYL, [*SMALL, *TRIFLUORO], 12),
    ("diester", "O=C(O{a})CCC(=O)O{b}", SMALL, SMALL, 12),
    ("diester", "C({a})(=O)OCCOC(=O){b}", SMALL, SMALL, 12),
    ("diester", "C({a})(=O)OCCOC(=O)O{b}", SMALL, SMALL, 12),
    ("nitrile", "C({a})#N", [*ON_C, *CYCLIC, *ETHER, *TRIFLUORO, *FLUORO], NOTHING, 10),
    ("nitrile", "O({a})CC#N", ON_O, NOTHING, 10),
    ("nitrile", "O({a})CCC#N", ON_O, NOTHING, 11),
    ("nitrile", "O({a})CC(C)C#N", ON_O, NOTHING, 11),
    ("nitrile", "O({a})CCCC#N", ON_O, NOTHING, 11),
    ("nitrile", "C({a})CC#N", AMINO, NOTHING, 11),
    ("dinitrile", "C({a})(C#N)C#N", [*ALKYL, "CC=C", "CCOC"], NOTHING, 10),
    ("dinitrile", "C({a})(C#N)CC#N", [*ALKYL, "CC=C", "CCOC", "C(F)(F)F"], NOTHING, 10),
    ("dinitrile", "C({a})(C#N)CCC#N", [*ALKYL, "CC=C", "CCOC", "C(F)(F)F"], NOTHING, 11),
    ("dinitrile", "O(CCC#N){a}", ["CC#N", "CCC#N", "CCCC#N", "CC(C)C#N"], NOTHING, 12),
    ("dinitrile", "FC(F)({a})C{b}", ["CC#N"], ["C#N", "CC#N"], 12),
    ("amide", "C({a})(=O){b}", ON_C, AMINO, 11),
    ("amide", "C(=O){a}", AMINO, NOTHING, 12),
    ("carbamate", "O=C({a})O{b}", AMINO, ON_O, 12),
    ("urea", "O=C({a}){b}", AMINO, AMINO, 12),
    ("ketone", "C({a})(=O){b}", ON_C, ON_C, 8),
    ("amine", "C({a}){b}", AMINO, [*SMALL, "COC", "C(F)(F)F"], 9),
    ("nitro", "O=[N+]([O-]){a}", [*ALKYL, *CYCLIC, "CCOC", "CCC(F)(F)F"], NOTHING, 10),
    ("isocyanate", "O=C=N{a}", [*ALKYL, *CYCLIC, "CC=C", "CC(F)(F)F"], NOTHING, 10),
    ("lactam", "O=C9CCCN9{a}", ON_N, NOTHING, 12),
    ("lactam", "O=C9CCCCN9{a}", ON_N, NOTHING, 12),
    ("lactam", "O=C9CCCCCN9{a}", ON_N, NOTHING, 12),
    ("lactam", "O=C9COCCN9{a}", ON_N, NOTHING, 12),
    ("oxazolidinone", "O=C9OCCN9{a}", ON_N, NOTHING, 12),
    ("oxazolidinone", "O=C9OCCCN9{a}", ON_N, NOTHING, 12),
    ("urea", "O=C9N({a})CCN9{b}", ON_N, ON_N, 11),
    ("urea", "O=C9N({a})CCCN9{b}", ON_N, SMALL, 11),
    ("heteroaromatic", "c9n({a})ccn9", ON_N, NOTHING, 12),
    ("heteroaromatic", "c9n({a})ncc9", ON_N, NOTHING, 12),
    ("heteroaromatic", "c9n({a})ccc9", ON_N, NOTHING, 12),
    ("heteroaromatic", "c9n({a})cnn9", ON_N, NOTHING, 12),
    ("amine", "C9CN({a})CCO9", ON_N, NOTHING, 12),
    ("amine", "C9CCN({a})C9", ON_N, NOTHING, 12),
]

# family, scaffold, fragments for one of its ring carbons, fragments for two, most heavy atoms
RINGS: list[tuple[str, str, list[str], list[str], int]] = [
    ("cyclic carbonate", "O=C1OCCO1", ON_EC, [*TWICE_ON_RING, "C=C", "CCC", "CF"], 12),
    ("cyclic carbonate", "O=C1OC=CO1", ON_RING[:12], ["C", "CC", "C(F)(F)F"], 12),
    ("cyclic carbonate", "O=C1OCCCO1", ON_RING, TWICE_ON_RING, 11),
    ("cyclic ether", "C1CCOC1", [*ON_RING, "OC"], TWICE_ON_RING, 11),
    ("cyclic ether", "C1CCOCC1", [*ON_RING, "OC"], TWICE_ON_RING, 11),
    ("cyclic ether", "C1COC1", [*ON_RING, "OC"], TWICE_ON_RING, 10),
    ("cyclic ether", "C1COCO1", ON_RING, TWICE_ON_RING, 10),
    ("cyclic ether", "C1COCOC1", ON_RING, TWICE_ON_RING, 10),
    ("cyclic ether", "C1COCCO1", ON_RING, TWICE_ON_RING, 11),
    ("cyclic ether", "C1COCCOC1", ON_RING, ["C"], 12),
    ("lactone", "O=C1CCCO1", ON_RING, TWICE_ON_RING, 11),
    ("lactone", "O=C1CCCCO1", ON_RING, TWICE_ON_RING, 11),
    ("lactone", "O=C1CCCCCO1", ON_RING, ["C"], 12),
    ("lactone", "O=C1COCCO1", ON_RING, TWICE_ON_RING, 11),
    ("lactone", "O=C1C=CCO1", ON_RING[:12], ["C"], 11),
    ("lactam", "CN1CCCC1=O", ON_RING, TWICE_ON_RING, 11),
    ("lactam", "CN1CCCCC1=O", ON_RING, ["C"], 12),
    ("oxazolidinone", "CN1CCOC1=O", ON_RING, TWICE_ON_RING, 11),
    ("oxazolidinone", "CCN1CCOC1=O", ON_RING, ["C"], 12),
    ("urea", "CN1CCN(C)C1=O", ON_RING, ["C"], 12),
    ("ketone", "O=C1CCCC1", ON_RING, ["C"], 11),
    ("ketone", "O=C1CCCCC1", ON_RING, ["C"], 11),
    ("nitrile", "N#CC1CCOC1", ON_RING[:9], ["C"], 11),
    ("nitrile", "N#CC1CCC1", ON_RING, ["C"], 11),
    ("anhydride", "O=C1CCC(=O)O1", ON_RING, TWICE_ON_RING, 11),
    ("anhydride", "O=C1C=CC(=O)O1", ON_RING[:9], ["C", "CC"], 11),
    ("anhydride", "O=C1CCCC(=O)O1", ON_RING, ["C"], 11),
    ("aromatic", "c1ccccc1", ON_ARENE, ON_ARENE, 12),
    ("heteroaromatic", "c1ccncc1", ON_ARENE, TWICE_ON_HETEROARENE, 11),
    ("heteroaromatic", "c1ccoc1", ON_ARENE, TWICE_ON_HETEROARENE, 11),
    ("heteroaromatic", "c1cnoc1", ON_ARENE, TWICE_ON_HETEROARENE, 11),
    ("heteroaromatic", "c1cocn1", ON_ARENE, ["C", "CC", "C(F)(F)F"], 11),
    ("heteroaromatic", "Cn1ccnc1", ON_ARENE, ["C", "C#N", "C(F)(F)F"], 12),
    ("heteroaromatic", "Cn1cccn1", ON_ARENE, ["C", "C#N", "C(F)(F)F"], 12),
    ("heteroaromatic", "c1cnccn1", ON_ARENE, ["C", "OC", "F"], 11),
]
# fmt: on

# What no analogue contains; known molecules are exempt.
UNWANTED = [
    Chem.MolFromSmarts(pattern)
    for pattern in (
        "[O,N;X2,X3;!a]-[O,N;X2,X3;!a]",  # peroxides, hydroxylamines, hydrazines
        "[CX4](~[OX2,NX3])(~[OX2,NX3])~[OX2,NX3]",  # orthoesters
        "[CX4]([NX3])[OX2,NX3]",  # aminals
        "[CX4;!R]([OX2])([OX2])[#6]",  # acetals other than of formaldehyde
        "[CX4;!$(C1OC(=O)OC1)!$(C(F)(F)C(F)F)](F)[OX2,NX3]",  # alpha-fluoro ethers and amines
        "[OX2,NX3][CX4;R]C#N",  # cyanohydrins in rings
        "[OX2;!R][CX4;R][OX2]",  # glycosides
        "C(=O)C#N",  # acyl cyanides
        "C(=O)F",  # acyl fluorides
        "C(=O)[CX4](F)C=O",  # fluorinated 1,3-dicarbonyls
        "[CX3;!R]=[CX3][F,OX2]",  # enol ethers and fluoroalkenes
        "[CX3](F)=[CX3]",
    )
]


def molecule(smiles: str) -> Chem.Mol:
    """Parse, or stop: everything here is meant to be right."""
    mol = Chem.MolFromSmiles(smiles)
    if mol is None:
        raise SystemExit(f"RDKit cannot read {smiles!r}")
    return mol


def chains(template: str, first: list[str], second: list[str]) -> Iterator[Chem.Mol]:
    """Every pair of fragments on a template."""
    for a, b in product(first, second):
        yield molecule(template.format(a=a, b=b))


def attached(scaffold: Chem.Mol, atom: int, fragment: str) -> Chem.Mol:
    """The scaffold with a fragment for one hydrogen of `atom`; its own atom numbers stay."""
    joined = Chem.RWMol(Chem.CombineMols(scaffold, molecule(fragment)))
    joined.AddBond(atom, scaffold.GetNumAtoms(), Chem.BondType.SINGLE)
    Chem.SanitizeMol(joined)
    return joined.GetMol()


def rings(smiles: str, once: list[str], twice: list[str]) -> Iterator[Chem.Mol]:
    """A scaffold with up to two fragments on ring carbons; on one carbon only alike and small."""
    scaffold = molecule(smiles)
    sites = [
        atom.GetIdx()
        for atom in scaffold.GetAtoms()
        if atom.IsInRing() and atom.GetSymbol() == "C" and atom.GetTotalNumHs() > 0
    ]
    yield scaffold
    for site, fragment in product(sites, once):
        yield attached(scaffold, site, fragment)
    for (i, j), (a, b) in product(combinations_with_replacement(sites, 2), product(twice, twice)):
        if i != j:
            yield attached(attached(scaffold, i, a), j, b)
        elif a == b and a in {"C", "F"} and scaffold.GetAtomWithIdx(i).GetTotalNumHs() == 2:
            yield attached(attached(scaffold, i, a), i, b)


def analogues() -> Iterator[tuple[str, str]]:
    """(family, canonical SMILES) of every analogue that the rules let through, repeats included."""
    made = [
        *((family, limit, mol) for family, t, a, b, limit in CHAINS for mol in chains(t, a, b)),
        *((family, limit, mol) for family, s, a, b, limit in RINGS for mol in rings(s, a, b)),
    ]
    for family, limit, mol in made:
        if mol.GetNumHeavyAtoms() <= limit and not any(map(mol.HasSubstructMatch, UNWANTED)):
            yield family, Chem.MolToSmiles(mol)


def known() -> Iterator[tuple[str, str, str]]:
    """(family, canonical SMILES, name) of the known molecules, each checked against its formula."""
    with KNOWN.open(newline="", encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            mol = molecule(row["smiles"])
            if CalcMolFormula(mol) != row["formula"]:
                raise SystemExit(f"{row['known_as']} is {CalcMolFormula(mol)}: {row}")
            yield row["family"], Chem.MolToSmiles(mol), row["known_as"]


def flat(smiles: str) -> str:
    """The SMILES without stereo, by which repeats are found."""
    return Chem.MolToSmiles(molecule(smiles), isomericSmiles=False)


def candidates() -> list[dict[str, str]]:
    """All rows: the known molecules first, then the analogues in the order of the tables."""
    rows: dict[str, tuple[str, str, str]] = {}
    for family, smiles, name in known():
        if rows.setdefault(flat(smiles), (family, smiles, name))[2] != name:
            raise SystemExit(f"{name} is there twice: {smiles}")
    for family, smiles in analogues():
        rows.setdefault(smiles, (family, smiles, ""))
    return [
        {"smiles": smiles, "name": f"candidate-{n:04d}", "family": family, "known_as": name}
        for n, (family, smiles, name) in enumerate(rows.values(), start=1)
    ]


def write(path: Path) -> int:
    """Write the library as CSV; the number of molecules."""
    rows = candidates()
    with path.open("w", newline="", encoding="utf-8") as out:
        table = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
    return len(rows)


if __name__ == "__main__":
    print(f"{write(CANDIDATES)} molecules in {CANDIDATES}")
