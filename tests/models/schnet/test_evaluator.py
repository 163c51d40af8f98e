import numpy as np
import pytest
import torch

from screener.errors import SchemaError
from screener.models.baseline import baseline, composition
from screener.models.schnet.evaluator import SchNetEvaluator
from screener.models.schnet.model import SchNetModel, schnet_from_arrays, schnet_to_arrays
from screener.models.schnet.network import SchNetSettings
from screener.models.schnet.scale import Fitted
from screener.models.uncertainty.known_atoms import KnownAtoms
from screener.records import Structure
from screener.training.fit import schnet_errors
from screener.training.fit.schnet_errors import fit_difficulty, with_errors
from screener.training.fit.schnet_scale import fit_scale, fit_schnet
from screener.training.fit.schnet_training import TrainingSettings

SETTINGS = TrainingSettings(
    network=SchNetSettings(
        extensive=(True, False), n_members=4, n_features=32, n_interactions=2, n_gaussians=25,
        n_head=16, cutoff=5.0,
    ),
    loss_weights=(1.0, 1.0), n_epochs=40, batch_size=10, learning_rate=5e-3, averaging=0.9,
)  # fmt: skip
# the first fifty solvents have no fluorine
DESCRIPTION = {"elements": (1, 6, 7, 8), "extensive": (True, False)}


def targets_of(structures) -> np.ndarray:
    rows = []
    for structure in structures:
        positions = structure.positions.astype(np.float64)
        distances = np.linalg.norm(positions[:, None] - positions[None], axis=2)
        near = np.exp(-(((distances - 1.5) / 0.5) ** 2)) * (distances > 0)
        charged = near @ structure.atomic_numbers.astype(np.float64)
        rows.append((-100.0 * structure.n_atoms + charged.sum(), charged.mean()))
    return np.array(rows)


@pytest.fixture(scope="module")
def sets(solvents):
    known, others = solvents[:50], solvents[50:]
    return (known, targets_of(known)), (others, targets_of(others))


@pytest.fixture(scope="module")
def model(sets) -> SchNetModel:
    return with_errors(fit_schnet(*sets, SETTINGS), sets[0][0], sets[1], seed=1)


@pytest.fixture(scope="module")
def evaluator(model) -> SchNetEvaluator:
    return SchNetEvaluator(model)


def test_predictions_are_near_what_was_learned(evaluator, sets):
    structures, targets = sets[0]
    found = evaluator.predict(structures)
    assert found.values.shape == found.stds.shape == targets.shape
    assert (found.stds > 0).all()
    left = targets - fit_scale(structures, targets, (True, False)).restored(
        structures, np.zeros_like(targets)
    )
    errors = np.abs(found.values - targets).mean(axis=0)
    assert (errors < 0.5 * np.abs(left).mean(axis=0)).all()


def test_a_row_has_the_same_bytes_in_any_company(evaluator, solvents):
    whole = evaluator.predict(solvents)
    order = np.random.default_rng(1).permutation(len(solvents))
    shuffled = evaluator.predict([solvents[row] for row in order])
    alone = evaluator.predict([solvents[-1]])
    np.testing.assert_array_equal(shuffled.values, whole.values[order])
    np.testing.assert_array_equal(shuffled.stds, whole.stds[order])
    np.testing.assert_array_equal(alone.values[0], whole.values[-1])
    np.testing.assert_array_equal(alone.stds[0], whole.stds[-1])
    np.testing.assert_array_equal(alone.distances, whole.distances[whole.offsets[-2] :])
    for place, row in enumerate(order):
        np.testing.assert_array_equal(
            shuffled.distances[shuffled.offsets[place] : shuffled.offsets[place + 1]],
            whole.distances[whole.offsets[row] : whole.offsets[row + 1]],
        )


def test_chunks_change_nothing(evaluator, solvents):
    many = [*solvents] * (1 + 1024 // len(solvents))
    assert len(many) > 1024
    found, once = evaluator.predict(many), evaluator.predict(solvents)
    n_times = len(many) // len(solvents)
    np.testing.assert_array_equal(found.values, np.tile(once.values, (n_times, 1)))
    np.testing.assert_array_equal(found.distances, np.tile(once.distances, n_times))


def test_no_structures_give_no_predictions(evaluator):
    found = evaluator.predict([])
    assert found.values.shape == found.stds.shape == (0, 2)
    assert len(found.distances) == 0


def test_energies_are_sums(evaluator, solvents):
    one, other = solvents[0], solvents[7]
    both = Structure(
        np.concatenate([one.atomic_numbers, other.atomic_numbers]),
        np.concatenate([one.positions, other.positions + np.float32(100.0)]),
    )
    apart, together = evaluator.predict([one, other]), evaluator.predict([both])
    assert together.values[0, 0] == pytest.approx(apart.values[:, 0].sum(), abs=1e-3)
    np.testing.assert_allclose(together.distances, apart.distances, atol=0.01)


def test_arrays_give_the_same_model(model, evaluator, solvents):
    again = SchNetEvaluator(schnet_from_arrays(schnet_to_arrays(model), DESCRIPTION)).predict(
        solvents
    )
    expected = evaluator.predict(solvents)
    for name in ("values", "stds", "distances", "offsets"):
        np.testing.assert_array_equal(getattr(again, name), getattr(expected, name))


@pytest.mark.parametrize(
    "name", ["extensive", "sizes", "factors", "known.values", "network.value", "difficulty.limits"]
)
def test_broken_arrays_are_refused(model, name):
    arrays = schnet_to_arrays(model)
    missing = {key: value for key, value in arrays.items() if key != f"schnet.{name}"}
    with pytest.raises(SchemaError, match="no array"):
        schnet_from_arrays(missing, DESCRIPTION)
    short = {**arrays, f"schnet.{name}": arrays[f"schnet.{name}"][:-1]}
    with pytest.raises(SchemaError, match="no array"):
        schnet_from_arrays(short, DESCRIPTION)


def test_known_atoms_are_near_and_others_far(evaluator, sets):
    fit = sets[0][0]
    assert sum(s.n_atoms for s in fit) < schnet_errors.N_KNOWN  # all atoms are known
    assert evaluator.predict(fit).distances.max() < 0.02  # rounding to half precision
    pulled = [Structure(s.atomic_numbers, s.positions * np.float32(1.2)) for s in fit]
    assert np.median(evaluator.predict(pulled).distances) > 0.1
    fluorine = evaluator.predict([s for s in sets[1][0] if 9 in s.atomic_numbers])
    assert np.isinf(fluorine.distances).any()  # none among the first fifty molecules


def test_distances_are_to_the_nearest_of_the_element(model, solvents):
    generator = np.random.default_rng(4)
    numbers = np.concatenate([s.atomic_numbers for s in solvents])
    features = generator.normal(size=(len(numbers), 32)).astype(np.float32)
    found = KnownAtoms(model.known).distances(numbers, features)
    known = model.known.values.astype(np.float64)
    for atom in range(0, len(numbers), 41):
        own = known[:0]
        if int(numbers[atom]) in model.known.elements:
            place = model.known.elements.index(int(numbers[atom]))
            own = known[model.known.block(place)]
        nearest = np.linalg.norm(own - features[atom], axis=1).min() if len(own) else np.inf
        assert found[atom] == pytest.approx(nearest, rel=1e-4)


def test_stds_rank_errors(model, solvents):
    """Noise on the targets that grows with the share of carbon is found in the features."""
    fitted = Fitted(model.fitted.network, model.fitted.scale)
    share = np.array([np.mean(s.atomic_numbers == 6) for s in solvents])
    clean = SchNetEvaluator(model).predict(solvents).values
    noise = np.random.default_rng(2).normal(size=clean.shape) * np.exp(8 * share)[:, None]
    few, others = slice(0, None, 2), slice(1, None, 2)
    found = fit_difficulty(fitted, solvents[few], (clean + noise)[few])
    predictor = SchNetEvaluator(SchNetModel(fitted, model.known, found))
    stds = predictor.predict(solvents[others]).stds
    for target in range(2):
        ranks = [np.argsort(np.argsort(x)) for x in (stds[:, target], share[others])]
        assert np.corrcoef(*ranks)[0, 1] > 0.5


def test_baselines_are_added_in_float64(model, evaluator, solvents):
    network, scale = model.fitted.network, model.fitted.scale
    silent = schnet_from_arrays(schnet_to_arrays(model), DESCRIPTION).fitted.network
    with torch.no_grad():
        silent.value.zero_()
        silent.value_bias.zero_()
    quiet = SchNetModel(Fitted(silent, scale), model.known, model.difficulty)
    found = SchNetEvaluator(quiet).predict(solvents).values
    counts = composition(solvents, scale.elements)
    expected = np.stack([baseline(counts, row) for row in scale.baselines], axis=1)
    np.testing.assert_array_equal(found, expected)
    assert network.value.abs().max() > 0
