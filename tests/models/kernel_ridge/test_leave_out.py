import numpy as np
import pytest

from screener.errors import ConfigError
from screener.models.kernel_ridge.leave_out import left_out_errors


@pytest.fixture(scope="module")
def problem() -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(3)
    points = generator.normal(size=(40, 3))
    squared = ((points[:, None] - points[None]) ** 2).sum(axis=2)
    return np.exp(-squared / 8), np.stack([points[:, 0] ** 2, np.sin(points[:, 1])], axis=1)


@pytest.mark.parametrize("n_groups", [40, 13, 3])
def test_errors_are_those_of_fits_without_the_group(problem, n_groups):
    kernel, targets = problem
    groups = np.random.default_rng(n_groups).permutation(40) % n_groups
    found = left_out_errors(kernel, targets, 1e-3, groups)
    for group in (0, n_groups - 1):
        out = groups == group
        inside = kernel[np.ix_(~out, ~out)] + 1e-3 * np.eye((~out).sum())
        predicted = kernel[np.ix_(out, ~out)] @ np.linalg.solve(inside, targets[~out])
        np.testing.assert_allclose(found[out], targets[out] - predicted, rtol=1e-7, atol=1e-9)


def test_a_kernel_that_is_not_positive_definite_is_refused(problem):
    kernel, targets = problem
    with pytest.raises(ConfigError, match="not positive definite"):
        left_out_errors(kernel - np.eye(40), targets, 1e-3, np.arange(40))
