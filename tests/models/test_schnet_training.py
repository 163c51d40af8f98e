import json
from itertools import islice

import numpy as np
import pytest

from screener.errors import ConfigError
from screener.models import schnet_fit
from screener.models.pairs import neighbours
from screener.models.schnet import SchNetSettings
from screener.models.schnet_fit import fit_scale, fit_schnet, network_of
from screener.models.schnet_training import (
    Checkpoint,
    LabelledNeighbours,
    Training,
    TrainingSettings,
)

NETWORK = SchNetSettings(
    extensive=(True, False), n_members=2, n_features=32, n_interactions=3, n_gaussians=25,
    n_head=16, cutoff=5.0,
)  # fmt: skip
SETTINGS = TrainingSettings(
    network=NETWORK, loss_weights=(1.0, 0.5), n_epochs=3, batch_size=8, learning_rate=2e-3
)


def targets_of(structures) -> np.ndarray:
    """A sum and a mean over atoms that follow from the geometry."""
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
    few, others = solvents[:20], solvents[20:30]
    return (few, targets_of(few)), (others, targets_of(others))


@pytest.fixture(scope="module")
def prepared(sets):
    scale = fit_scale(*sets[0], NETWORK.extensive)
    return [
        LabelledNeighbours(neighbours(structures, 5.0), scale.standardised(structures, targets))
        for structures, targets in sets
    ]


def through_json(checkpoint: Checkpoint) -> Checkpoint:
    return Checkpoint(checkpoint.arrays, json.loads(json.dumps(checkpoint.state)))


def assert_same(one: Checkpoint, other: Checkpoint) -> None:
    assert one.state == other.state
    assert one.arrays.keys() == other.arrays.keys()
    for name, array in one.arrays.items():
        np.testing.assert_array_equal(array, other.arrays[name], err_msg=name)


@pytest.mark.parametrize("stop", [0, 1, 3, 5])  # before all, within epochs, at the end of one
def test_an_interrupted_training_goes_on_to_the_same_bytes(prepared, stop):
    settings = SETTINGS.model_copy(update={"batch_size": 6})  # three steps in an epoch
    whole = Training(*prepared, settings)
    losses = [progress.loss for progress in whole.run()]
    assert len(losses) == whole.n_steps == 9
    first = Training(*prepared, settings)
    before = [progress.loss for progress in islice(first.run(), stop)]
    assert before == losses[:stop]
    second = Training(*prepared, settings, through_json(first.checkpoint()))
    assert [progress.loss for progress in second.run()] == losses[stop:]
    assert_same(second.checkpoint(), whole.checkpoint())
    assert list(second.run()) == []


def test_another_seed_gives_another_network(prepared):
    trained = []
    for seed in (0, 1):
        training = Training(*prepared, SETTINGS.model_copy(update={"seed": seed}))
        trained.append([progress.loss for progress in training.run()])
    assert trained[0] != trained[1]


def test_a_checkpoint_of_other_settings_is_refused(prepared):
    checkpoint = Training(*prepared, SETTINGS).checkpoint()
    other = SETTINGS.model_copy(update={"learning_rate": 1e-4})
    with pytest.raises(ConfigError, match="other settings"):
        Training(*prepared, other, checkpoint)


def test_targets_must_be_finite(prepared):
    targets = prepared[0].targets.copy()
    targets[3, 1] = np.nan
    with pytest.raises(ConfigError, match="finite"):
        LabelledNeighbours(prepared[0].molecules, targets)


def test_twenty_molecules_are_learned_by_heart(sets):
    fit = sets[0]
    settings = TrainingSettings(
        network=NETWORK.model_copy(update={"n_members": 1}), loss_weights=(1.0, 1.0), n_epochs=120,
        batch_size=10, learning_rate=1e-2, averaging=0.9, linear_beyond=0.1,
    )  # fmt: skip
    reports, saved = [], []
    fitted = fit_schnet(fit, fit, settings, report=reports.append, save=saved.append)
    spread = fit_scale(*fit, NETWORK.extensive).factors
    errors = np.array(reports[-1].selection_mae)
    assert (errors < 0.05 * spread).all()
    assert reports[-1].progress.epoch == 120
    assert len(saved) == 1
    for name, value in network_of(saved[0]).state_dict().items():
        np.testing.assert_array_equal(value, fitted.network.state_dict()[name])


def test_it_ends_early_when_nothing_improves(prepared):
    settings = SETTINGS.model_copy(update={"n_epochs": 50, "patience": 2, "learning_rate": 1e-30})
    training = Training(*prepared, settings)
    epochs = [progress.epoch for progress in training.run()]
    assert epochs[-1] == 3  # the first is the best


def test_checkpoints_come_when_they_are_due(sets, monkeypatch):
    monkeypatch.setattr(schnet_fit, "CHECKPOINT_S", 0.0)
    saved = []
    fit_schnet(*sets, SETTINGS, save=saved.append)
    assert [checkpoint.state["step"] for checkpoint in saved] == [1, 2, 3, 4, 5, 6, 6]
    again = []
    fit_schnet(*sets, SETTINGS, checkpoint=saved[2], save=again.append)
    assert [checkpoint.state["step"] for checkpoint in again] == [4, 5, 6, 6]
    assert_same(saved[-1], again[-1])


def test_scales_take_targets_there_and_back(sets):
    structures, targets = sets[0]
    scale = fit_scale(structures, targets, NETWORK.extensive)
    standardised = scale.standardised(structures, targets)
    np.testing.assert_allclose((standardised**2).mean(axis=0), 1.0)
    np.testing.assert_allclose(scale.restored(structures, standardised), targets, rtol=1e-12)
