import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from screener.errors import ConfigError, SchemaError
from screener.models.additive import (
    AdditiveModel,
    AdditiveSettings,
    Prepared,
    fit_additive,
    predict_within,
    prepare,
    solve,
)
from screener.models.additive_evaluator import (
    AdditiveEvaluator,
    additive_from_arrays,
    additive_to_arrays,
)
from screener.models.increments import block, increments
from screener.records import Structure

SETTINGS = AdditiveSettings()


def targets(structures: list[Structure]) -> np.ndarray:
    """Something made of bonds, and a little that is not."""
    found = increments(structures)
    coefficients = np.random.default_rng(0).normal(size=found.shape[1])
    bends = [float(np.linalg.norm(s.positions - s.positions.mean(axis=0))) for s in structures]
    return found[:, block("composition")] @ coefficients[:5] + 0.1 * np.array(bends)


@pytest.fixture(scope="module")
def prepared(solvents: list[Structure]) -> Prepared:
    return prepare(solvents, (SETTINGS.width,))


@pytest.fixture(scope="module")
def model(prepared: Prepared) -> AdditiveModel:
    return fit_additive(prepared, targets(list(prepared.structures)), SETTINGS)


@pytest.fixture(scope="module")
def evaluator(model: AdditiveModel) -> AdditiveEvaluator:
    return AdditiveEvaluator(model)


def test_pose_and_atom_order_change_nothing(evaluator, solvents):
    structure = solvents[3]
    order = np.random.default_rng(1).permutation(structure.n_atoms)
    turned = Rotation.from_euler("xyz", [0.3, 1.1, -2.0]).apply(structure.positions[order]) + 3.0
    posed = Structure(structure.atomic_numbers[order], turned.astype(np.float32))
    one, other = (evaluator.predict([s]).values[0, 0] for s in (structure, posed))
    assert other == pytest.approx(one, abs=1e-3)  # positions are float32


def test_energies_of_molecules_far_apart_add(evaluator, solvents):
    one, other = solvents[0], solvents[1]
    pair = Structure(
        np.concatenate([one.atomic_numbers, other.atomic_numbers]),
        np.concatenate([one.positions, other.positions + np.float32(200.0)]),
    )
    together, apart = evaluator.predict([pair]).values, evaluator.predict([one, other]).values
    assert together[0, 0] == pytest.approx(apart.sum(), abs=2e-3)


def test_a_row_has_the_same_bytes_in_any_company(evaluator, solvents):
    alone = evaluator.predict([solvents[4]])
    among = evaluator.predict([*solvents, solvents[4]])
    assert among.values[-1].tobytes() == alone.values[0].tobytes()
    assert among.stds[-1].tobytes() == alone.stds[0].tobytes()


def test_prediction_within_a_set_is_that_of_a_fit_without_the_others(prepared, solvents):
    y = targets(solvents)
    rows, others = np.arange(5, len(y)), np.arange(5)
    values, stds = predict_within(prepared, y, SETTINGS, rows, others)
    raw = AdditiveEvaluator(fit_additive(prepared, y, SETTINGS, rows)).predict(solvents[:5])
    assert values == pytest.approx(raw.values[:, 0], abs=1e-6)
    assert stds == pytest.approx(raw.stds[:, 0], rel=1e-4)


def test_training_molecules_come_out_and_are_less_uncertain(prepared, evaluator, solvents):
    y = targets(solvents)
    raw = evaluator.predict(solvents)
    assert np.abs(raw.values[:, 0] - y).mean() < 0.05 * np.abs(y - y.mean()).mean()
    _, left_out = predict_within(prepared, y, SETTINGS, np.arange(1, len(y)), np.array([0]))
    assert raw.stds[0, 0] < left_out[0]


def test_one_wrong_label_moves_the_others_less_when_noise_is_heavy_tailed():
    x = np.linspace(0.0, 1.0, 30)
    kernel = np.exp(-((x[:, None] - x[None, :]) ** 2) / 0.02)
    y = np.sin(6 * x)
    y[15] += 20.0
    moved = {}
    for tolerance in (None, 0.4):
        weights, _ = solve(kernel, y, AdditiveSettings(ridge=0.01, tolerance=tolerance))
        others = np.arange(30) != 15
        moved[tolerance] = np.abs(kernel @ weights - np.sin(6 * x))[others].mean()
    assert moved[0.4] < 0.2 * moved[None]


def test_stored_models_predict_the_same_bytes(model, evaluator, solvents):
    again = AdditiveEvaluator(additive_from_arrays(additive_to_arrays(model)))
    one, other = evaluator.predict(solvents[:4]), again.predict(solvents[:4])
    assert one.values.tobytes() == other.values.tobytes()
    assert one.stds.tobytes() == other.stds.tobytes()


def test_broken_arrays_are_refused(model):
    arrays = additive_to_arrays(model)
    with pytest.raises(SchemaError, match="no array additive"):
        additive_from_arrays({k: v for k, v in arrays.items() if k != "additive.root"})
    with pytest.raises(SchemaError, match="not those of"):
        additive_from_arrays(arrays | {"additive.weights": arrays["additive.weights"][1:]})


def test_targets_without_value_are_refused(prepared):
    y = targets(list(prepared.structures))
    with pytest.raises(ConfigError):
        fit_additive(prepared, np.where(np.arange(len(y)) == 2, np.nan, y), SETTINGS)
    with pytest.raises(ConfigError):
        fit_additive(prepared, y[1:], SETTINGS)
