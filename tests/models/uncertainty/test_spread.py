"""The spread of errors, by what molecules are."""

import numpy as np
import pytest

from screener.chemistry.identity import mol_id
from screener.chemistry.structures import StructureSettings, make_structure
from screener.models.uncertainty.spread import N_FEATURES, Spread, features
from screener.training.fit.spread import fit_spread


def told_of(*smiles):
    made = [make_structure(each, mol_id(each), StructureSettings()) for each in smiles]
    return np.exp(features(made))


def test_features_count_turning_bonds_rings_and_elements():
    butane, ring, mixed, hydrogen = told_of("CCCC", "C1CCCC1CO", "N#CCS(=O)(=O)CF", "[H][H]")
    # heavy atoms, one more than bonds that turn, rings, N, O, halogens, others
    assert butane == pytest.approx([4, 2, 1, 1, 1, 1, 1])
    assert ring == pytest.approx([7, 2, 2, 1, 2, 1, 1])
    assert mixed == pytest.approx([8, 4, 1, 2, 3, 2, 2])
    assert hydrogen == pytest.approx([1, 1, 1, 1, 1, 1, 1])
    assert len(butane) == N_FEATURES


def test_the_spread_of_errors_is_found():
    rng = np.random.default_rng(0)
    told = rng.uniform(0.0, 2.0, (4000, N_FEATURES))
    stds = rng.uniform(0.2, 3.0, 4000)
    right = 0.5 * stds**0.8 * np.exp(told[:, 1] - 0.5 * told[:, 3])
    errors = rng.laplace(scale=right)
    spread = fit_spread(errors, stds, told)
    assert spread.weights == pytest.approx([np.log(0.5), 0.8, 0, 1.0, 0, -0.5, 0, 0, 0], abs=0.15)
    found = spread.stds(np.stack([stds, stds]), told)
    assert found.shape == (2, 4000)
    assert np.abs(np.log(found[0] / right)).mean() < 0.1


def test_errors_that_know_nothing_keep_the_std():
    rng = np.random.default_rng(1)
    stds, told = rng.uniform(0.2, 3.0, 3000), rng.uniform(0.0, 2.0, (3000, N_FEATURES))
    spread = fit_spread(rng.laplace(scale=stds), stds, told)
    assert np.log(spread.stds(stds, told) / stds) == pytest.approx(np.zeros(3000), abs=0.25)
    same = Spread(np.array([0.0, 1.0, *np.zeros(N_FEATURES)]))
    assert same.stds(stds, told) == pytest.approx(stds)
