import pytest
from drawing_corpus import invalid, valid
from hypothesis import given, settings
from hypothesis import strategies as st
from rdkit import Chem, rdBase
from rdkit.Chem import rdDepictor, rdDistGeom

from screener.chemistry.reading import read_molblock, read_smiles
from screener.errors import MoleculeError

BLOCKS = [each.text for each in (*valid()[:40], *invalid()) if each.is_molblock]

# without coordinates the parity of atom 2 is all that is said of stereochemistry
PARITY = """

point
  4  3  0  0  0  0  0  0  0  0999 V2000
    0.0000    0.0000    0.0000 C   0  0  0  0  0
    0.0000    0.0000    0.0000 C   0  0  {}  0  0
    0.0000    0.0000    0.0000 F   0  0  0  0  0
    0.0000    0.0000    0.0000 Cl  0  0  0  0  0
  1  2  1  0
  2  3  1  0
  2  4  1  0
M  END
"""
ETHANOL = """

test
  3  2  0  0  0  0  0  0  0  0999 V2000
    0.0000    0.0000    0.0000 C   0  0
    1.2000    0.5000    0.0000 C   0  {}
    2.4000    0.0000    0.0000 O   0  0
  1  2  1  0
  2  3  1  0
{}M  END
"""


def smiles_of(text: str) -> str:
    with rdBase.BlockLogs():
        return Chem.MolToSmiles(read_smiles(text))


def refusal(text: str) -> MoleculeError:
    with pytest.raises(MoleculeError) as caught, rdBase.BlockLogs():
        read_molblock(text) if "\n" in text else read_smiles(text)
    return caught.value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("c1ccccc1c1ccccc1", "c1ccc(-c2ccccc2)cc1"),  # a bond that is not written is what it can be
        ("C1:C:C:C:C:C:1", "c1ccccc1"),
        ("c1:c:c:c2:c:c:c:c-2:c:c:1", "c1ccc2cccc-2cc1"),  # azulene, as RDKit writes it
        ("[CH3:1][OH:2]", "[CH3:1][OH:2]"),
        ("CC(F)Cl |(0,0,;1,0,;2,0,;1,1,),wU:1.0| a name", "C[C@H](F)Cl"),
        ("C[C@H](F)Cl |w:1.0|", "CC(F)Cl"),
        ("CC=CC |t:1|", "C/C=C/C"),
        ("C/C=C/C |ctu:1|", "CC=CC"),
        ("CC |^1:0|", "[CH2]C"),
        ("CCO |$CH3;;OH$|", "CCO"),
        ("CCO ||", "CCO"),
        ("CN(C)(C)O |C:1.3|", "C[N+](C)(C)[O-]"),
        ("[NH3]->[BH3]", "[BH3-][NH3+]"),
    ],
)
def test_what_keeps_the_molecule_is_read(text: str, expected: str) -> None:
    assert smiles_of(text) == expected


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("C:C", "impossible_aromaticity", "draw single and double bonds"),
        ("c1ccccc1:c1ccccc1", "impossible_aromaticity", "between atoms 6 and 7"),
        ("N->B", "unusual_bond", "draw a single bond and two charges"),
        ("C[N]->[O-]", "unusual_bond", "dative"),
        ("CCO |$;;OMe$|", "abbreviation", "draw the atoms of the group"),
        ("CCO |atomProp:0.molFileAlias.Boc|", "abbreviation", "'Boc'"),
        ("CC* |$;;_R1$|", "placeholder", "(_R1)"),
        ("CCC |$;;Q_e$|", "query", "draw the atoms that are meant"),
        ("CCOC |c:0,Sg:n:1,2:n:ht|", "repeat_unit", "draw the oligomer"),
        ("CCO.O |Sg:c:0,1,2::|", "mixture", "a record of its own"),
        ("CCO |RG:_R1={C,N}|", "placeholder", "draw one of them"),
        ("CCO |u:0|", "query", "as in a search"),
        ("CCO |$R1|", "invalid_extension", "mend it"),
        ("CCO |%%|", "invalid_extension", "take it away"),
        ("CCO |c:0", "blank_in_smiles", "no extension"),
        ("C C # N", "blank_in_smiles", "without blanks"),
        ("C[C,N]", "query", "SMARTS"),
        ("CCO>>CC=O", "invalid_smiles", "reaction"),
        ("InChI=1S/CH4/h1H4", "invalid_smiles", "InChI"),
        ("*CCO*", "placeholder", "the end of a repeat unit"),
        ("{[>][<]CCO[>][<]}", "repeat_unit", "BigSMILES"),
        (ETHANOL.format(0, "A    3\nNH2\n"), "abbreviation", "drawn as O and named 'NH2'"),
        (ETHANOL.format(0, "M  LIN  1   2   4   1   3\n"), "repeat_unit", "draw all"),
        (ETHANOL.format(0, "M  RGP  1   1   2\n"), "placeholder", "R2"),
        (ETHANOL.format(0, "").replace(" O   0", " Oxo 0"), "abbreviation", "'Oxo'"),
    ],
)
def test_what_is_no_molecule_is_refused_in_words_that_help(
    text: str, code: str, words: str
) -> None:
    error = refusal(text)
    assert error.code == code
    assert words in error.message


@pytest.mark.parametrize(
    ("lines", "is_read"),
    [
        ("A    3\nOH\n", True),
        ("A    1\nH3C\n", True),
        ("A    1\nMe\n", True),
        ("A    2\nMe\n", False),
        ("A    3\nO-\n", False),
        ("V    3 0.5\n", True),
        ("G    3  2\nEt\n", True),  # its atoms are drawn
        ("S  SKP  1\nM  XYZ\n", True),
        ("M  XYZ\n", False),
    ],
)
def test_names_that_say_what_is_drawn_do_no_harm(lines: str, is_read: bool) -> None:
    block = ETHANOL.format(0, lines)
    if is_read:
        assert Chem.MolToSmiles(read_molblock(block)) == "CCO"
    else:
        assert refusal(block).code in ("abbreviation", "invalid_molblock")


def test_radicals_of_the_old_column_are_radicals() -> None:
    assert Chem.MolToSmiles(read_molblock(ETHANOL.format(4, ""))) == "C[CH]O"
    superseded = ETHANOL.format(4, "M  CHG  1   3   0\n")
    assert Chem.MolToSmiles(read_molblock(superseded)) == "CCO"


def test_parities_count_where_there_are_no_coordinates() -> None:
    hands = {Chem.MolToSmiles(read_molblock(PARITY.format(parity))) for parity in (1, 2)}
    assert hands == {"C[C@H](F)Cl", "C[C@@H](F)Cl"}
    assert Chem.MolToSmiles(read_molblock(PARITY.format(0))) == "CC(F)Cl"


@pytest.mark.parametrize("is_3d", [False, True])
def test_a_dative_bond_of_a_mol_block_keeps_stereochemistry(is_3d: bool) -> None:
    mol = Chem.MolFromSmiles("C/C=C/C[N@+](C)(CC)[O-]")
    expected = Chem.MolToSmiles(mol)
    if is_3d:
        mol = Chem.AddHs(mol)
        assert rdDistGeom.EmbedMolecule(mol, randomSeed=1) == 0
    else:
        rdDepictor.Compute2DCoords(mol)
    donor, acceptor = 5, 9
    assert [mol.GetAtomWithIdx(k - 1).GetSymbol() for k in (donor, acceptor)] == ["N", "O"]
    lines = Chem.MolToMolBlock(mol).split("\n")
    changed = [
        f"{line[:6]}  9{line[9:]}" if line[:6] == f"{donor:3d}{acceptor:3d}" else line
        for line in lines
        if not line.startswith("M  CHG")
    ]
    assert len(set(changed) - set(lines)) == 1
    assert Chem.MolToSmiles(read_molblock("\n".join(changed))) == expected


@given(data=st.data())
@settings(deadline=None, max_examples=200)
def test_a_mangled_mol_block_is_a_molecule_or_a_reason(data: st.DataObject) -> None:
    block = data.draw(st.sampled_from(BLOCKS))
    lines = block.split("\n")
    for _ in range(data.draw(st.integers(1, 3))):
        number = data.draw(st.integers(0, len(lines) - 1))
        column = data.draw(st.integers(0, 60))
        text = data.draw(
            st.sampled_from(["", " ", "9", "-1", "999", "V30", "C", "A    1", "(", "="])
        )
        width = data.draw(st.sampled_from([0, len(text), 80]))
        line = lines[number]
        lines[number] = line[:column] + text + line[column + width :]
    error = None
    with rdBase.BlockLogs():
        try:
            mol = read_molblock("\n".join(lines))
        except MoleculeError as caught:
            error = caught
    if error is None:
        assert not mol.HasQuery()
    else:
        assert error.code.isidentifier()
        assert error.message
