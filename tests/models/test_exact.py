from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import load, save
from scipy.spatial.transform import Rotation

from screener.errors import ConfigError, SchemaError
from screener.models.exact import ExactModel, ExactReport, ExactSettings, fit_exact
from screener.models.exact_arrays import exact_from_arrays, exact_to_arrays
from screener.models.exact_evaluator import ExactEvaluator
from screener.records import Structure

SETTINGS = ExactSettings(widths=(2.0, 6.0), ridges=(1e-6, 1e-4, 1e-2), learned_metric=False)
EXTENSIVE = (True, False, False)
QUICK = settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def targets(structures: list[Structure]) -> np.ndarray:
    """Smooth made-up values of geometries, the first extensive, the others not."""
    rows = []
    for structure in structures:
        distances = np.linalg.norm(
            structure.positions[:, None].astype(float) - structure.positions[None], axis=2
        )
        np.fill_diagonal(distances, np.inf)
        numbers = structure.atomic_numbers.astype(float)
        pairs = np.sqrt(numbers[:, None] * numbers[None]) * np.exp(-distances)
        rows.append((100.0 * pairs.sum(), pairs.mean(), (pairs**2).mean()))
    return np.array(rows)


@pytest.fixture(scope="module")
def fit(solvents) -> tuple[ExactModel, ExactReport]:
    return fit_exact(solvents[:60], targets(solvents[:60]), EXTENSIVE, SETTINGS)


@pytest.fixture(scope="module")
def evaluator(fit) -> ExactEvaluator:
    return ExactEvaluator(fit[0])


def combined(one: Structure, other: Structure) -> Structure:
    """Two molecules 100 angstrom apart."""
    return Structure(
        np.concatenate([one.atomic_numbers, other.atomic_numbers]),
        np.concatenate([one.positions, other.positions + np.float32([100, 0, 0])]),
    )


@QUICK
@given(
    angles=st.tuples(*[st.floats(-180, 180) for _ in range(3)]),
    seed=st.integers(0, 2**32 - 1),
    number=st.integers(0, 97),
)
def test_pose_and_atom_order_change_nothing(evaluator, solvents, angles, seed, number):
    structure = solvents[number]
    order = np.random.default_rng(seed).permutation(structure.n_atoms)
    turned = Rotation.from_euler("xyz", angles, degrees=True).apply(structure.positions)
    posed = Structure(structure.atomic_numbers[order], turned[order].astype(np.float32))
    found = evaluator.predict([structure, posed])
    np.testing.assert_allclose(found.values[0], found.values[1], rtol=1e-5, atol=1e-3)
    np.testing.assert_allclose(found.stds[0], found.stds[1], rtol=1e-3)


def test_sums_add_and_means_stay(evaluator, solvents):
    one, other = solvents[61], solvents[1]
    found = evaluator.predict([one, other, combined(one, other), combined(one, one)]).values
    assert found[2, 0] == pytest.approx(found[0, 0] + found[1, 0], abs=5e-3)
    np.testing.assert_allclose(found[3, 1:], found[0, 1:], atol=1e-4)


def test_it_predicts_molecules_it_has_not_seen(fit, evaluator, solvents):
    model, report = fit
    new = solvents[60:]
    true = targets(new)
    found = np.abs(evaluator.predict(new).values - true).mean(axis=0)
    assert (found < 0.5 * np.abs(true - true.mean(axis=0)).mean(axis=0)).all()
    assert model.width in SETTINGS.widths
    assert (report.errors <= report.trials[2.0]).all() or (
        report.errors <= report.trials[6.0]
    ).all()


def test_left_out_errors_are_near_those_of_fits_without_the_molecule(fit, solvents):
    model, report = fit
    some, true = solvents[:60], targets(solvents[:60])
    chosen = ExactSettings(
        widths=(model.width,), ridges=(float(report.ridges[0]),), learned_metric=False
    )
    for left in (3, 41):
        others = [row for row in range(60) if row != left]
        again, _ = fit_exact([some[row] for row in others], true[others][:, :1], (True,), chosen)
        error = true[left, 0] - ExactEvaluator(again).predict([some[left]]).values[0, 0]
        # not equal: the composition baseline is fitted on all
        assert report.left_out[left, 0] == pytest.approx(error, rel=0.3)


def test_spread_vanishes_on_training_molecules_and_grows_away(evaluator, solvents):
    generator = np.random.default_rng(0)
    noise = [generator.normal(size=s.positions.shape) for s in solvents[:20]]
    spreads = []
    for size in (0.0, 0.02, 0.1, 0.4):
        moved = [
            Structure(s.atomic_numbers, s.positions + (size * n).astype(np.float32))
            for s, n in zip(solvents, noise, strict=False)
        ]
        found = evaluator.predict(moved)
        spreads.append((found.stds.mean(axis=0), found.distances.mean()))
    for (before, near), (after, far) in pairwise(spreads):
        assert (before < after).all()
        assert near < far


def test_a_row_has_the_same_bytes_in_any_company(evaluator, solvents):
    whole = evaluator.predict(solvents)
    order = np.random.default_rng(0).permutation(len(solvents))
    mixed = evaluator.predict([solvents[row] for row in order])
    np.testing.assert_array_equal(mixed.values, whole.values[order])
    np.testing.assert_array_equal(mixed.stds, whole.stds[order])
    for row in (0, 37, 97):
        alone = evaluator.predict([solvents[row]])
        np.testing.assert_array_equal(alone.values[0], whole.values[row])
        np.testing.assert_array_equal(alone.stds[0], whole.stds[row])
        np.testing.assert_array_equal(
            alone.distances, whole.distances[whole.offsets[row] : whole.offsets[row + 1]]
        )


def test_no_structures_give_no_rows(evaluator):
    assert evaluator.predict([]).values.shape == (0, 3)


def test_a_stored_model_predicts_the_same_bytes(fit, evaluator, solvents):
    stored = load(save(exact_to_arrays(fit[0])))
    again = ExactEvaluator(exact_from_arrays(stored)).predict(solvents)
    whole = evaluator.predict(solvents)
    np.testing.assert_array_equal(again.values, whole.values)
    np.testing.assert_array_equal(again.stds, whole.stds)


def test_arrays_that_are_missing_or_of_other_shapes_are_refused(fit):
    arrays = exact_to_arrays(fit[0])
    for name in arrays:
        with pytest.raises(SchemaError, match=name):
            exact_from_arrays({key: value for key, value in arrays.items() if key != name})
    with pytest.raises(SchemaError, match="60 molecules"):
        exact_from_arrays({**arrays, "exact.root_sums": arrays["exact.root_sums"][:-1]})


def test_targets_of_other_shapes_or_without_value_are_refused(solvents):
    with pytest.raises(ConfigError, match="3 structures"):
        fit_exact(solvents[:3], np.zeros((3, 2)), (True,), SETTINGS)
    with pytest.raises(ConfigError, match="finite"):
        fit_exact(solvents[:3], np.array([[0.0], [np.nan], [1.0]]), (True,), SETTINGS)
    with pytest.raises(ConfigError, match="0 structures"):
        fit_exact([], np.zeros((0, 1)), (True,), SETTINGS)
