import csv
import importlib.util
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rdkit import Chem, rdBase
from rdkit.Chem.MolStandardize import rdMolStandardize

from screener.chemistry import standardise as module
from screener.chemistry.reading import MAX_SMILES_LENGTH
from screener.chemistry.standardise import StandardiseSettings, standardise, standardise_mol
from screener.errors import MoleculeError
from screener.records import Molecule

DEFAULT = StandardiseSettings()

CHARGED = """
C[N+](=O)[O-] CN(=O)=O C[n+]1ccccc1 CC(=O)[O-] [O-][N+](=O)c1ccccc1 C[S+](C)[O-] CS(C)=O
CS(=O)(=O)C [Na]OC(C)=O CC(=O)O[Na] [Li]CCCC C[Mg]Br O=[N+]([O-])O CN=[N+]=[N-] CN=N#N
C=[N+]=[N-] [O-]n1cccccc1 [O-][n+]1ccccc1 O=n1ccccc1 CP(=O)(O)O CP(=O)([O-])[O-]
C[N+](C)(C)CC(=O)[O-] NC(=[NH2+])N [NH3+]CC(=O)[O-] [Cl-].[NH4+] F[P-](F)(F)(F)(F)F
[B-](F)(F)(F)F.[Li+] O=S(=O)([O-])C(F)(F)F CC(=O)[CH-]C(C)=O C[N-]S(C)(=O)=O [CH3] [O] [OH] [Cl]
C[S](=O)C OS(=O)(=O)O FS(=O)(=O)[N-]S(F)(=O)=O C#[O+] [C-]#[O+] C[N+]#[C-] O=[O+][O-]
C[Si](C)(C)C CB(O)O c1cc[nH]c1 c1ccc2[nH]ccc2c1 N#N OO FC(F)F ClCCl BrCCBr S=C=S CSC C[Se]C II
""".split()  # noqa: SIM905  # as a list it is a page long


def one(smiles: str, settings: StandardiseSettings = DEFAULT) -> Molecule:
    (molecule,) = standardise(smiles, settings)
    return molecule


def code(smiles: str, settings: StandardiseSettings = DEFAULT) -> str:
    with pytest.raises(MoleculeError) as caught:
        standardise(smiles, settings)
    assert caught.value.message
    return caught.value.code


def qm9_smiles(n: int) -> list[str]:
    spec = importlib.util.find_spec("qm9pack")
    if spec is None or spec.submodule_search_locations is None:
        pytest.skip("needs the qm9 extra")
    found: list[str] = []
    for path in sorted((Path(spec.submodule_search_locations[0]) / "data").glob("qm9_part?.csv")):
        with open(path, newline="") as file:
            rows = csv.DictReader(file)
            found += [row["SMILES"] for row, _ in zip(rows, range(n // 3), strict=False)]
    assert len(found) >= n - 3
    return found


def test_the_clean_up_is_rdkits() -> None:
    with rdBase.BlockLogs():
        for smiles in [*CHARGED, *qm9_smiles(600)]:
            mol = Chem.MolFromSmiles(smiles)
            if mol is None:
                continue
            expected = Chem.MolToSmiles(rdMolStandardize.Cleanup(mol))
            if mol.HasSubstructMatch(module._NEEDS_CLEANUP) or module._any(mol, module._RADICAL):
                mol = module._tools().cleanup(mol)
            assert Chem.MolToSmiles(mol) == expected, smiles


@pytest.mark.parametrize(
    ("smiles", "expected"),
    [
        ("", "empty"),
        (" \t", "empty"),
        ("C" * (MAX_SMILES_LENGTH + 1), "too_long"),
        ("C1CC", "invalid_smiles"),
        ("CC(", "invalid_smiles"),
        ("methanol", "invalid_smiles"),
        ("C C # N", "blank_in_smiles"),
        ("CCO ethanol", "blank_in_smiles"),
        ("C\x00C", "invalid_smiles"),
        ("CCé", "invalid_smiles"),
        ("F(F)C", "impossible_valence"),
        ("c1cccc1", "impossible_aromaticity"),
        ("[H][H]", "no_heavy_atom"),
        ("C.C", "mixture"),
        ("CC(=O)[O-].[Na+]", "mixture"),
        ("CC(=O)O[Na]", "mixture"),
        ("C" * 34, "too_many_atoms"),
        ("C[Se]C", "element_not_allowed"),
        ("*CC", "placeholder"),
        ("[CH3]", "radical"),
        ("CC(=O)[O-]", "charged"),
        ("C[N+](C)(C)C", "charged"),
    ],
)
def test_every_refusal_has_its_code(smiles: str, expected: str) -> None:
    assert code(smiles) == expected


@pytest.mark.parametrize(
    ("smiles", "expected"),
    [
        ("OCC", "CCO"),
        ("CCO |lp:2:2| name", "CCO"),
        ("CN(=O)=O", "C[N+](=O)[O-]"),
        ("CS(C)=O", "C[S+](C)[O-]"),
        ("[13CH3]O[2H]", "CO"),
        ("C[C@H]([2H])O", "CCO"),  # an isotope made the centre
        ("[CH3:1][OH:2]", "CO"),
        ("[H]OC([H])([H])[H]", "CO"),
        ("C[N+](C)(C)CC(=O)[O-]", "C[N+](C)(C)CC(=O)[O-]"),  # neutral as a whole
    ],
)
def test_standard_forms(smiles: str, expected: str) -> None:
    assert one(smiles).smiles == expected


@pytest.mark.parametrize(
    ("smiles", "changes", "expected"),
    [
        ("CC(=O)[O-]", {"neutralise": True}, "CC(=O)O"),
        ("CC(=O)[O-]", {"allow_charged": True}, "CC(=O)[O-]"),
        ("[CH3]", {"allow_radicals": True}, "[CH3]"),
        ("C[Se]C", {"elements": ("C", "H", "Se")}, "C[Se]C"),
        ("C" * 34, {"max_atoms": 104}, "C" * 34),
        ("CCO.C", {"mixtures": "largest"}, "CCO"),
        ("CC(=O)O[Na]", {"mixtures": "largest", "neutralise": True}, "CC(=O)O"),
        ("CCN.OCl(=O)(=O)=O", {"mixtures": "largest"}, "CCN"),  # the organic part
    ],
)
def test_options_widen_what_is_accepted(
    smiles: str, changes: dict[str, object], expected: str
) -> None:
    assert one(smiles, StandardiseSettings(**changes)).smiles == expected


@pytest.mark.parametrize("smiles", ["[Na+].[Cl-]", "O.F"])
def test_a_mixture_without_carbon_has_no_main_part(smiles: str) -> None:
    with pytest.raises(MoleculeError, match="no part of it has carbon") as caught:
        one(smiles, StandardiseSettings(mixtures="largest", neutralise=True, allow_charged=True))
    assert caught.value.code == "mixture"


def test_hydrogen_can_be_excluded() -> None:
    carbon_fluorine = StandardiseSettings(elements=("C", "F"))
    assert one("FC(F)(F)C(F)(F)F", carbon_fluorine).n_atoms == 8
    assert code("FC(F)F", carbon_fluorine) == "element_not_allowed"


def test_unknown_elements_and_keys_are_refused() -> None:
    with pytest.raises(ValueError, match="Xx"):
        StandardiseSettings(elements=("C", "Xx"))
    with pytest.raises(ValueError, match="neutralize"):
        StandardiseSettings(neutralize=True)  # type: ignore[call-arg]


def test_open_stereo_is_flagged_and_enumerated() -> None:
    assert one("CC1COC(=O)O1").n_undefined_stereo == 1
    assert one("C[C@@H]1COC(=O)O1").n_undefined_stereo == 0
    both = standardise("CC1COC(=O)O1", StandardiseSettings(enumerate_stereo=4))
    assert {molecule.smiles for molecule in both} == {"C[C@@H]1COC(=O)O1", "C[C@H]1COC(=O)O1"}
    assert both[0] == one("CC1COC(=O)O1")  # the picked one first
    assert len(standardise("OC" + "C(O)" * 8 + "C", StandardiseSettings(enumerate_stereo=5))) == 5


@pytest.mark.parametrize(
    "smiles",
    [
        "CC1COC(=O)O1",
        "OCC1OC(O)C(O)C(O)C1O",
        "COC1C2COCC12",
        "CN(=O)=O",
        "CC(=N)OC",
        "O=C1C[C-]2CCC[NH+]2C1",  # RDKit's reionizer follows the order of the atoms
        "CC1C[NH2+][C-](C=O)C1=O",
    ],
)
def test_ten_atom_orders_give_one_molecule(smiles: str) -> None:
    mol = Chem.MolFromSmiles(smiles)
    found = set()
    for seed in range(10):
        order = random.Random(seed).sample(range(mol.GetNumAtoms()), mol.GetNumAtoms())
        written = Chem.MolToSmiles(Chem.RenumberAtoms(mol, order), canonical=False)
        found.add(one(written))
    assert len(found) == 1


@pytest.mark.parametrize(
    "smiles", ["O=C1[C-]=C2CCC[NH+]2C1", "C[C@@H]1[NH2+]C[C-](C=O)C1=O", "[O-]S(=O)[NH2+]C"]
)
def test_charges_come_to_rest(smiles: str) -> None:
    molecule = one(smiles)
    assert one(molecule.smiles).mol_id == molecule.mol_id


def test_qm9_is_stable_and_defined() -> None:
    for smiles in qm9_smiles(300):
        molecule = one(smiles)
        again = one(molecule.smiles)
        assert (again.mol_id, again.n_undefined_stereo) == (molecule.mol_id, 0), smiles


def test_the_input_is_not_changed() -> None:
    mol = Chem.MolFromSmiles("[13CH3][CH:4](F)O")
    before = mol.ToBinary(Chem.PropertyPickleOptions.AllProps)
    standardise_mol(mol, DEFAULT)
    assert mol.ToBinary(Chem.PropertyPickleOptions.AllProps) == before


def test_rdkit_is_silent(capfd: pytest.CaptureFixture[str]) -> None:
    code("C1CC(")
    code("F(F)C")
    one("CC(=O)[O-]", StandardiseSettings(neutralise=True))
    assert capfd.readouterr() == ("", "")


@given(st.text(max_size=40) | st.text("CNOFcno()[]=#123456@/\\+-.H%*", max_size=25))
@settings(deadline=None, max_examples=150)
def test_any_text_is_a_molecule_or_a_reason(text: str) -> None:
    error = None
    try:
        (molecule,) = standardise(text, DEFAULT)
    except MoleculeError as caught:
        error = caught
    if error is None:
        assert one(molecule.smiles).smiles == molecule.smiles
    else:
        assert error.code.isidentifier()
        assert error.message


def test_elements_of_a_library_are_those_of_before_unless_others_are_named():
    """They are part of digests: a library of now is that of before."""
    before = ("H", "B", "C", "N", "O", "F", "Si", "P", "S", "Cl", "Br")
    assert StandardiseSettings().elements == before
