import numpy as np
import pytest

from screener.chemistry.conformers import atomic_numbers_of, embed
from screener.chemistry.gfn2 import Gfn2
from screener.chemistry.identity import mol_id
from screener.chemistry.model_hessian import lindh_hessian
from screener.units import ANGSTROM_PER_BOHR

SOLVENTS = ["O=C1OCCO1", "COCCOC", "N#CCCC#N", "OC[C@H]1OC(O)[C@H](O)[C@@H]1O"]


@pytest.fixture(params=SOLVENTS)
def geometry(request):
    molecule = embed(request.param, mol_id(request.param), 1)
    positions = molecule.GetConformer().GetPositions() / ANGSTROM_PER_BOHR
    return atomic_numbers_of(molecule), positions


def test_is_symmetric_and_has_no_negative_curvature(geometry):
    hessian = lindh_hessian(*geometry)
    assert np.allclose(hessian, hessian.T, atol=1e-12)
    assert np.linalg.eigvalsh(hessian).min() > -1e-10


def test_translation_and_rotation_cost_nothing(geometry):
    numbers, positions = geometry
    hessian = lindh_hessian(numbers, positions)
    for axis in np.eye(3):
        shift = np.tile(axis, len(numbers))
        turn = np.cross(axis, positions).ravel()
        assert np.abs(hessian @ shift).max() < 1e-10
        # a nearly linear bend is taken for a linear one, which is off by its sine
        assert np.abs(hessian @ turn).max() < 0.05 * np.abs(hessian).max()


def test_stiffness_resembles_that_of_gfn2(geometry):
    numbers, positions = geometry
    calculator = Gfn2(numbers, positions)
    direction = np.random.default_rng(1).normal(size=positions.shape)
    h = 1e-3
    plus = calculator.energy_and_gradient(positions + h * direction)[1]
    minus = calculator.energy_and_gradient(positions - h * direction)[1]
    true = ((plus - minus) / (2 * h) * direction).sum()
    model = direction.ravel() @ lindh_hessian(numbers, positions) @ direction.ravel()
    assert 0.4 < model / true < 2.5  # a random direction is mostly stretches
