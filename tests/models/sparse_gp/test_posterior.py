import numpy as np
import pytest
from model_fixtures import ELEMENTS

from screener.models.fchl.inducing import choose_inducing
from screener.models.fchl.projection import fit_projection
from screener.models.fchl.representation import environments
from screener.models.fchl.sparse_kernel import SparseKernel
from screener.models.sparse_gp.posterior import (
    JITTER,
    NormalEquations,
    Whitening,
    best_ridge,
    leave_one_out,
)
from screener.models.sparse_gp.predictive_std import PosteriorRoot


@pytest.fixture(scope="module")
def problem() -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(3)
    features = generator.normal(size=(80, 12)) * np.logspace(0, -3, 12)
    return features, features @ generator.normal(size=(12, 2)) + generator.normal(size=(80, 2))


def test_streamed_equations_solve_the_ridge_problem(problem):
    features, targets = problem
    equations = NormalEquations(12, 2)
    for start in range(0, 80, 30):
        equations.add(features[start : start + 30], targets[start : start + 30])
    found = equations.factor(0.1).solve(equations.products)
    stacked = np.vstack([features, np.sqrt(0.1) * np.eye(12)])
    expected = np.linalg.lstsq(stacked, np.vstack([targets, np.zeros((12, 2))]), rcond=None)[0]
    np.testing.assert_allclose(found, expected, atol=1e-10)


def test_leave_one_out_is_what_leaving_one_out_gives(problem):
    features, targets = problem
    equations = NormalEquations(12, 2)
    equations.add(features, targets)
    factored = equations.factor(0.1)
    residuals = (targets - features @ factored.solve(equations.products))[:, 0]
    found = leave_one_out(residuals, factored.leverage(features))
    for left in (0, 41):
        others = np.arange(80) != left
        fewer = NormalEquations(12, 2)
        fewer.add(features[others], targets[others])
        weights = fewer.factor(0.1).solve(fewer.products)
        error = targets[left, 0] - features[left] @ weights[:, 0]
        assert found[left] == pytest.approx(error, rel=1e-9)


def test_the_best_ridge_is_chosen_for_each_target(problem):
    features, targets = problem
    targets = np.column_stack([targets[:, 0], np.random.default_rng(0).normal(size=80)])
    equations = NormalEquations(12, 2)
    equations.add(features[:50], targets[:50])
    ridges, errors = best_ridge(equations, (1e-3, 1e3), features[50:], targets[50:])
    assert ridges.tolist() == [1e-3, 1e3]  # the second target is noise
    weights = equations.factor(1e-3).solve(equations.products)
    direct = np.abs(targets[50:, 0] - features[50:] @ weights[:, 0]).mean()
    assert errors[0] == pytest.approx(direct)


def test_whitening_turns_the_kernel_into_inner_products(solvents):
    found = environments(solvents[:40], ELEMENTS)
    projected = fit_projection(found, 32)[0].apply(found)
    kernel = SparseKernel(choose_inducing(projected, 150, np.random.default_rng(0)), 2.0)
    whitening = Whitening.of(kernel)
    for index in range(5):
        columns = kernel.inducing.block(index)
        sums = np.zeros((columns.stop - columns.start, kernel.n_inducing))
        sums[:, columns] = kernel.inducing_kernel(index)
        features = whitening.features(sums)
        expected = kernel.inducing_kernel(index)
        np.testing.assert_allclose(features @ features.T, expected, atol=1e3 * JITTER)
    weights = np.random.default_rng(1).normal(size=kernel.n_inducing)
    sums = kernel.sums(projected).sums.numpy()
    np.testing.assert_allclose(
        whitening.features(sums) @ weights, sums @ whitening.weights(weights), rtol=1e-6
    )


def test_the_stored_root_gives_the_posterior_variance(problem):
    features, targets = problem
    equations = NormalEquations(12, 2)
    equations.add(features, targets)
    image = features @ PosteriorRoot.of(equations, 0.1).matrix()
    exact = equations.factor(0.1).leverage(features)
    np.testing.assert_allclose((image**2).sum(axis=1), exact, rtol=5e-3)  # half precision
