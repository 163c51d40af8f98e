import numpy as np
import pytest

from screener.chemistry import saddles
from screener.chemistry.conformers import atomic_numbers_of, embed
from screener.chemistry.gfn2 import Gfn2
from screener.chemistry.optimise import followed, minimisation
from screener.chemistry.saddles import true_minimum
from screener.errors import MoleculeError
from screener.units import ANGSTROM_PER_BOHR, KCAL_PER_HARTREE

THRESHOLD, STEPS = 0.03, 200
# GFN2 optimisations that start from their MMFF94 conformers end on passes
ON_PASSES = [
    "COCC1COS(=O)(=O)O1",
    "ClCC1COCO1",
    "CC=NCCC(C)=O",
    "CCC=C(C#N)C(=O)OCF",
    "C1=NC2CCC(CC2)N=1",
    "C=NC(=O)OC(=O)N=C",
]
NOT_ON_PASSES = [
    "C1COC(C2CC2)C1",
    "CCN(C)CC1CCOC1",
    "C=CC(F)C(=O)F",
    "CO",
    "C#N",
    "O=C=O",
    "C#C",
    "CC#CC",
    "C#CC#C",
]


def start_of(smiles):
    molecule = embed(smiles, "0" * 32, 1)  # the conformer that leads to the pass
    return atomic_numbers_of(molecule), molecule.GetConformer().GetPositions()


def walked(numbers, positions, walk):
    gfn2 = Gfn2(numbers, positions / ANGSTROM_PER_BOHR)
    minimum = followed(gfn2.energy_and_gradient, walk(numbers, positions, THRESHOLD, STEPS))
    return minimum, energy_of(numbers, minimum.positions)


def energy_of(numbers, positions):
    """kcal/mol"""
    bohr = positions.astype(np.float64) / ANGSTROM_PER_BOHR
    return Gfn2(numbers, bohr).energy_and_gradient(bohr)[0] * KCAL_PER_HARTREE


def lowest_curvature(numbers, positions):
    """Of the whole Hessian by central differences without rigid motions, hartree/bohr^2."""
    x = positions.astype(np.float64).ravel() / ANGSTROM_PER_BOHR
    gfn2 = Gfn2(numbers, x.reshape(-1, 3))
    rows = []
    for move in np.eye(len(x)) * 0.01:
        ends = [gfn2.energy_and_gradient((x + s * move).reshape(-1, 3))[1] for s in (-1, 1)]
        rows.append((ends[1] - ends[0]).ravel() / 0.02)
    centred = x.reshape(-1, 3) - x.reshape(-1, 3).mean(axis=0)
    motions = [np.tile(axis, (len(centred), 1)).ravel() for axis in np.eye(3)]
    motions += [np.cross(axis, centred).ravel() for axis in np.eye(3)]
    basis, sizes, _ = np.linalg.svd(np.stack(motions, axis=1), full_matrices=False)
    rigid = basis[:, sizes > 1e-3 * sizes[0]]
    inner = np.eye(len(x)) - rigid @ rigid.T
    hessian = inner @ (np.array(rows) + np.array(rows).T) / 2 @ inner
    return np.linalg.eigvalsh(hessian + 10.0 * rigid @ rigid.T)[0]


@pytest.mark.parametrize("smiles", ON_PASSES)
def test_leaves_the_pass_on_which_an_optimisation_ends(smiles):
    numbers, positions = start_of(smiles)
    first, high = walked(numbers, positions, minimisation)
    assert lowest_curvature(numbers, first.positions) < saddles.PASS
    then, low = walked(numbers, positions, true_minimum)
    assert lowest_curvature(numbers, then.positions) > saddles.PASS
    assert low < high - 0.3  # kcal/mol
    assert then.n_steps > first.n_steps


@pytest.mark.parametrize("smiles", NOT_ON_PASSES)
def test_stays_at_a_minimum(smiles):
    numbers, positions = start_of(smiles)
    first, _ = walked(numbers, positions, minimisation)
    then, _ = walked(numbers, positions, true_minimum)
    np.testing.assert_allclose(then.positions, first.positions, atol=1e-6)


def test_the_last_evaluation_is_at_the_minimum():
    numbers, positions = start_of("CC=NCCC(C)=O")
    asked = []
    gfn2 = Gfn2(numbers, positions / ANGSTROM_PER_BOHR)

    def told(x):
        asked.append(x)
        return gfn2.energy_and_gradient(x)

    minimum = followed(told, true_minimum(numbers, positions, THRESHOLD, STEPS))
    assert (asked[-1] == minimum.positions.astype(np.float64) / ANGSTROM_PER_BOHR).all()
    assert minimum.n_steps == len(asked)


def test_flat_ammonia_and_eclipsed_ethane_fall():
    angles = np.deg2rad([0.0, 120.0, 240.0])
    ring = np.stack([np.cos(angles), np.sin(angles), np.zeros(3)], axis=1)
    ammonia = np.vstack([np.zeros(3), 1.0 * ring])
    minimum, low = walked(np.array([7, 1, 1, 1]), ammonia, true_minimum)
    top, high = walked(np.array([7, 1, 1, 1]), ammonia, minimisation)
    assert np.ptp(top.positions[:, 2]) < 0.01  # an optimisation alone keeps it flat
    assert low < high - 3.0
    assert np.linalg.matrix_rank(minimum.positions - minimum.positions.mean(axis=0), tol=0.1) == 3

    up = np.array([0.0, 0.0, 1.0])
    hydrogens = [1.02 * ring + side * 1.16 * up for side in (-1, 1)]
    ethane = np.vstack([-0.76 * up, 0.76 * up, *hydrogens])
    numbers = np.array([6, 6, *[1] * 6])
    minimum, low = walked(numbers, ethane, true_minimum)
    _, high = walked(numbers, ethane, minimisation)
    assert 1.5 < high - low < 4.0  # measured barrier: 2.9 kcal/mol


@pytest.mark.parametrize(("numbers", "length"), [([8], 0.0), ([9, 1], 0.95), ([7, 7], 1.2)])
def test_one_atom_and_two_have_no_passes(numbers, length):
    positions = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, length]])[: len(numbers)]
    first, _ = walked(np.array(numbers), positions, minimisation)
    then, _ = walked(np.array(numbers), positions, true_minimum)
    np.testing.assert_allclose(then.positions, first.positions, atol=1e-6)


def test_pass_after_pass_is_the_molecules_error(monkeypatch):
    monkeypatch.setattr(saddles, "PASS", np.inf)
    numbers, positions = start_of("CO")
    with pytest.raises(MoleculeError, match="saddle point 5 times") as caught:
        walked(numbers, positions, true_minimum)
    assert caught.value.code == "not_converged"
