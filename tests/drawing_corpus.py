"""A corpus of drawings, each with what the library should make of it.

Valid ones are 25 molecules in eight dressings each, whose canonical SMILES are written down here.
Invalid ones are molecules into which one feature is drawn that no molecule has, with the code of
the reason. Everything follows from the seeds; run as a script, it writes the four files into a
folder: `python tests/drawing_corpus.py FOLDER`.
"""

import random
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from rdkit import Chem
from rdkit.Chem import rdDepictor

# the identity, and other drawings of the same molecule
MOLECULES = (
    ("CCO", "OCC", "[H]OC([H])([H])C"),
    ("CC(=O)O", "OC(C)=O"),
    ("COC(=O)OC",),
    ("C[C@@H]1COC(=O)O1",),
    ("COCCOC",),
    ("c1ccsc1", "C1=CSC=C1", "C1:C:S:C:C:1"),
    ("Cc1ccccc1", "CC1=CC=CC=C1"),
    ("c1ccc2cccc-2cc1", "C1=CC2=CC=CC2=CC=C1"),
    ("c1ccc(-c2ccccc2)cc1", "C1=CC=CC=C1-c1ccccc1"),
    ("C[N+](=O)[O-]", "CN(=O)=O", "C[N+2]([O-])[O-]", "CN(->O)=O"),
    ("O=[N+]([O-])c1ccccc1", "O=N(=O)c1ccccc1"),
    ("CN=[N+]=[N-]", "CN=N#N", "C[N-][N+]#N"),
    ("C=[N+]=[N-]", "C=N#N", "[CH2-][N+]#N"),
    ("CP(C)(C)=O", "C[P+](C)(C)[O-]", "CP(C)(C)->O"),
    ("COP(=O)(OC)OC", "CO[P+]([O-])(OC)OC"),
    ("C[S+](C)[O-]", "CS(C)=O", "CS(C)->O"),
    ("CC[S@+](C)[O-]", "CC[S@](C)=O"),
    ("O=S1(=O)CCCC1", "[O-][S+2]1([O-])CCCC1", "[O-][S+]1(=O)CCCC1"),
    ("COS(=O)OC", "CO[S+]([O-])OC"),
    ("CC#[N+][O-]", "CC#N=O", "C[C-]=[N+]=O"),
    ("C[N+](C)(C)[O-]", "CN(C)(C)=O", "CN(C)(C)->O"),
    ("[O-][n+]1ccccc1", "O=n1ccccc1"),
    ("C=P(C)(C)C", "[CH2-][P+](C)(C)C"),
    ("C[N+](C)(C)[B-](F)(F)F", "CN(C)(C)->B(F)(F)F"),
    ("C/C=C/C[C@H](F)Cl",),
)
CARRIERS = ("CCOC(C)=O", "CC1COC(=O)O1", "CCCC#N", "CCOCCOCC")


@dataclass(frozen=True)
class Drawing:
    """One record, and the canonical SMILES or the code of the reason that belongs to it."""

    name: str
    text: str  # a SMILES with its extension, or a mol block without title
    expected: str

    @property
    def is_molblock(self) -> bool:
        return "\n" in self.text


def valid() -> list[Drawing]:
    """200 drawings of molecules."""
    found = []
    for k, (expected, *others) in enumerate(MOLECULES):
        forms = [expected, *others]
        for n, (dressing, make) in enumerate(DRESSINGS.items()):
            text = make(forms[n % len(forms)], random.Random(8 * k + n))
            found.append(Drawing(f"{expected} {dressing}".replace(" ", "_"), text, expected))
    return found


def invalid() -> list[Drawing]:
    """200 records that are no molecule."""
    found = []
    for k, (name, (code, make)) in enumerate(FEATURES.items()):
        for n, carrier in enumerate(CARRIERS):
            text = make(carrier, random.Random(4 * k + n))
            found.append(Drawing(f"{name} on {carrier}".replace(" ", "_"), text, code))
    return found


def _parsed(smiles: str) -> Chem.Mol:
    """The molecule as drawn: charges, double bonds and hydrogens stay where they are."""
    mol = Chem.MolFromSmiles(smiles, sanitize=False)
    mol.UpdatePropertyCache(strict=False)
    Chem.AssignStereochemistry(mol)
    rdDepictor.Compute2DCoords(mol)
    return mol


def _shuffled(mol: Chem.Mol, rng: random.Random) -> Chem.Mol:
    return Chem.RenumberAtoms(mol, rng.sample(range(mol.GetNumAtoms()), mol.GetNumAtoms()))


def _other_order(smiles: str, rng: random.Random) -> str:
    return Chem.MolToSmiles(_shuffled(_parsed(smiles), rng), canonical=False)


def _with_hydrogens(smiles: str, rng: random.Random) -> str:
    mol = Chem.AddHs(_parsed(smiles))
    return Chem.MolToSmiles(_shuffled(mol, rng), canonical=False)


def _with_values(smiles: str, rng: random.Random) -> str:
    values = ";".join(str(rng.randrange(100)) for _ in range(_parsed(smiles).GetNumAtoms()))
    return f"{smiles} |$_AV:{values}$,lp:0:2,r|"


def _with_data(smiles: str, rng: random.Random) -> str:
    return f"{smiles} |SgD:0:note:{rng.randrange(100)}::::|"


def _v2000(smiles: str, rng: random.Random) -> str:
    return Chem.MolToMolBlock(_shuffled(_parsed(smiles), rng), kekulize=False)


def _v3000(smiles: str, rng: random.Random) -> str:
    return Chem.MolToV3KMolBlock(_shuffled(_parsed(smiles), rng), kekulize=False)


def _dressed_v2000(smiles: str, rng: random.Random) -> str:
    block = _v2000(smiles, rng)
    n_atoms = int(block.split("\n")[3][:3])
    everything = "".join(f"{number:4d}" for number in range(1, min(n_atoms, 8) + 1))
    return _before_end(
        block,
        "V    1 0.25",
        "M  STY  2   1 DAT   2 SUP",
        "M  SAL   1  1   1",
        "M  SDT   1 pKa",
        "M  SDD   1     0.0000    0.0000    DR    ALL  1       6",
        "M  SED   1 4.2",
        f"M  SAL   2{min(n_atoms, 8):3d}{everything}",
        "M  SMT   2 Mol",
    )


def _dressed_v3000(smiles: str, rng: random.Random) -> str:
    return _with_v3000_group(_v3000(smiles, rng), "DAT", 'FIELDNAME=note FIELDDATA="4.2"')


DRESSINGS: dict[str, Callable[[str, random.Random], str]] = {
    "in another order": _other_order,
    "with hydrogens": _with_hydrogens,
    "with values": _with_values,
    "with data": _with_data,
    "V2000": _v2000,
    "V3000": _v3000,
    "V2000 with groups": _dressed_v2000,
    "V3000 with groups": _dressed_v3000,
}


def _before_end(block: str, *lines: str) -> str:
    return block.replace("M  END", "\n".join([*lines, "M  END"]))


def _with_v3000_group(block: str, kind: str, rest: str) -> str:
    block = re.sub(r"(M  V30 COUNTS \d+ \d+) 0", r"\1 1", block)
    group = f"M  V30 BEGIN SGROUP\nM  V30 1 {kind} 0 ATOMS=(1 1) {rest}\nM  V30 END SGROUP\n"
    return block.replace("M  V30 END CTAB", f"{group}M  V30 END CTAB")


def _methyl(mol: Chem.Mol, rng: random.Random) -> int:
    """The number, from 1, of a carbon with one neighbour."""
    ends = mol.GetSubstructMatches(Chem.MolFromSmarts("[CX4;D1]"))
    return int(rng.choice(ends)[0]) + 1


def _chain_bond(mol: Chem.Mol, rng: random.Random) -> int:
    """The number, from 1, of a single bond of a carbon with one neighbour."""
    bond, *_ = mol.GetAtomWithIdx(_methyl(mol, rng) - 1).GetBonds()
    return int(bond.GetIdx()) + 1


def _line(block: str, number: int, change: Callable[[str], str]) -> str:
    lines = block.split("\n")
    lines[number] = change(lines[number])
    return "\n".join(lines)


Maker = Callable[[str, random.Random], str]


def _bond(kind: int, version: str = "V2000") -> Maker:
    def make(smiles: str, rng: random.Random) -> str:
        mol = _shuffled(_parsed(smiles), rng)
        number = _chain_bond(mol, rng)
        if version == "V3000":
            pattern = rf"(BEGIN BOND\n(?:.*\n){{{number - 1}}}M  V30 \d+ )\d+"
            return re.sub(pattern, rf"\g<1>{kind}", Chem.MolToV3KMolBlock(mol))
        return _line(
            Chem.MolToMolBlock(mol),
            3 + mol.GetNumAtoms() + number,
            lambda line: f"{line[:6]}{kind:3d}{line[9:]}",
        )

    return make


def _symbol(symbol: str, *lines: str, version: str = "V2000") -> Maker:
    def make(smiles: str, rng: random.Random) -> str:
        mol = _shuffled(_parsed(smiles), rng)
        number = _methyl(mol, rng)
        if version == "V3000":
            pattern = rf"(BEGIN ATOM\n(?:.*\n){{{number - 1}}}M  V30 \d+ )C"
            return re.sub(pattern, rf"\g<1>{symbol}", Chem.MolToV3KMolBlock(mol))
        block = _line(
            Chem.MolToMolBlock(mol),
            3 + number,
            lambda line: f"{line[:31]}{symbol:3s}{line[34:]}",
        )
        return _before_end(block, *(line.format(number) for line in lines))

    return make


def _property(*lines: str) -> Maker:
    """Property lines, in which `{0}` is the number of a methyl group."""
    return _symbol("C", *lines)


def _attribute(text: str) -> Maker:
    def make(smiles: str, rng: random.Random) -> str:
        mol = _shuffled(_parsed(smiles), rng)
        pattern = rf"(BEGIN ATOM\n(?:.*\n){{{_methyl(mol, rng) - 1}}}.*)\n"
        return re.sub(pattern, rf"\g<1> {text}\n", Chem.MolToV3KMolBlock(mol))

    return make


def _group(kind: str, *lines: str) -> Maker:
    return _property(f"M  STY  1   1 {kind}", "M  SAL   1  1{0:4d}", *lines)


def _v3000_group(kind: str) -> Maker:
    return lambda smiles, rng: _with_v3000_group(_v3000(smiles, rng), kind, "LABEL=n")


def _linknode(smiles: str, rng: random.Random) -> str:
    return _v3000(smiles, rng).replace(
        "M  V30 END CTAB", "M  V30 LINKNODE 1 3 1 1 2\nM  V30 END CTAB"
    )


def _extension(text: str) -> Maker:
    return lambda smiles, rng: f"{_other_order(smiles, rng)} |{text}|"


def _after(text: str) -> Maker:
    return lambda smiles, rng: text + _other_order(smiles, rng)


FEATURES: dict[str, tuple[str, Maker]] = {
    "delocalised bond": ("impossible_aromaticity", _bond(4)),
    "single or double bond": ("query", _bond(5)),
    "single or aromatic bond": ("query", _bond(6)),
    "double or aromatic bond": ("query", _bond(7)),
    "any bond": ("query", _bond(8)),
    "V3000 delocalised bond": ("impossible_aromaticity", _bond(4, "V3000")),
    "V3000 any bond": ("query", _bond(8, "V3000")),
    "V3000 hydrogen bond": ("unusual_bond", _bond(10, "V3000")),
    "V3000 dative bond": ("unusual_bond", _bond(9, "V3000")),
    "any atom": ("query", _symbol("A")),
    "any hetero atom": ("query", _symbol("Q")),
    "any halogen": ("query", _symbol("X")),
    "any metal": ("query", _symbol("M")),
    "star": ("placeholder", _symbol("*")),
    "atom list": ("query", _symbol("L", "M  ALS{0:4d}  2 F N   O   ")),
    "R-group": ("placeholder", _symbol("R#", "M  RGP  1{0:4d}   1")),
    "R1": ("placeholder", _symbol("R1")),
    "abbreviated phenyl": ("abbreviation", _symbol("Ph")),
    "V3000 any hetero atom": ("query", _symbol("Q", version="V3000")),
    "V3000 atom list": ("query", _symbol("[N,O]", version="V3000")),
    "V3000 R-group": ("placeholder", _symbol("R#", version="V3000")),
    "alias": ("abbreviation", _property("A  {0:3d}", "CF3")),
    "attachment point": ("placeholder", _property("M  APO  1{0:4d}   1")),
    "substitution count": ("query", _property("M  SUB  1{0:4d}   2")),
    "unsaturation": ("query", _property("M  UNS  1{0:4d}   1")),
    "ring bond count": ("query", _property("M  RBC  1{0:4d}   2")),
    "unknown property": ("invalid_molblock", _property("M  XYZ  1{0:4d}   2")),
    "V3000 hydrogen count": ("query", _attribute("HCOUNT=1")),
    "V3000 unsaturation": ("query", _attribute("UNSAT=1")),
    "V3000 attachment point": ("placeholder", _attribute("ATTCHPT=1")),
    "V3000 link node": ("repeat_unit", _linknode),
    "repeat unit": ("repeat_unit", _group("SRU", "M  SMT   1 n")),
    "monomer": ("repeat_unit", _group("MON")),
    "copolymer": ("repeat_unit", _group("COP")),
    "mixture": ("mixture", _group("MIX")),
    "multiple group without its copies": (
        "repeat_unit",
        _group("MUL", "M  SPA   1  1{0:4d}", "M  SMT   1 3"),
    ),
    "contracted group": ("abbreviation", _group("SUP", "M  SMT   1 Boc")),
    "V3000 repeat unit": ("repeat_unit", _v3000_group("SRU")),
    "V3000 generic bracket": ("repeat_unit", _v3000_group("GEN")),
    "aromatic bond in SMILES": ("impossible_aromaticity", _after("C:")),
    "any bond in SMILES": ("query", _after("C~")),
    "quadruple bond in SMILES": ("unusual_bond", _after("C$C.")),
    "star in SMILES": ("placeholder", _after("*.")),
    "R-group in CXSMILES": ("placeholder", _extension("$R1$")),
    "alias in CXSMILES": ("abbreviation", _extension("$CF3$")),
    "repeat unit in CXSMILES": ("repeat_unit", _extension("Sg:n:1,2:n:ht")),
    "link node in CXSMILES": ("repeat_unit", _extension("LN:1:1.3")),
    "variable attachment in CXSMILES": ("query", _extension("m:0:1.2")),
    "radical in CXSMILES": ("radical", lambda smiles, rng: f"{smiles} |^1:0|"),
    "unknown field in CXSMILES": ("invalid_extension", _extension("foo:1")),
}


def files(drawings: list[Drawing]) -> Iterator[tuple[str, str]]:
    """Name endings and contents of the files that hold some drawings."""
    yield (
        ".smi",
        "".join(f"{each.text}\t{each.name}\n" for each in drawings if not each.is_molblock),
    )
    yield (
        ".sdf",
        "".join(
            f"{each.name}\n{each.text.split(chr(10), 1)[1]}$$$$\n"
            for each in drawings
            if each.is_molblock
        ),
    )


if __name__ == "__main__":
    for stem, drawn in (("valid", valid()), ("invalid", invalid())):
        for ending, content in files(drawn):
            Path(sys.argv[1], stem + ending).write_text(content)
