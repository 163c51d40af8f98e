import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import AllChem
from scipy.spatial.transform import Rotation

from screener.records import Structure
from screener.training.qm9.conformers import SAME_CONFORMER, conformer_distance


def embedded(smiles: str, seed: int, *, reverse: bool = False) -> tuple[Chem.Mol, Structure]:
    mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
    if reverse:
        mol = Chem.RenumberAtoms(mol, list(range(mol.GetNumAtoms()))[::-1])
    assert AllChem.EmbedMolecule(mol, randomSeed=seed) == 0
    return mol, structure_of(mol)


def structure_of(mol: Chem.Mol) -> Structure:
    numbers = np.array([atom.GetAtomicNum() for atom in mol.GetAtoms()], dtype=np.uint8)
    return Structure(numbers, mol.GetConformer().GetPositions().astype(np.float32))


@pytest.mark.parametrize("smiles", ["COCCOC", "CC(=O)OCC#N", "c1ccccc1C(C)C", "C1C2CC1C2"])
def test_a_pose_a_mirror_and_an_order_of_atoms_are_the_same_conformer(smiles):
    _, one = embedded(smiles, 3)
    turned = Rotation.from_euler("xyz", (0.3, 1.1, -2.0)).apply(one.positions) + 5.0
    turned[:, 0] *= -1.0
    order = np.random.default_rng(0).permutation(one.n_atoms)
    posed = Structure(one.atomic_numbers[order], turned[order].astype(np.float32))
    assert conformer_distance(one, posed) < 1e-3


@pytest.mark.parametrize("smiles", ["COCCOC", "CCOC(=O)CC#N", "OCC(C)CO"])
@pytest.mark.parametrize("seed", range(3))
def test_it_is_the_best_of_rdkit_for_each_of_two_hands(smiles, seed):
    first, one = embedded(smiles, 3)
    second, other = embedded(smiles, 10 + seed, reverse=True)
    mirrored = Chem.Mol(second)
    for atom in range(mirrored.GetNumAtoms()):
        x, y, z = second.GetConformer().GetAtomPosition(atom)
        mirrored.GetConformer().SetAtomPosition(atom, (-x, y, z))
    plain = [Chem.RemoveHs(Chem.Mol(mol)) for mol in (first, second, mirrored)]
    best = min(AllChem.GetBestRMS(each, plain[0]) for each in plain[1:])
    assert conformer_distance(one, other) == pytest.approx(best, abs=1e-3)
    assert conformer_distance(other, one) == pytest.approx(best, abs=1e-3)


def test_other_conformers_and_other_molecules_are_told_apart():
    mol, gauche = embedded("CCCC", 3)
    anti = []
    for angle in (60.0, 180.0):
        AllChem.SetDihedralDeg(mol.GetConformer(), 0, 1, 2, 3, angle)
        anti.append(structure_of(mol))
    assert conformer_distance(*anti) > SAME_CONFORMER
    assert conformer_distance(gauche, embedded("CC(C)C", 3)[1]) == np.inf
    assert conformer_distance(gauche, embedded("CCCO", 3)[1]) == np.inf
