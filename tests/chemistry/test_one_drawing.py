import random

import pytest
from rdkit import Chem, rdBase

from screener.chemistry.standardise import StandardiseSettings, standardise

IONS = StandardiseSettings(allow_charged=True)

DRAWINGS = [
    ("CP(C)(C)=O", "C[P+](C)(C)[O-]"),
    ("COP(=O)(OC)OC", "CO[P+]([O-])(OC)OC"),
    ("CP(C)(C)=S", "C[P+](C)(C)[S-]"),
    ("CN=P(C)(C)C", "C[P+](C)(C)[N-]C"),
    ("C=P(C)(C)C", "C[P+](C)(C)[CH2-]"),
    ("CC(=O)C=P(C)(C)C", "CC(=O)[CH-][P+](C)(C)C", "CC([O-])=C[P+](C)(C)C"),
    (
        "ClP1(Cl)=NP(Cl)(Cl)=NP(Cl)(Cl)=N1",
        "[N-]1[P+](Cl)(Cl)[N-][P+](Cl)(Cl)[N-][P+]1(Cl)Cl",
    ),
    ("CN=[N+]=[N-]", "C[N-][N+]#N", "CN=N#N"),
    ("[N-]=[N+]=Nc1ccccc1", "c1ccccc1[N-][N+]#N"),
    ("C=[N+]=[N-]", "[CH2-][N+]#N", "C=N#N"),
    ("CC(=O)C=[N+]=[N-]", "CC([O-])=C[N+]#N", "CC(=O)[CH-][N+]#N"),
    ("C[N+](=O)[O-]", "CN(=O)=O", "C[N+2]([O-])[O-]", "CN(->O)=O"),
    ("CC#[N+][O-]", "C[C-]=[N+]=O", "CC#N=O"),
    ("C=[N+](C)[O-]", "[CH2-][N+](C)=O"),
    ("C[N+](C)(C)[O-]", "CN(C)(C)=O", "CN(C)(C)->O"),
    ("C[S+](C)[O-]", "CS(C)=O", "CS(C)->O"),
    ("CC[S@+](C)[O-]", "CC[S@](C)=O"),
    ("CS(C)(=O)=O", "C[S+2](C)([O-])[O-]", "C[S+](C)([O-])=O", "CS(C)(->O)->O"),
    ("CS(N)(=O)=O", "C[S+](N)([O-])=O"),
    ("CS(C)(=N)=O", "C[S+](C)([O-])=N", "C[S+2](C)([O-])[NH-]"),
    ("CS(C)=N", "C[S+](C)[NH-]"),
    ("COS(=O)OC", "CO[S+]([O-])OC"),
    ("CC(C)=S=O", "CC(C)=[S+][O-]"),
    ("CC(C)=O", "C[C+](C)[O-]"),
    ("C[N+](C)(C)[B-](F)(F)F", "CN(C)(C)->B(F)(F)F"),
    ("[C-]#[N+]C", "C[N+]#[C-]"),
    ("c1ccsc1", "C1=CSC=C1", "C1:C:S:C:C:1"),
    ("CO", "[H]OC([H])([H])[H]"),
]
SHARED_CHARGES = [
    ("CC(=O)[O-]", "CC([O-])=O"),
    ("[N-]=[N+]=[N-]", "[N-2][N+]#N"),
    ("N#C[S-]", "[N-]=C=S"),
    ("N#C[N-]C#N", "[N-]=C=NC#N"),
    (
        "O=S(=O)([N-]S(=O)(=O)C(F)(F)F)C(F)(F)F",
        "FC(F)(F)S([O-])(=O)=NS(=O)(=O)C(F)(F)F",
    ),
    ("CC[n+]1ccn(C)c1", "CCn1cc[n+](C)c1"),
    ("CCN(C=[N+](C)C)CC", "CC[N+](CC)=CN(C)C"),
]


@pytest.mark.parametrize("drawings", [*DRAWINGS, *SHARED_CHARGES], ids=lambda drawings: drawings[0])
def test_every_drawing_gives_the_first_whatever_the_order_of_its_atoms(
    drawings: tuple[str, ...],
) -> None:
    for k, drawing in enumerate(drawings):
        mol = Chem.MolFromSmiles(drawing, sanitize=False)
        order = random.Random(k).sample(range(mol.GetNumAtoms()), mol.GetNumAtoms())
        written = Chem.MolToSmiles(Chem.RenumberAtoms(mol, order), canonical=False)
        for text in (drawing, written):
            (molecule,) = standardise(text, IONS)
            assert molecule.smiles == drawings[0], text


@pytest.mark.parametrize(
    ("smiles", "expected"),
    [
        ("C[N+](C)(C)CC(=O)[O-]", "C[N+](C)(C)CC(=O)[O-]"),  # charges that are meant
        ("C[P+](C)(C)CC[O-]", "C[P+](C)(C)CC[O-]"),
        ("[CH2-][N+](C)(C)C", "[CH2-][N+](C)(C)C"),  # nitrogen has no room for a double bond
        ("[C-]#[O+]", "[C-]#[O+]"),
        ("O=[N+]([O-])[O-]", "O=[N+]([O-])[O-]"),
        ("[O-][Cl+3]([O-])([O-])[O-]", "[O-][Cl+3]([O-])([O-])[O-]"),
    ],
)
def test_charges_that_are_no_matter_of_drawing_stay(smiles: str, expected: str) -> None:
    (molecule,) = standardise(smiles, IONS)
    assert molecule.smiles == expected


@pytest.mark.parametrize("drawings", DRAWINGS, ids=lambda drawings: drawings[0])
def test_no_drawing_changes_the_formula(drawings: tuple[str, ...]) -> None:
    (molecule,) = standardise(drawings[0], IONS)
    with rdBase.BlockLogs():
        for drawing in drawings:
            if "->" not in drawing:
                mol = Chem.AddHs(Chem.MolFromSmiles(drawing))
                assert mol.GetNumAtoms() == molecule.n_atoms
                assert Chem.GetFormalCharge(mol) == molecule.charge
