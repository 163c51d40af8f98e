import numpy as np
import pytest
import qmllib.kernels
import qmllib.representations
from model_fixtures import ELEMENTS

from screener.models.fchl.local_kernel import LocalKernel, part, self_kernel, symmetric_kernel
from screener.models.fchl.representation import Environments, environments
from screener.records import Structure


@pytest.fixture(scope="module")
def known(solvents) -> Environments:
    return environments(solvents, ELEMENTS)


def of_qmllib(structures: list[Structure], width: float, dtype: type) -> np.ndarray:
    """The same kernel by qmllib, from its own representations as they are or rounded."""
    largest = max(structure.n_atoms for structure in structures)
    padded = np.array(
        [
            qmllib.representations.generate_fchl19(
                structure.atomic_numbers.astype(np.int32),
                structure.positions.astype(np.float64),
                elements=list(ELEMENTS),
                pad=largest,
            )
            for structure in structures
        ]
    )
    padded = padded.astype(dtype).astype(np.float64)
    charges = [structure.atomic_numbers.astype(int).tolist() for structure in structures]
    return np.asarray(qmllib.kernels.get_local_kernel(padded, padded, charges, charges, width))


# representations are stored in float32, which narrow kernels feel
@pytest.mark.parametrize(
    ("width", "dtype", "tolerance"),
    [(1.0, np.float32, 1e-12), (4.0, np.float32, 1e-12), (4.0, np.float64, 1e-8)],
)
def test_the_kernel_is_that_of_qmllib(solvents, width, dtype, tolerance):
    some = [*solvents[:20], *solvents[-15:]]  # fluorine among them
    expected = of_qmllib(some, width, dtype)
    found = environments(some, ELEMENTS)
    np.testing.assert_allclose(symmetric_kernel(found, width), expected, rtol=tolerance)
    rows = LocalKernel(found, width).rows(found).values.numpy()
    np.testing.assert_allclose(rows, expected, rtol=tolerance)


def test_it_is_symmetric_and_positive_semidefinite(known):
    kernel = symmetric_kernel(known, 3.0)
    np.testing.assert_array_equal(kernel, kernel.T)
    values = np.linalg.eigvalsh(kernel)
    assert values[0] > -1e-12 * values[-1]


def test_a_molecule_with_itself_is_the_diagonal(known):
    np.testing.assert_allclose(
        self_kernel(known, 3.0), np.diag(symmetric_kernel(known, 3.0)), rtol=1e-13
    )


def test_blocks_of_the_reference_change_nothing(solvents, known):
    many = environments([*solvents, *solvents], ELEMENTS)  # more than a block
    rows = LocalKernel(many, 3.0).rows(part(known, 0, 10)).values.numpy()
    once = LocalKernel(known, 3.0).rows(part(known, 0, 10)).values.numpy()
    np.testing.assert_allclose(rows, np.tile(once, 2), rtol=1e-13)
    np.testing.assert_allclose(
        symmetric_kernel(many, 3.0), np.tile(symmetric_kernel(known, 3.0), (2, 2)), rtol=1e-13
    )


def test_distances_are_to_the_nearest_of_the_element(known):
    reference = part(known, 0, 30)
    found = LocalKernel(reference, 3.0).rows(known).distances
    inside = slice(0, len(reference.values))
    np.testing.assert_allclose(found[inside], 0.0, atol=1e-6)
    for atom in range(len(reference.values), len(known.values), 7):
        same = reference.atomic_numbers == known.atomic_numbers[atom]
        if not same.any():
            assert np.isinf(found[atom])  # no fluorine among the first
            continue
        apart = reference.values[same].astype(float) - known.values[atom]
        assert found[atom] == pytest.approx(np.linalg.norm(apart, axis=1).min(), abs=1e-6)


def test_a_row_has_the_same_bytes_in_any_company(solvents, known):
    kernel = LocalKernel(part(known, 0, 60), 3.0)
    whole = kernel.rows(known).values.numpy()
    order = np.random.default_rng(1).permutation(len(solvents))
    shuffled = kernel.rows(environments([solvents[row] for row in order], ELEMENTS)).values.numpy()
    np.testing.assert_array_equal(shuffled, whole[order])
    alone = kernel.rows(environments([solvents[-1]], ELEMENTS)).values.numpy()
    np.testing.assert_array_equal(alone[0], whole[-1])
