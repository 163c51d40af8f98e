from itertools import combinations, combinations_with_replacement

import numpy as np
import pytest
from model_fixtures import ELEMENTS
from scipy.spatial.distance import pdist

from screener.models.fchl.local_kernel import symmetric_kernel
from screener.models.fchl.metric import N_SHELLS, Metric, feature_groups
from screener.models.fchl.representation import (
    N_ANGULAR,
    N_RADIAL,
    Environments,
    environments,
    fchl19,
    n_features,
)
from screener.records import Structure

N_FEATURES = n_features(ELEMENTS)
GROUPS = feature_groups(ELEMENTS)
PAIRS = list(combinations_with_replacement(ELEMENTS, 2))
N_GROUPS = len(ELEMENTS) * N_SHELLS + len(PAIRS)


def radial(element: int) -> set[int]:
    """Groups of neighbours of one element."""
    start = ELEMENTS.index(element) * N_SHELLS
    return set(range(start, start + N_SHELLS))


def angular(one: int, other: int) -> int:
    """The group of pairs of neighbours of two elements."""
    pair = tuple(sorted((one, other)))
    return len(ELEMENTS) * N_SHELLS + PAIRS.index(pair)


def groups_where(features: np.ndarray) -> set[int]:
    return set(GROUPS[features].tolist())


def changed(before: np.ndarray, after: np.ndarray) -> set[int]:
    """Groups that differ by more than positions in float32 let distances differ."""
    return groups_where(np.abs(after - before) > 1e-5)


def around_carbon(one: int, other: int, angle: float, far: float = 1.4) -> Structure:
    """A carbon atom with two neighbours, the second one `far` away; angle in degrees."""
    direction = np.array([np.cos(np.radians(angle)), np.sin(np.radians(angle)), 0.0])
    return Structure(
        np.array([6, one, other], dtype=np.uint8),
        np.array([[0.0, 0.0, 0.0], [1.2, 0.0, 0.0], far * direction], dtype=np.float32),
    )


@pytest.fixture(scope="module")
def known(solvents) -> Environments:
    return environments(solvents, ELEMENTS)


def random_metric() -> Metric:
    generator = np.random.default_rng(1)
    scales = generator.uniform(0.5, 2.0, (len(ELEMENTS), N_FEATURES))
    return Metric(ELEMENTS, scales.astype(np.float32))


def test_every_feature_has_a_group_and_radial_ones_come_first():
    assert GROUPS.shape == (N_FEATURES,)
    np.testing.assert_array_equal(np.unique(GROUPS), np.arange(N_GROUPS))
    assert set(np.diff(GROUPS)) == {0, 1}  # each group is one run of features
    sizes = np.bincount(GROUPS)
    n_radial = len(ELEMENTS) * N_SHELLS
    assert sizes[:n_radial].tolist() == [N_RADIAL // N_SHELLS] * n_radial
    assert sizes[n_radial:].tolist() == [N_ANGULAR] * len(PAIRS)


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_bending_changes_the_group_of_one_pair_of_neighbours(one, other):
    before, after = (fchl19(around_carbon(one, other, angle), ELEMENTS) for angle in (105.0, 125.0))
    assert changed(before[0], after[0]) == {angular(one, other)}
    # seen from the first neighbour the second one moved, and so did its pair with the carbon
    assert changed(before[1], after[1]) - radial(other) == {angular(6, other)}
    assert changed(before[1], after[1]) & radial(other)


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_stretching_changes_groups_of_the_neighbour_that_moved(one, other):
    before, after = (fchl19(around_carbon(one, other, 110.0, far), ELEMENTS) for far in (1.4, 1.5))
    assert changed(before[0], after[0]) - radial(other) == {angular(one, other)}
    assert changed(before[0], after[0]) & radial(other)


@pytest.mark.parametrize("element", ELEMENTS)
def test_shells_go_from_short_distances_to_long_ones(element):
    found = []
    for distance in (1.0, 3.0, 5.0, 7.0):
        positions = np.array([[0, 0, 0], [distance, 0, 0]], dtype=np.float32)
        two = Structure(np.array([6, element], dtype=np.uint8), positions)
        found.append(int(GROUPS[fchl19(two, ELEMENTS)[0].argmax()]))
    assert found == sorted(radial(element))


def test_groups_are_filled_as_the_atoms_of_a_molecule_say(solvents):
    first_angular = len(ELEMENTS) * N_SHELLS
    small = [s for s in solvents if pdist(s.positions).max() < 7.5]  # within both cutoffs
    assert len(small) > 60
    for structure in small:
        for place, features in enumerate(fchl19(structure, ELEMENTS)):
            neighbours = np.delete(structure.atomic_numbers, place).tolist()
            filled = groups_where(features != 0)
            assert {e for e in ELEMENTS if radial(e) & filled} == set(neighbours)
            pairs = {angular(a, b) for a, b in combinations(neighbours, 2)}
            assert {group for group in filled if group >= first_angular} == pairs


def test_the_plain_metric_leaves_environments_as_they_are(known):
    found = Metric.plain(ELEMENTS).scaled(known)
    assert found.values.dtype == known.values.dtype
    assert found.values.tobytes() == known.values.tobytes()
    assert found.n_molecules == known.n_molecules
    np.testing.assert_array_equal(found.molecule, known.molecule)


def test_features_are_scaled_by_the_element_of_their_centre(known):
    metric = random_metric()
    found = metric.scaled(known)
    assert found.values.dtype == np.float32
    assert set(known.atomic_numbers.tolist()) == set(ELEMENTS)
    rows = [ELEMENTS.index(number) for number in known.atomic_numbers.tolist()]
    np.testing.assert_array_equal(found.values, known.values * metric.scales[rows])
    np.testing.assert_array_equal(found.atomic_numbers, known.atomic_numbers)


def test_scaling_changes_neither_environments_nor_metric(known):
    metric = random_metric()
    values, scales = known.values.tobytes(), metric.scales.tobytes()
    first = metric.scaled(known).values
    assert (first != known.values).any()
    assert known.values.tobytes() == values
    assert metric.scales.tobytes() == scales
    assert metric.scaled(known).values.tobytes() == first.tobytes()


def test_twice_the_scale_is_half_the_width(known):
    doubled = Metric(ELEMENTS, 2.0 * Metric.plain(ELEMENTS).scales).scaled(known)
    np.testing.assert_array_equal(symmetric_kernel(doubled, 8.0), symmetric_kernel(known, 4.0))


def test_scales_of_fluorine_matter_to_molecules_with_fluorine_alone(solvents, known):
    scales = Metric.plain(ELEMENTS).scales
    scales[ELEMENTS.index(9)] *= 3.0
    before, after = (
        symmetric_kernel(e, 4.0) for e in (known, Metric(ELEMENTS, scales).scaled(known))
    )
    moved = before != after
    has = np.array([9 in structure.atomic_numbers for structure in solvents])
    assert 5 < has.sum() < len(has) - 5
    assert not moved[~has].any()
    assert (moved & ~np.eye(len(has), dtype=bool))[has].any(axis=1).all()
