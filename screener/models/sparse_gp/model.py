"""A fitted sparse model: the arrays that a bundle stores, and their evaluation.

Structures in, values and uncalibrated standard deviations of the fitted columns out.
Calibration, domain and the table of predictions are made from these in `predictor`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray

from screener.models.adaptive_batch import Portion
from screener.models.baseline import baseline, composition
from screener.models.fchl.inducing import Inducing
from screener.models.fchl.metric import Metric
from screener.models.fchl.projection import Projected, Projection
from screener.models.fchl.representation import environments
from screener.models.fchl.sparse_kernel import SparseKernel, pad_columns
from screener.models.raw_predictions import RawPredictions
from screener.models.sparse_gp.predictive_std import (
    PosteriorRoot,
    PosteriorVariance,
    leading,
    leading_columns,
)
from screener.records import Structure

FloatArray = NDArray[np.float64]

MOLECULES = (
    32  # rows of the products with weights, padded: a row's bytes do not depend on its company
)
CHUNK = 8 * MOLECULES  # molecules whose kernel sums are in memory at once


@dataclass(frozen=True, slots=True, eq=False)
class SparseModel:
    """Everything that is fitted."""

    extensive: tuple[bool, ...]  # of each fitted column, whether it is a sum over atoms or a mean
    metric: Metric
    projection: Projection
    inducing: Inducing
    width: float
    baselines: FloatArray  # (n_fitted, n_elements + 1)
    weights: FloatArray  # (n_inducing, n_fitted) on kernel sums (extensive) or their mean
    n_leading: int  # environments that the variance uses
    roots: Mapping[bool, PosteriorRoot]  # of extensive columns and of others, where there are any
    difficulty: FloatArray  # (n_inducing, n_fitted) on mean kernel sums
    difficulty_offset: FloatArray  # (n_fitted,)


class Evaluator:
    """A model ready to predict on one device.

    Args:
        model: what was fitted.
        device: of torch, such as `cpu` or `cuda`.
    """

    def __init__(self, model: SparseModel, device: str = "cpu") -> None:
        self.model = model
        self._portion = Portion(CHUNK, MOLECULES)
        self.kernel = SparseKernel(model.inducing, model.width, device)
        both = np.concatenate([model.weights, model.difficulty], axis=1)
        self._weights = pad_columns(torch.from_numpy(both)).to(device)
        self._offset = torch.from_numpy(model.difficulty_offset).to(device)
        self._extensive = torch.tensor(model.extensive).to(device)
        part = leading(model.inducing, model.n_leading)
        self._leading = torch.from_numpy(leading_columns(model.inducing, part)).to(device)
        self._variances = {
            kind: PosteriorVariance(part, model.width, root, device)
            for kind, root in model.roots.items()
        }

    def predict(self, structures: Sequence[Structure]) -> RawPredictions:
        """Predict structures whose elements the representation knows and whose atoms lie apart."""
        parts = self._portion(partial(self._parts, structures))
        counts = composition(structures, self.model.inducing.elements)
        baselines = [baseline(counts, row) for row in self.model.baselines]
        width = len(self.model.extensive)
        return RawPredictions(
            np.concatenate([np.empty((0, width)), *(part[0] for part in parts)])
            + np.stack(baselines, axis=1),
            np.concatenate([np.empty((0, width)), *(part[1] for part in parts)]),
            np.concatenate([np.empty(0), *(part[2] for part in parts)]),
            np.concatenate([[0], np.cumsum([s.n_atoms for s in structures], dtype=np.int64)]),
        )

    def _parts(
        self, structures: Sequence[Structure], size: int
    ) -> list[tuple[FloatArray, FloatArray, FloatArray]]:
        return [
            self.predict_projected(self.projected(structures[i : i + size]))
            for i in range(0, len(structures), size)
        ]

    def projected(self, structures: Sequence[Structure]) -> Projected:
        """Environments of structures as `predict_projected` takes them."""
        scaled = self.model.metric.scaled(environments(structures, self.model.metric.elements))
        return self.model.projection.apply(scaled)

    def predict_projected(self, projected: Projected) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Values without baseline, stds, both (n, n_fitted), and distances (n_atoms,)."""
        kernel_sums = self.kernel.sums(projected)
        sizes = torch.from_numpy(projected.atoms_per_molecule).to(kernel_sums.sums.device)
        values, stds = [], []
        for start in range(0, projected.n_molecules, MOLECULES):
            block = kernel_sums.sums[start : start + MOLECULES]
            count = len(block)
            sums = torch.zeros(
                (MOLECULES, block.shape[1]), dtype=torch.float64, device=block.device
            )
            sums[:count] = block
            atoms = torch.ones((MOLECULES, 1), dtype=torch.float64, device=block.device)
            atoms[:count, 0] = sizes[start : start + MOLECULES]
            value, std = self.from_sums(sums, atoms)
            values.append(value[:count].cpu().numpy())
            stds.append(std[:count].cpu().numpy())
        return np.concatenate(values), np.concatenate(stds), kernel_sums.distances

    def from_sums(
        self, sums: torch.Tensor, atoms: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Values without baseline and uncalibrated stds, float64 (n, n_fitted) each.

        Args:
            sums: float64 (n, n_inducing), kernel sums.
            atoms: float64 (n, 1), numbers of atoms.
        """
        linear = sums @ self._weights
        n = len(self.model.extensive)
        values = torch.where(self._extensive, linear[:, :n], linear[:, :n] / atoms)
        log_std = linear[:, n : 2 * n] / atoms + self._offset
        part = sums[:, self._leading]
        variances = {
            kind: variance(part if kind else part / atoms)
            for kind, variance in self._variances.items()
        }
        variance = torch.stack([variances[kind] for kind in self.model.extensive], dim=1)
        return values, torch.sqrt(variance) * torch.exp(log_std)
