import numpy as np
import pytest
import torch
from model_fixtures import ELEMENTS

from screener.models.fchl.inducing import Inducing, choose_inducing
from screener.models.fchl.projection import Projected, fit_projection
from screener.models.fchl.representation import environments
from screener.models.fchl.sparse_kernel import ROWS, SparseKernel, pad_columns
from screener.models.sparse_gp.predictive_std import leading, leading_columns


@pytest.fixture(scope="module")
def projected(solvents) -> Projected:
    found = environments(solvents, ELEMENTS)
    return fit_projection(found, 32)[0].apply(found)


@pytest.fixture(scope="module")
def inducing(projected) -> Inducing:
    return choose_inducing(projected, 200, np.random.default_rng(0))


def test_sums_are_those_of_the_formula(projected, inducing):
    width = 3.0
    found = SparseKernel(inducing, width).sums(projected)
    expected = np.zeros((projected.n_molecules, len(inducing.values)))
    nearest = np.zeros(len(projected.values))
    for index, element in enumerate(ELEMENTS):
        columns = inducing.block(index)
        points = inducing.values[columns].astype(float)
        for atom in np.flatnonzero(projected.atomic_numbers == element):
            squared = ((projected.values[atom] - points) ** 2).sum(axis=1)
            expected[projected.molecule[atom], columns] += np.exp(-squared / (2 * width**2))
            nearest[atom] = np.sqrt(squared.min() + projected.residual[atom])
    np.testing.assert_allclose(found.sums.numpy(), expected, atol=1e-12)
    np.testing.assert_allclose(found.distances, nearest, atol=1e-6)


def test_an_element_without_environments_is_infinitely_far(projected, inducing):
    counts = inducing.counts.copy()
    counts[-1] = 0  # fluorine, the last block
    without = Inducing(ELEMENTS, inducing.values[: counts.sum()], counts)
    found = SparseKernel(without, 3.0).sums(projected)
    fluorine = projected.atomic_numbers == 9
    assert np.isinf(found.distances[fluorine]).all()
    assert np.isfinite(found.distances[~fluorine]).all()
    assert torch.isfinite(found.sums).all()


@pytest.mark.parametrize("columns", [1, 13, 103, 117, 1003])
def test_rows_of_a_padded_product_do_not_depend_on_their_place(columns):
    # without the padding, 103 columns give other bytes at other places
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(ROWS, 97, dtype=torch.float64, generator=generator)
    matrix = pad_columns(torch.randn(97, columns, dtype=torch.float64, generator=generator))
    product = rows @ matrix
    order = torch.randperm(ROWS, generator=generator)
    assert torch.equal(rows[order] @ matrix, product[order])


def test_environments_are_spread_and_shared_between_elements(projected, inducing):
    available = [int(np.sum(projected.atomic_numbers == e)) for e in ELEMENTS]
    assert all(0 < n <= most for n, most in zip(inducing.counts, available, strict=True))
    assert 190 <= inducing.counts.sum() <= 200
    assert inducing.values.dtype == np.float16
    carbon = inducing.values[inducing.block(1)].astype(float)
    distances = np.linalg.norm(carbon[:, None] - carbon[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    rows = projected.values[projected.atomic_numbers == 6]
    random = rows[np.random.default_rng(1).choice(len(rows), len(carbon), replace=False)]
    other = np.linalg.norm(random[:, None] - random[None], axis=2)
    np.fill_diagonal(other, np.inf)
    assert np.median(distances.min(axis=1)) > 1.5 * np.median(other.min(axis=1))


def test_more_environments_than_there_are_takes_all(projected):
    everything = choose_inducing(projected, 10**6, np.random.default_rng(0))
    assert everything.counts.sum() == len(projected.values)


def test_the_choice_repeats_with_its_seed(projected, inducing):
    again = choose_inducing(projected, 200, np.random.default_rng(0))
    np.testing.assert_array_equal(again.values, inducing.values)


def test_leading_environments_are_the_first_of_each_element(inducing):
    part = leading(inducing, 50)
    columns = leading_columns(inducing, part)
    np.testing.assert_array_equal(part.values, inducing.values[columns])
    assert part.counts.sum() < 60
    assert (part.counts > 0).all()


def test_projection_keeps_distances_and_knows_what_it_loses(solvents):
    found = environments(solvents, ELEMENTS)
    projection, lost = fit_projection(found, 64)
    projected = projection.apply(found)
    assert 0.0 < lost < 0.01
    carbon = np.flatnonzero(found.atomic_numbers == 6)
    full = found.values[carbon].astype(float)
    full = ((full[:, None] - full[None]) ** 2).sum(axis=2)
    kept = projected.values[carbon]
    kept = ((kept[:, None] - kept[None]) ** 2).sum(axis=2)
    # half-precision vectors change distances by less than one in a thousand, beside what is lost
    bound = (np.sqrt(projected.residual[carbon])[:, None] * 2) ** 2
    assert (np.abs(full - kept) <= 2e-3 * full + 2 * bound + 1e-6).mean() > 0.99
