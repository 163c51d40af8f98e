import numpy as np
import pytest
from model_fixtures import ELEMENTS
from scipy.spatial.transform import Rotation

from screener.errors import ConfigError, SchemaError
from screener.models.kernel_ridge.additive import AdditiveSettings, regularised_factor
from screener.models.kernel_ridge.cross_evaluator import (
    CrossEvaluator,
    cross_from_arrays,
    cross_to_arrays,
)
from screener.models.kernel_ridge.cross_fit import CrossFit
from screener.models.kernel_ridge.increments import increments, vocabulary
from screener.records import Structure
from screener.training.fit.additive import (
    Prepared,
    fit_additive,
    predict_within,
    prepare,
    solve,
)
from screener.training.fit.cross_fit import cross_fit

SETTINGS = AdditiveSettings()
N_FOLDS = 4


def targets(structures: list[Structure]) -> np.ndarray:
    """Something made of atoms, and a little that is not."""
    found = increments(structures, ELEMENTS)
    coefficients = np.random.default_rng(0).normal(size=found.shape[1])
    bends = [float(np.linalg.norm(s.positions - s.positions.mean(axis=0))) for s in structures]
    return found[:, vocabulary(ELEMENTS).block("composition")] @ coefficients[:5] + 0.1 * np.array(
        bends
    )


def crossed(prepared: Prepared, settings: AdditiveSettings = SETTINGS) -> CrossFit:
    y = targets(list(prepared.structures))
    every = np.ones(len(y), dtype=bool)
    folds = np.arange(len(y)) % N_FOLDS
    return cross_fit(prepared, y, y, settings, fit=every, counted=every, folds=folds)[0]


@pytest.fixture(scope="module")
def prepared(solvents: list[Structure]) -> Prepared:
    return prepare(solvents, (SETTINGS.width,))


@pytest.fixture(scope="module")
def model(prepared: Prepared) -> CrossFit:
    return crossed(prepared)


@pytest.fixture(scope="module")
def evaluator(model: CrossFit) -> CrossEvaluator:
    return CrossEvaluator(model)


def test_pose_and_atom_order_change_nothing(evaluator, solvents):
    structure = solvents[3]
    order = np.random.default_rng(1).permutation(structure.n_atoms)
    turned = Rotation.from_euler("xyz", [0.3, 1.1, -2.0]).apply(structure.positions[order]) + 3.0
    posed = Structure(structure.atomic_numbers[order], turned.astype(np.float32))
    one, other = (evaluator.predict([s]) for s in (structure, posed))
    assert other.values == pytest.approx(one.values, abs=1e-3)  # positions are float32
    assert other.stds == pytest.approx(one.stds, rel=0.02)
    assert other.distances == pytest.approx(one.distances[order], abs=1e-2)


def test_energies_of_molecules_far_apart_add(evaluator, solvents):
    one, other = solvents[0], solvents[1]
    pair = Structure(
        np.concatenate([one.atomic_numbers, other.atomic_numbers]),
        np.concatenate([one.positions, other.positions + np.float32(200.0)]),
    )
    together, apart = evaluator.predict([pair]).values, evaluator.predict([one, other]).values
    assert together.shape == (1 + N_FOLDS, 1)
    assert together[:, 0] == pytest.approx(apart.sum(axis=1), abs=2e-3)


@pytest.mark.parametrize("size", [1, 2, 5, 40])
def test_a_row_has_the_same_bytes_in_any_company(evaluator, solvents, size):
    together = evaluator.predict(solvents)
    parts = [
        evaluator.predict(solvents[start : start + size]) for start in range(0, len(solvents), size)
    ]
    for name in ("values", "stds", "distances"):
        apart = np.concatenate([getattr(part, name) for part in parts], axis=-1)
        assert apart.tobytes() == getattr(together, name).tobytes()
    assert together.offsets.tolist() == [0, *np.cumsum([s.n_atoms for s in solvents])]


def test_no_structures_give_no_values(evaluator):
    found = evaluator.predict([])
    assert found.values.shape == found.stds.shape == (1 + N_FOLDS, 0)
    assert (found.distances.shape, found.offsets.tolist()) == ((0,), [0])


def test_prediction_within_a_set_is_that_of_the_stored_fit_without_the_others(
    prepared, model, evaluator, solvents
):
    y = targets(solvents)
    raw = evaluator.predict(solvents)
    for fold in range(N_FOLDS):
        rows, others = np.flatnonzero(model.folds != fold), np.flatnonzero(model.folds == fold)
        values, stds = predict_within(prepared, y, SETTINGS, rows, others)
        assert values == pytest.approx(raw.values[fold + 1, others], abs=1e-6)
        assert stds == pytest.approx(raw.stds[fold + 1, others], rel=1e-4)


def test_training_molecules_come_out_and_are_less_uncertain(evaluator, model, solvents):
    y = targets(solvents)
    raw = evaluator.predict(solvents)
    assert np.abs(raw.values[0] - y).mean() < 0.05 * np.abs(y - y.mean()).mean()
    left_out = raw.stds[model.folds + 1, np.arange(len(y))]
    assert (raw.stds[0] < left_out).all()


def test_a_strange_molecule_is_far_and_uncertain(evaluator, solvents):
    odd = Structure(solvents[0].atomic_numbers, 1.4 * solvents[0].positions)
    known, strange = evaluator.predict([solvents[0]]), evaluator.predict([odd])
    assert known.distances.max() < 1e-4 < 0.5 < strange.distances.min()
    assert (strange.stds > 3.0 * known.stds).all()


def test_one_wrong_label_moves_the_others_less_when_noise_is_heavy_tailed():
    x = np.linspace(0.0, 1.0, 30)
    kernel = np.exp(-((x[:, None] - x[None, :]) ** 2) / 0.02)
    y = np.sin(6 * x)
    y[15] += 20.0
    others = np.arange(30) != 15
    moved, noises = {}, {}
    for tolerance in (None, 0.4):
        settings = AdditiveSettings(ridge=0.01, tolerance=tolerance)
        weights, noises[tolerance], factor = solve(kernel, y, settings)
        moved[tolerance] = np.abs(kernel @ weights - np.sin(6 * x))[others].mean()
        # what is returned belongs together
        whole = kernel + np.diag(noises[tolerance])
        np.testing.assert_allclose(factor @ factor.T, whole, atol=1e-12)
        np.testing.assert_allclose(whole @ weights, y, atol=1e-9)
    assert moved[0.4] < 0.2 * moved[None]
    assert (noises[None] == 0.01).all()
    assert noises[0.4][15] > 100.0 * noises[0.4][others].max()


@pytest.mark.parametrize("tolerance", [None, 0.4])
def test_stored_models_predict_the_same_bytes(prepared, solvents, tolerance):
    model = crossed(prepared, AdditiveSettings(tolerance=tolerance))
    stored = cross_from_arrays(cross_to_arrays(model), ELEMENTS)
    assert stored.settings == model.settings
    one, other = (CrossEvaluator(each).predict(solvents[:4]) for each in (model, stored))
    assert one.values.tobytes() == other.values.tobytes()
    assert one.stds.tobytes() == other.stds.tobytes()
    ends = [
        each.cvplus.interval(one.values[1:], one.stds[1:]) for each in (model, stored)
    ]  # lower and upper
    np.testing.assert_array_equal(*ends)


def test_what_fits_share_changes_no_byte(model, evaluator, solvents):
    stored = cross_from_arrays(cross_to_arrays(model), ELEMENTS)
    few = crossed(prepare(solvents[:-1], (SETTINGS.width,)))
    for each in (stored, few):
        shared, alone = CrossEvaluator(each, other=evaluator), CrossEvaluator(each)
        one, other = (which.predict(solvents[:4]) for which in (shared, alone))
        assert one.values.tobytes() == other.values.tobytes()
        assert one.stds.tobytes() == other.stds.tobytes()
        assert one.distances.tobytes() == other.distances.tobytes()


def test_broken_arrays_are_refused(model):
    arrays = cross_to_arrays(model)
    for name, array in arrays.items():
        with pytest.raises(SchemaError, match=f"no array {name} "):
            cross_from_arrays({k: v for k, v in arrays.items() if k != name}, ELEMENTS)
        with pytest.raises(SchemaError, match="no array cross"):
            cross_from_arrays(arrays | {name: array[1:]}, ELEMENTS)


def test_targets_without_value_are_refused(prepared):
    y = targets(list(prepared.structures))
    rows = np.arange(len(y))
    gap = np.where(rows == 2, np.nan, y)
    with pytest.raises(ConfigError, match="finite targets"):
        fit_additive(prepared, gap, SETTINGS, rows)
    with pytest.raises(ConfigError, match="finite targets"):
        fit_additive(prepared, y[1:], SETTINGS, rows[1:])
    # those that are not fitted on are not read
    without, _ = fit_additive(prepared, gap, SETTINGS, rows[3:])
    assert without.weights.tobytes() == (
        fit_additive(prepared, y, SETTINGS, rows[3:])[0].weights.tobytes()
    )


def test_a_kernel_that_is_not_positive_definite_is_refused():
    with pytest.raises(ConfigError, match="not positive definite"):
        regularised_factor(-np.eye(4), np.full(4, 1e-3))
