"""Predictions of an exact model."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from screener.models.baseline import baseline, composition
from screener.models.exact import ExactModel
from screener.models.local_kernel import LocalKernel, self_kernel
from screener.models.model import MOLECULES, RawPredictions
from screener.models.representation import Environments, environments
from screener.models.sparse import pad_columns
from screener.records import Structure

FloatArray = NDArray[np.float64]

CHUNK = 8 * MOLECULES  # molecules whose environments are in memory at once
LEAST = 1e-12  # share of a molecule's own kernel that its variance cannot go below


class ExactEvaluator:
    """An exact model ready to predict on one device.

    Args:
        model: what was fitted.
        device: of torch, such as `cpu` or `cuda`.
    """

    def __init__(self, model: ExactModel, device: str = "cpu") -> None:
        self.model = model
        reference = model.metric.scaled(environments(model.structures))
        self._kernel = LocalKernel(reference, model.width, device)
        self._atoms = torch.from_numpy(reference.atoms_per_molecule.astype(np.float64)).to(device)
        self._weights = pad_columns(torch.from_numpy(model.weights)).to(device)
        self._roots = {
            kind: pad_columns(torch.from_numpy(model.roots[int(kind)].T)).contiguous().to(device)
            for kind in (False, True)
            if (model.extensive == kind).any()
        }

    def predict(self, structures: Sequence[Structure]) -> RawPredictions:
        """Predict structures whose elements the representation knows and whose atoms lie apart.

        Columns are in the order of the targets of the fit, in their units. Standard deviations are
        those of the posterior, without the noise and not calibrated. A row has the same bytes in
        whatever batch it is computed.
        """
        width = len(self.model.extensive)
        values, stds, distances = [np.empty((0, width))], [np.empty((0, width))], [np.empty(0)]
        for start in range(0, len(structures), CHUNK):
            chunk = self.model.metric.scaled(environments(structures[start : start + CHUNK]))
            found = self._kernel.rows(chunk)
            distances.append(found.distances)
            own = self_kernel(chunk, self.model.width)
            for first in range(0, chunk.n_molecules, MOLECULES):
                block = slice(first, first + MOLECULES)
                some = self._from_kernels(found.values[block], own[block], chunk, block)
                values.append(some[0])
                stds.append(some[1])
        counts = composition(structures)
        baselines = [baseline(counts, row) for row in self.model.baselines]
        return RawPredictions(
            np.concatenate(values) + np.stack(baselines, axis=1),
            np.concatenate(stds),
            np.concatenate(distances),
            np.concatenate([[0], np.cumsum([s.n_atoms for s in structures], dtype=np.int64)]),
        )

    def _from_kernels(
        self, kernels: torch.Tensor, own: FloatArray, chunk: Environments, block: slice
    ) -> tuple[FloatArray, FloatArray]:
        """Values without baseline and stds (n, t) of at most `MOLECULES` rows of kernels."""
        count = len(kernels)
        padded = torch.zeros(
            (MOLECULES, kernels.shape[1]), dtype=torch.float64, device=kernels.device
        )
        padded[:count] = kernels
        sizes = np.ones(MOLECULES)
        sizes[:count] = chunk.atoms_per_molecule[block]
        atoms = torch.from_numpy(sizes[:, None]).to(kernels.device)
        values = np.empty((count, len(self.model.extensive)))
        stds = np.empty_like(values)
        for kind, root in self._roots.items():
            columns = self.model.extensive == kind
            rows = padded if kind else padded / (atoms * self._atoms)
            linear = (rows @ self._weights)[:count, : len(columns)].cpu().numpy()
            values[:, columns] = linear[:, columns]
            image = rows @ root
            explained = (image * image).sum(dim=1)[:count].cpu().numpy()
            prior = own if kind else own / sizes[:count] ** 2
            variance = np.maximum(prior - explained, LEAST * prior)
            stds[:, columns] = np.sqrt(variance[:, None] * self.model.amplitudes[columns])
        return values, stds
