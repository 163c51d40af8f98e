import numpy as np
import pytest
from model_fixtures import ELEMENTS

from screener.models.fchl.metric import Metric
from screener.models.fchl.projection import fit_projection
from screener.models.fchl.representation import environments
from screener.training.fit.environment_pool import projected_chunks


@pytest.mark.slow
def test_two_processes_give_the_bytes_of_one(solvents):
    projection, _ = fit_projection(environments(solvents, ELEMENTS), 32)
    one, two = (
        list(projected_chunks(solvents, Metric.plain(ELEMENTS), projection, 40, workers))
        for workers in (1, 2)
    )
    assert [part.n_molecules for part in two] == [40, 40, 18]
    for alone, other in zip(one, two, strict=True):
        for name in ("values", "residual", "atomic_numbers", "molecule"):
            np.testing.assert_array_equal(getattr(alone, name), getattr(other, name))
