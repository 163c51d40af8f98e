import numpy as np
import pytest
from model_fixtures import ELEMENTS
from qmllib.representations import generate_fchl19
from threadpoolctl import threadpool_info, threadpool_limits

from screener.models.fchl.representation import (
    environments,
    fchl19,
    n_features,
    one_openmp_thread,
)
from screener.records import Structure


def test_it_is_fchl19_of_the_stored_positions(solvents):
    structure = solvents[0]
    found = fchl19(structure, ELEMENTS)
    expected = generate_fchl19(
        structure.atomic_numbers.astype(int),
        structure.positions.astype(float),
        elements=[1, 6, 7, 8, 9],
    )
    assert found.shape == (structure.n_atoms, n_features(ELEMENTS)) == (structure.n_atoms, 720)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, expected.astype(np.float32))


def test_fluorine_is_seen(structure_of):
    trifluoro, ethane = structure_of("CC(F)(F)F"), structure_of("CC")
    assert fchl19(trifluoro, ELEMENTS)[0].any()
    radial_fluorine = slice(4 * 24, 5 * 24)
    assert fchl19(trifluoro, ELEMENTS)[0, radial_fluorine].max() > 0.1
    assert not fchl19(ethane, ELEMENTS)[0, radial_fluorine].any()


def test_company_and_size_of_the_batch_change_no_bytes(solvents):
    together = environments(solvents[:30], ELEMENTS)
    start = 0
    for number, structure in enumerate(solvents[:30]):
        rows = slice(start, start + structure.n_atoms)
        np.testing.assert_array_equal(together.values[rows], fchl19(structure, ELEMENTS))
        assert (together.molecule[rows] == number).all()
        start = rows.stop
    assert together.n_molecules == 30
    assert together.atoms_per_molecule.tolist() == [s.n_atoms for s in solvents[:30]]


def test_reversed_atoms_give_reversed_environments(solvents):
    structure = solvents[5]
    turned = Structure(structure.atomic_numbers[::-1].copy(), structure.positions[::-1].copy())
    np.testing.assert_allclose(
        fchl19(turned, ELEMENTS)[::-1], fchl19(structure, ELEMENTS), atol=1e-6
    )


def test_an_element_it_does_not_know_is_an_error():
    silane = Structure(np.array([14, 1], dtype=np.uint8), np.eye(2, 3, dtype=np.float32))
    with pytest.raises(ValueError, match="14"):
        fchl19(silane, ELEMENTS)


def test_it_runs_in_one_thread_and_leaves_the_others_alone():
    def threads() -> dict[str, int]:
        return {i["filepath"]: i["num_threads"] for i in threadpool_info()}

    with threadpool_limits(2):
        before = threads()
        with one_openmp_thread():
            changed = {path for path, number in threads().items() if number != before[path]}
            assert all("qmllib" in path and "gomp" in path for path in changed)
            assert changed
        assert threads() == before


def test_elements_are_those_of_the_model():
    silane = Structure(np.array([14, 1], dtype=np.uint8), np.eye(2, 3, dtype=np.float32))
    elements = (1, 14, 17)
    expected = generate_fchl19(
        silane.atomic_numbers.astype(int), silane.positions.astype(float), elements=[1, 14, 17]
    )
    features = fchl19(silane, elements)
    assert features.shape == (2, n_features(elements))
    np.testing.assert_array_equal(features, expected.astype(np.float32))
