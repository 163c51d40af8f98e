import random

import pytest
from rdkit import Chem
from rdkit.Chem import AllChem

from screener.chemistry.stereo import isomers


def all_isomers(smiles: str, limit: int = 64) -> list[str]:
    return [isomer for isomer, _, _ in isomers(Chem.MolFromSmiles(smiles), limit)]


@pytest.mark.parametrize(
    ("smiles", "n_isomers", "n_undefined"),
    [
        ("CCO", 1, 0),
        ("CC1COC(=O)O1", 2, 1),
        ("C[C@@H]1COC(=O)O1", 1, 0),
        ("FC=CF", 2, 1),
        ("COC(C)=NC", 2, 1),
        ("COC(C)=N", 2, 1),  # the imine's hydrogen is on one side or the other
        ("CC1CCC(C)CC1", 2, 2),  # cis and trans, both achiral
        ("CC(O)C(O)C(O)C", 4, 3),  # two are meso, whose middle is pseudoasymmetric
        ("CC=C=CC", 1, 0),  # an axis, which SMILES cannot define here
    ],
)
def test_numbers_of_isomers(smiles: str, n_isomers: int, n_undefined: int) -> None:
    found = list(isomers(Chem.MolFromSmiles(smiles), 64))
    assert len(found) == n_isomers == len({isomer for isomer, _, _ in found})
    assert max(count for _, _, count in found) == n_undefined


@pytest.mark.parametrize("smiles", ["CC(O)C(O)C(O)C", "OCC1OC(O)C(O)C(O)C1O", "CC1C2CN1C2"])
def test_every_isomer_is_defined_and_stable(smiles: str) -> None:
    for isomer in all_isomers(smiles):
        again = Chem.MolFromSmiles(isomer)
        assert Chem.MolToSmiles(again) == isomer
        assert all_isomers(isomer) == [isomer]


def test_the_pick_does_not_depend_on_the_order_of_the_atoms() -> None:
    mol = Chem.MolFromSmiles("OCC1OC(O)C(O)C(O)C1O")
    order = list(range(mol.GetNumAtoms()))
    picks = set()
    for seed in range(10):
        random.Random(seed).shuffle(order)
        picks |= {isomer for isomer, _, _ in isomers(Chem.RenumberAtoms(mol, order), 1)}
    assert len(picks) == 1


def test_picks_are_not_all_of_one_hand() -> None:
    picks = [all_isomers(f"{'C' * n}C(F)O", 1)[0] for n in range(1, 17)]
    assert 0 < sum("@@" in pick for pick in picks) < len(picks)


def test_what_is_given_stays() -> None:
    for isomer in all_isomers("C[C@H](O)C(F)Cl"):
        centres = dict(Chem.FindMolChiralCenters(Chem.MolFromSmiles(isomer)))
        given = dict(Chem.FindMolChiralCenters(Chem.MolFromSmiles("C[C@H](O)[C@H](F)Cl")))
        assert sorted(centres.values())[0] in "RS"
        assert given[1] in centres.values()
    assert len(all_isomers("C[C@H](O)C(F)Cl")) == 2


@pytest.mark.parametrize(
    ("smiles", "possible"),
    [
        ("C1CC2CCC1C2", {"C1C[C@H]2CC[C@@H]1C2"}),  # norbornane
        ("C1CCC2OC2C1", {"C1CC[C@@H]2O[C@@H]2C1"}),  # cyclohexene oxide: cis
        ("C1CCCC=CCC1", {"C1=C\\CCCCCC/1"}),  # Z in an eight-membered ring
        (  # both decalins are at ease
            "C1CCC2CCCCC2C1",
            {"C1CC[C@H]2CCCC[C@H]2C1", "C1CC[C@H]2CCCC[C@@H]2C1"},
        ),
    ],
)
def test_strain_is_avoided(smiles: str, possible: set[str]) -> None:
    canonical = {Chem.MolToSmiles(Chem.MolFromSmiles(isomer)) for isomer in possible}
    assert set(all_isomers(smiles)) == canonical


CAGES = [  # bridged and fused as in QM9
    "C1C2C3C1C23",
    "CC1C2CCN1C2",
    "OC1CC2CC1N2C",
    "C1OC2C3OC1C23",
    "O=C1CC2CC1C2",
    "COCC1C2COCC12",
    "CC12CCC(CC1)O2",
    "OC12CC3CC1C3C2",
]


@pytest.mark.parametrize("smiles", CAGES)
def test_picked_cages_can_be_built(smiles: str) -> None:
    picked = all_isomers(smiles, 1)[0]
    mol = Chem.AddHs(Chem.MolFromSmiles(picked))
    assert AllChem.EmbedMolecule(mol, randomSeed=7, useRandomCoords=True) == 0
    strained = AllChem.MMFFGetMoleculeForceField(mol, AllChem.MMFFGetMoleculeProperties(mol))
    strained.Minimize(maxIts=2000)
    lowest = min(energies(smiles))
    # trans-fused or inside-out isomers of these lie more than 35 kcal/mol higher
    assert strained.CalcEnergy() < lowest + 25.0


def energies(smiles: str) -> list[float]:
    """MMFF94 energies of what distance geometry makes of the molecule without stereochemistry."""
    found = []
    for seed in range(12):
        mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
        if AllChem.EmbedMolecule(mol, randomSeed=seed) == 0:
            AllChem.MMFFOptimizeMolecule(mol, maxIters=2000)
            properties = AllChem.MMFFGetMoleculeProperties(mol)
            found.append(AllChem.MMFFGetMoleculeForceField(mol, properties).CalcEnergy())
    return found


def test_the_limit_is_kept_with_many_centres() -> None:
    polyol = "OC" + "C(O)" * 20 + "CF"
    assert len(all_isomers(polyol, 8)) == 8
    assert len(all_isomers(polyol, 1)) == 1
