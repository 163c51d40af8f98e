"""Predictions of a trained SchNet: values, uncalibrated stds, distances to what it was trained on.

Members are output networks on one trunk, each trained on its own half of the molecules: their mean
is the value and their standard deviation, with the features of the atoms, tells the std. Distances
are between features of atoms after the last interaction. A row has the same bytes in whatever
batch.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray

from screener.dense import affine, packed
from screener.models.adaptive_batch import Portion, largest_that_fits
from screener.models.fchl.sparse_kernel import COLUMNS
from screener.models.raw_predictions import RawPredictions
from screener.models.schnet.model import SchNetModel
from screener.models.schnet.neighbours import ROWS, Neighbours, batch, neighbours
from screener.models.schnet.network import SchNet
from screener.models.uncertainty.known_atoms import KnownAtoms
from screener.records import Structure

FloatArray = NDArray[np.float64]

CHUNK = 1024  # molecules whose features are in memory at once
GPU_ROWS = 32 * ROWS  # atoms in a batch on a GPU, where its memory holds them
BYTES_PER_ROW = 100_000  # some 32 pairs an atom, 128 features, five arrays of float32
LEAST_MEMBER_STD = 1e-6  # of members, standardised


@dataclass(frozen=True, slots=True, eq=False)
class Outputs:
    """What a network says of a list of molecules."""

    values: FloatArray  # (n, n_targets), standardised: means of the members
    member_stds: FloatArray  # (n, n_targets), standard deviations of the members
    projected: FloatArray  # (n, n_projections), means over atoms
    features: NDArray[np.float32]  # (n_atoms, n_features)


class NetworkOutputs:
    """A network ready to be evaluated.

    Args:
        network: trained.
        projections: float32 (n_projections, n_features), of which means over atoms are wanted.
        device: of torch, such as `cpu` or `cuda`.
    """

    def __init__(
        self, network: SchNet, projections: NDArray[np.float32], device: str = "cpu"
    ) -> None:
        self.network = network.to(device)
        self.device = device
        self._rows = Portion(largest_that_fits(GPU_ROWS, ROWS, BYTES_PER_ROW, device), ROWS)
        self._n_projections = len(projections)
        padding = (0, 0, 0, -len(projections) % COLUMNS)
        self._projections = torch.nn.functional.pad(torch.from_numpy(projections), padding)
        self._projections = self._projections.to(device)
        with torch.no_grad():
            self._tables = network.tables()

    def __call__(self, structures: Sequence[Structure]) -> Iterator[Outputs]:
        """Outputs of the molecules, `CHUNK` by `CHUNK`."""
        for start in range(0, len(structures), CHUNK):
            chunk = structures[start : start + CHUNK]
            molecules = neighbours(chunk, self.network.settings.cutoff)
            yield self._rows(partial(self._chunk, molecules))

    def _chunk(self, molecules: Neighbours, n_rows: int) -> Outputs:
        parts = []
        with torch.no_grad():
            for block in packed(np.diff(molecules.atom_offsets), n_rows):
                rows = np.arange(len(molecules))[block]
                group = batch(molecules, rows, self.device, multiple=n_rows)
                features = self.network.features(group, self._tables)
                members = self.network.readout(features, group)
                projected = affine(features, self._projections, None).double()
                n_atoms = len(group.molecule)
                sums = torch.zeros((len(rows), projected.shape[1]), dtype=torch.float64)
                sums = sums.to(projected).index_add(0, group.molecule, projected[:n_atoms])
                means = (sums / group.n_atoms[:, None])[:, : self._n_projections]
                member_stds = members.std(dim=2, correction=0).clamp_min(LEAST_MEMBER_STD)
                parts.append((members.mean(dim=2), member_stds, means, features[:n_atoms]))
        return Outputs(*(torch.cat(kind).cpu().numpy() for kind in zip(*parts, strict=True)))


class SchNetEvaluator:
    """A model ready to predict on one device.

    Args:
        model: what was fitted.
        device: of torch, such as `cpu` or `cuda`.
    """

    def __init__(self, model: SchNetModel, device: str = "cpu") -> None:
        self.model = model
        self._outputs = NetworkOutputs(model.fitted.network, model.difficulty.by_feature, device)
        self._known = KnownAtoms(model.known, device)

    def predict(self, structures: Sequence[Structure]) -> RawPredictions:
        """Predict structures of known elements; columns are in the order of the targets."""
        width = len(self.model.fitted.scale.factors)
        values, stds, distances = [np.empty((0, width))], [np.empty((0, width))], [np.empty(0)]
        difficulty = self.model.difficulty
        numbers = np.concatenate([np.empty(0, np.uint8), *(s.atomic_numbers for s in structures)])
        n_before = 0
        for outputs in self._outputs(structures):
            atoms = slice(n_before, n_before + len(outputs.features))
            distances.append(self._known.distances(numbers[atoms], outputs.features))
            n_before = atoms.stop
            values.append(outputs.values)
            log_std = (
                difficulty.offset
                + difficulty.by_member_std * np.log(outputs.member_stds)
                + outputs.projected
            )
            stds.append(np.exp(np.clip(log_std, *difficulty.limits)))
        scale = self.model.fitted.scale
        return RawPredictions(
            scale.restored(structures, np.concatenate(values)),
            np.concatenate(stds) * scale.factors,
            np.concatenate(distances),
            np.concatenate([[0], np.cumsum([s.n_atoms for s in structures], dtype=np.int64)]),
        )
