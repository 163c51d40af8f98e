"""Predictions of networks on AIMNet2's features: values, stds, distances to what is known.

A row has the same bytes in whatever batch.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from screener.dense import packed
from screener.models.raw_predictions import RawPredictions
from screener.models.readout.inputs import ROWS, Featuriser, Inputs
from screener.models.readout.model import ReadoutModel
from screener.models.readout.network import Readout, atoms_of
from screener.models.uncertainty.known_atoms import KnownAtoms
from screener.models.uncertainty.spread import features as told_of
from screener.models.uncertainty.spread import spread_stds
from screener.records import Structure

FloatArray = NDArray[np.float64]

CHUNK = 256  # molecules whose features are in memory at once
LEAST_MEMBER_STD = 1e-4  # of members, standardised


class ReadoutEvaluator:
    """A model ready to predict on one device.

    Args:
        model: what was fitted.
        device: of torch, such as `cpu` or `cuda`.
    Raises:
        ConfigError: the weights of AIMNet2 are not on this machine.
    """

    def __init__(self, model: ReadoutModel, device: str = "cpu") -> None:
        self.model = model
        self._device = device
        self._network = model.network.to(device)
        self._inputs = Featuriser(model.projector, device)
        self._known = KnownAtoms(model.known, device)

    def predict(self, structures: Sequence[Structure]) -> RawPredictions:
        """Predict structures of known elements; columns are in the order of the targets."""
        scale = self.model.scale
        width = len(scale.factors)
        values, stds, distances = [np.empty((0, width))], [np.empty((0, width))], [np.empty(0)]
        for start in range(0, len(structures), CHUNK):
            chunk = structures[start : start + CHUNK]
            inputs = self._inputs(chunk)
            numbers = np.concatenate([structure.atomic_numbers for structure in chunk])
            leading = self.model.projector.leading(np.concatenate(inputs.inputs))
            distances.append(self._known.distances(numbers, leading))
            members = members_of(self._network, inputs, self._device)
            values.append(scale.restored(chunk, members.mean(axis=2)))
            stds.append(self._stds(chunk, members))
        return RawPredictions(
            np.concatenate(values),
            np.concatenate(stds),
            np.concatenate(distances),
            np.concatenate([[0], np.cumsum([s.n_atoms for s in structures], dtype=np.int64)]),
        )

    def _stds(self, structures: Sequence[Structure], members: FloatArray) -> FloatArray:
        told = told_of(structures)
        n_groups = self.model.network.settings.n_groups
        own = member_stds(members, n_groups) * self.model.scale.factors
        return spread_stds(self.model.spreads, own, told)


def member_stds(members: FloatArray, n_groups: int = 1) -> FloatArray:
    """Standard deviations within groups of members, on average over the groups.

    Args:
        members: (n, n_targets, n_members), one group after the other.
        n_groups: of members.
    Returns:
        (n, n_targets).
    """
    n, n_targets, _ = members.shape
    stds = members.reshape(n, n_targets, n_groups, -1).std(axis=3).mean(axis=2)
    return np.asarray(np.maximum(stds, LEAST_MEMBER_STD))


def members_of(network: Readout, molecules: Inputs, device: str = "cpu") -> FloatArray:
    """What all members say of molecules, block by block, so that products have few shapes.

    Args:
        network: on the device.
        molecules: (n,).
        device: of torch.
    Returns:
        float64 (n, n_targets, n_members), standardised.
    """
    settings = network.settings
    members = [np.empty((0, len(settings.kinds), settings.n_members))]
    for block in packed(np.array([each.n_atoms for each in molecules.structures]), ROWS):
        some = molecules.part(block)
        atoms = atoms_of(some.structures, some.inputs, some.charges, multiple=ROWS, device=device)
        with torch.no_grad():
            members.append(network(atoms).cpu().numpy())
    return np.concatenate(members)
