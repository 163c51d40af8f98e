from itertools import islice

import numpy as np
import pytest

from screener.errors import ConfigError
from screener.models.schnet.neighbours import neighbours
from screener.models.schnet.network import SchNetSettings
from screener.training.fit.schnet_scale import fit_scale, fit_schnet
from screener.training.fit.schnet_training import (
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


class Memory:
    """Keeps checkpoints, all of them, and is always due."""

    def __init__(self, *kept: tuple[str, dict[str, np.ndarray]]) -> None:
        self.kept = list(kept)

    def load(self, name):
        return dict(self.kept).get(name)

    def due(self):
        return True

    def save(self, name, arrays):
        self.kept.append((name, arrays))

    @property
    def steps(self) -> list[int]:
        return [Checkpoint.from_arrays(arrays).state["step"] for _, arrays in self.kept]


def through_arrays(checkpoint: Checkpoint) -> Checkpoint:
    return Checkpoint.from_arrays(checkpoint.to_arrays())


def assert_same(one: Checkpoint, other: Checkpoint) -> None:
    assert one.state == other.state
    assert one.arrays.keys() == other.arrays.keys()
    for name, array in one.arrays.items():
        np.testing.assert_array_equal(array, other.arrays[name], err_msg=name)


@pytest.mark.parametrize("stop", [0, 1, 3, 5])  # before all, within epochs, at the end of one
def test_an_interrupted_training_goes_on_to_the_same_bytes(prepared, stop):
    settings = SETTINGS.model_copy(update={"batch_size": 6})  # three steps in an epoch
    whole = Training(*prepared, settings)
    losses = [step.loss for step in whole.run()]
    assert len(losses) == whole.n_steps == 9
    first = Training(*prepared, settings)
    before = [step.loss for step in islice(first.run(), stop)]
    assert before == losses[:stop]
    second = Training(*prepared, settings, through_arrays(first.checkpoint()))
    assert [step.loss for step in second.run()] == losses[stop:]
    assert_same(second.checkpoint(), whole.checkpoint())
    assert list(second.run()) == []


def test_another_seed_gives_another_network(prepared):
    trained = []
    for seed in (0, 1):
        training = Training(*prepared, SETTINGS.model_copy(update={"seed": seed}))
        trained.append([step.loss for step in training.run()])
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


@pytest.mark.slow
def test_twenty_molecules_are_learned_by_heart(sets):
    fit = sets[0]
    settings = TrainingSettings(
        network=NETWORK.model_copy(update={"n_members": 1}), loss_weights=(1.0, 1.0), n_epochs=120,
        batch_size=10, learning_rate=1e-2, averaging=0.9, linear_beyond=0.1,
    )  # fmt: skip
    reports = []
    fitted = fit_schnet(fit, fit, settings, report=reports.append)
    spread = fit_scale(*fit, NETWORK.extensive).factors
    errors = np.array(reports[-1].selection_mae)
    assert (errors < 0.05 * spread).all()
    assert reports[-1].step.epoch == 120
    assert not any(parameter.requires_grad for parameter in fitted.network.parameters())


def test_it_ends_early_when_nothing_improves(prepared):
    settings = SETTINGS.model_copy(update={"n_epochs": 50, "patience": 2, "learning_rate": 1e-30})
    training = Training(*prepared, settings)
    epochs = [step.epoch for step in training.run()]
    assert epochs[-1] == 3  # the first is the best


def test_a_fit_goes_on_from_the_last_checkpoint(sets):
    first = Memory()
    whole = fit_schnet(*sets, SETTINGS, progress=first)
    assert first.steps == [1, 2, 3, 4, 5, 6, 6]
    again = Memory(first.kept[2])
    resumed = fit_schnet(*sets, SETTINGS, progress=again)
    assert again.steps == [3, 4, 5, 6, 6]
    for name, value in resumed.network.state_dict().items():
        np.testing.assert_array_equal(value, whole.network.state_dict()[name], err_msg=name)


def test_a_checkpoint_of_other_data_is_not_taken(sets):
    first = Memory()
    fit_schnet(*sets, SETTINGS, progress=first)
    structures, targets = sets[0]
    again = Memory(*first.kept)
    fit_schnet(
        (structures, targets + 1e-6 * np.arange(len(targets))[:, None]),
        sets[1],
        SETTINGS,
        progress=again,
    )
    assert again.steps[len(first.kept) :] == [1, 2, 3, 4, 5, 6, 6]


def test_scales_take_targets_there_and_back(sets):
    structures, targets = sets[0]
    scale = fit_scale(structures, targets, NETWORK.extensive)
    standardised = scale.standardised(structures, targets)
    np.testing.assert_allclose((standardised**2).mean(axis=0), 1.0)
    np.testing.assert_allclose(scale.restored(structures, standardised), targets, rtol=1e-12)
