"""Targets are made up from one group of features, so that what matters is known."""

import numpy as np
import pytest
from model_fixtures import ELEMENTS

from screener.models.fchl.local_kernel import part, symmetric_kernel
from screener.models.fchl.metric import Metric, feature_groups
from screener.models.fchl.representation import Environments, environments, n_features
from screener.records import Structure
from screener.training.fit.learn_metric import learn_metric

pytestmark = pytest.mark.slow

GROUP = 4  # neighbours that are carbon, the nearest ones
N_TRAINING, N_COPIES = 40, 3  # molecules, and geometries of each
EXTENSIVE = (True, False)
RIDGES = tuple(10.0**power for power in range(-7, 1))


def displaced(structure: Structure, generator: np.random.Generator) -> Structure:
    noise = generator.normal(0.0, 0.08, structure.positions.shape)
    return Structure(structure.atomic_numbers, (structure.positions + noise).astype(np.float32))


def targets_of_one_group(known: Environments) -> np.ndarray:
    """A sum over atoms and a mean, (n, 2), of something that no linear model learns."""
    values = known.values[:, feature_groups(ELEMENTS) == GROUP].astype(float)
    values = values @ np.random.default_rng(1).normal(size=values.shape[1])
    shares = np.sin(2.0 * values / values.std())
    sums = np.bincount(known.molecule, weights=shares, minlength=known.n_molecules)
    targets = np.stack([sums, sums / known.atoms_per_molecule], axis=1)
    return targets - targets.mean(axis=0)


def best_error(
    known: Environments, targets: np.ndarray, n_training: int, extensive: bool, widths: tuple
) -> float:
    """Mean absolute error of molecules after the first `n_training`, at the best settings."""
    atoms = known.atoms_per_molecule.astype(float)
    fitted, errors = slice(0, n_training), []
    for width in widths:
        kernel = symmetric_kernel(known, width)
        if not extensive:
            kernel = kernel / np.outer(atoms, atoms) * atoms.mean() ** 2
        for ridge in RIDGES:
            matrix = kernel[fitted, fitted] + ridge * np.eye(n_training)
            found = kernel[n_training:, fitted] @ np.linalg.solve(matrix, targets[fitted])
            errors.append(np.abs(found - targets[n_training:]).mean())
    return float(min(errors))


@pytest.fixture(scope="module")
def known(solvents) -> Environments:
    """Geometries of the training molecules, then those of other molecules."""
    generator = np.random.default_rng(0)
    small = [s for s in solvents if s.n_atoms <= 14]
    mixed = [small[place] for place in generator.permutation(len(small))]
    training = [displaced(s, generator) for s in mixed[:N_TRAINING] for _ in range(N_COPIES)]
    order = generator.permutation(len(training))
    others = [displaced(s, generator) for s in mixed[N_TRAINING:] for _ in range(2)]
    assert len(others) > 40
    return environments([*(training[place] for place in order), *others], ELEMENTS)


@pytest.fixture(scope="module", autouse=True)
def _few_are_enough():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("screener.training.fit.learn_metric.FEWEST", 1)
        yield


@pytest.fixture(scope="module")
def few(known) -> Environments:
    return part(known, 0, 30)


@pytest.fixture(scope="module")
def learned(few) -> Metric:
    return learn_metric(few, targets_of_one_group(few), EXTENSIVE)


def test_molecules_left_out_are_predicted_better_where_one_group_matters(known):
    n = N_TRAINING * N_COPIES
    targets = targets_of_one_group(known)
    metric = learn_metric(part(known, 0, n), targets[:n], EXTENSIVE)
    scaled = metric.scaled(known)
    for column, extensive in enumerate(EXTENSIVE):
        plain = best_error(known, targets[:, column], n, extensive, (1.0, 2.0, 4.0, 8.0, 16.0))
        found = best_error(scaled, targets[:, column], n, extensive, (2.0, 4.0, 8.0))
        assert found < 0.6 * plain


def test_scales_are_one_number_per_group_times_one_per_element(learned):
    scales = learned.scales
    width = n_features(ELEMENTS)
    assert scales.shape == (len(ELEMENTS), width)
    assert scales.dtype == np.float32
    assert np.isfinite(scales).all()
    assert (scales > 0).all()
    for group in range(feature_groups(ELEMENTS).max() + 1):
        members = scales[:, feature_groups(ELEMENTS) == group]
        np.testing.assert_array_equal(members, members[:, :1].repeat(members.shape[1], axis=1))
    ratios = scales / scales[0]
    np.testing.assert_allclose(ratios, ratios[:, :1].repeat(width, axis=1), rtol=1e-5)
    assert np.ptp(np.log(scales[0])) > 1.0  # something was learned
    assert np.ptp(ratios[:, 0]) > 0.05


def test_the_same_molecules_give_the_same_bytes_and_stay_as_they_are(few, learned):
    targets = targets_of_one_group(few)
    before = few.values.tobytes(), few.molecule.tobytes(), targets.tobytes()
    again = learn_metric(few, targets, EXTENSIVE)
    assert again.scales.tobytes() == learned.scales.tobytes()
    assert (few.values.tobytes(), few.molecule.tobytes(), targets.tobytes()) == before


def test_units_of_targets_do_not_matter_but_targets_do(few, learned):
    targets = targets_of_one_group(few)
    again = learn_metric(few, targets * [1024.0, 0.25], EXTENSIVE)
    assert again.scales.tobytes() == learned.scales.tobytes()
    other = np.random.default_rng(0).permutation(targets)
    assert (learn_metric(few, other, EXTENSIVE).scales != learned.scales).any()


def test_scales_of_an_element_that_is_absent_stay_near_the_others(solvents):
    without = [s for s in solvents if 9 not in s.atomic_numbers and s.n_atoms <= 12][:30]
    assert {int(z) for s in without for z in s.atomic_numbers} == {1, 6, 7, 8}
    some = environments(without, ELEMENTS)
    scales = learn_metric(some, targets_of_one_group(some), EXTENSIVE).scales[:, 0]
    fluorine = ELEMENTS.index(9)
    others = np.delete(scales, fluorine)
    assert np.isfinite(scales).all()
    assert others.min() < scales[fluorine] < others.max()


def test_every_batch_counts_and_molecules_after_the_last_do_not(few, monkeypatch):
    monkeypatch.setattr("screener.training.fit.learn_metric.BATCH", 10)
    monkeypatch.setattr("screener.training.fit.learn_metric.N_BATCHES", 2)
    targets = targets_of_one_group(few)

    def scales(first: int) -> np.ndarray:
        """With the targets of ten molecules, from `first` on, in reverse order."""
        mixed = targets.copy()
        mixed[first : first + 10] = mixed[first : first + 10][::-1]
        return learn_metric(few, mixed, EXTENSIVE).scales

    plain = learn_metric(few, targets, EXTENSIVE).scales
    np.testing.assert_allclose(scales(20), plain, rtol=1e-3)
    for first in (0, 10):
        assert np.abs(np.log(scales(first) / plain)).max() > 0.1


def test_few_molecules_and_targets_of_nothing_leave_features_as_they_are(few, monkeypatch):
    targets = targets_of_one_group(few)
    monkeypatch.setattr("screener.training.fit.learn_metric.FEWEST", few.n_molecules + 1)
    assert (learn_metric(few, targets, EXTENSIVE).scales == 1.0).all()
    monkeypatch.setattr("screener.training.fit.learn_metric.FEWEST", few.n_molecules)
    assert np.isfinite(learn_metric(few, 0.0 * targets, EXTENSIVE).scales).all()
