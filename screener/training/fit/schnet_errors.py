"""What a trained SchNet is told about its own errors: how large they are, how far atoms may lie.

The size of errors is learned from molecules that the weights were not fitted to: a ridge regression
of the logarithm of the error on the logarithm of the members' std and the mean features of the
atoms. The known atoms are farthest points of the training atoms' features.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from screener.models.fchl.inducing import Inducing, choose_inducing
from screener.models.fchl.projection import Projected
from screener.models.schnet.evaluator import NetworkOutputs
from screener.models.schnet.model import Difficulty, SchNetModel
from screener.models.schnet.scale import Fitted
from screener.records import Structure

FloatArray = NDArray[np.float64]

N_KNOWN = 1_500  # atoms that distances are measured from
N_SAMPLE = 5_000  # training molecules whose atoms they are chosen from
RIDGE = 30.0  # observations that the prior on standardised inputs is worth
LEAST_ERROR = 0.05  # of the median error: smaller ones say nothing but chance


def with_errors(
    fitted: Fitted,
    fit: Sequence[Structure],
    held_out: tuple[Sequence[Structure], FloatArray],
    seed: int,
) -> SchNetModel:
    """The whole model of a trained network.

    Args:
        fitted: the network and its scale.
        fit: structures it was trained on.
        held_out: structures it was not fitted to and their targets, float64 (n, n_targets).
        seed: of the choice of known atoms.
    Returns:
        network, known atoms and difficulty.
    """
    generator = np.random.default_rng(seed)
    rows = np.sort(generator.choice(len(fit), min(len(fit), N_SAMPLE), replace=False))
    sample = [fit[int(row)] for row in rows]
    return SchNetModel(
        fitted, _known_atoms(fitted, sample, generator), fit_difficulty(fitted, *held_out)
    )


def _known_atoms(
    fitted: Fitted, structures: Sequence[Structure], generator: np.random.Generator
) -> Inducing:
    none = np.zeros((0, fitted.network.settings.n_features), dtype=np.float32)
    outputs = NetworkOutputs(fitted.network, none)
    features = np.concatenate([part.features for part in outputs(structures)])
    sizes = [structure.n_atoms for structure in structures]
    projected = Projected(
        fitted.scale.elements,
        features.astype(np.float64),
        np.zeros(len(features)),
        np.concatenate([structure.atomic_numbers for structure in structures]),
        np.repeat(np.arange(len(sizes)), sizes),
        len(sizes),
    )
    return choose_inducing(projected, N_KNOWN, generator)


def fit_difficulty(
    fitted: Fitted, structures: Sequence[Structure], targets: FloatArray
) -> Difficulty:
    """How errors follow from member stds and features.

    Args:
        fitted: the network and its scale.
        structures: molecules that it was not fitted to.
        targets: float64 (n, n_targets), in their units.
    Returns:
        coefficients for every target.
    """
    width = fitted.network.settings.n_features
    everything = NetworkOutputs(fitted.network, np.eye(width, dtype=np.float32))
    parts = list(everything(structures))
    values, member_stds, means = (
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("values", "member_stds", "projected")
    )
    errors = np.abs(fitted.scale.standardised(structures, targets) - values)
    wanted = np.log(np.maximum(errors, LEAST_ERROR * np.median(errors, axis=0)))
    has_members = fitted.network.settings.n_members > 1
    offsets, by_member_std, by_feature, limits = [], [], [], []
    for target in range(targets.shape[1]):
        log_member_std = np.log(member_stds[:, target : target + 1])
        inputs = np.concatenate([log_member_std * has_members, means], axis=1)
        centre, size = inputs.mean(axis=0), inputs.std(axis=0) + 1e-9
        scaled = (inputs - centre) / size
        prior = np.diag([1e-6 * len(scaled), *[RIDGE] * width])  # the std is trusted as it is
        centred = wanted[:, target] - wanted[:, target].mean()
        coefficients = np.linalg.solve(scaled.T @ scaled + prior, scaled.T @ centred) / size
        offsets.append(wanted[:, target].mean() - coefficients @ centre)
        by_member_std.append(coefficients[0])
        by_feature.append(coefficients[1:])
        predicted = offsets[-1] + inputs @ coefficients
        limits.append((predicted.min(), predicted.max()))
    return Difficulty(
        np.array(offsets),
        np.array(by_member_std),
        np.array(by_feature, dtype=np.float32),
        np.array(limits).T.copy(),
    )
