"""Predictions of an additive model, and the model as named arrays."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from screener.errors import SchemaError
from screener.models.additive import AdditiveModel
from screener.models.increments import NAMES, increments
from screener.models.local_kernel import LocalKernel, self_kernel
from screener.models.model import MOLECULES, RawPredictions
from screener.models.representation import environments
from screener.models.sparse import pad_columns
from screener.records import Structure

FloatArray = NDArray[np.float64]
Arrays = dict[str, NDArray[Any]]

CHUNK = 8 * MOLECULES  # molecules whose environments are in memory at once
LEAST = 1e-12  # share of a molecule's prior variance that the posterior cannot go below


class AdditiveEvaluator:
    """An additive model ready to predict on one device.

    Args:
        model: what was fitted.
        device: of torch, such as `cpu` or `cuda`.
    """

    def __init__(self, model: AdditiveModel, device: str = "cpu") -> None:
        self.model = model
        self.device = torch.device(device)
        self._kernel = LocalKernel(environments(model.structures), model.width, device)
        known = increments(model.structures) * model.prior
        self._weights = self._columns(model.weights[:, None])
        self._linear = self._columns(known.T)
        self._root = self._columns(model.root.T)

    def _columns(self, matrix: FloatArray) -> torch.Tensor:
        return pad_columns(torch.from_numpy(matrix)).contiguous().to(self.device)

    def predict(self, structures: Sequence[Structure]) -> RawPredictions:
        """Predict structures whose elements the representation knows and whose atoms lie apart.

        One column, in the unit of the targets of the fit. Standard deviations are those of the
        posterior, without the noise and not calibrated. A row has the same bytes in whatever batch
        it is computed.
        """
        values, stds, distances = [np.empty((0, 1))], [np.empty((0, 1))], [np.empty(0)]
        for start in range(0, len(structures), CHUNK):
            part = structures[start : start + CHUNK]
            chunk = environments(part)
            rows = self._kernel.rows(chunk)
            distances.append(rows.distances)
            own = self_kernel(chunk, self.model.width)
            found = increments(part)
            for first in range(0, len(part), MOLECULES):
                block = slice(first, first + MOLECULES)
                some = self._from_kernels(rows.values[block], own[block], found[block])
                values.append(some[0])
                stds.append(some[1])
        return RawPredictions(
            np.concatenate(values),
            np.concatenate(stds),
            np.concatenate(distances),
            np.concatenate([[0], np.cumsum([s.n_atoms for s in structures], dtype=np.int64)]),
        )

    def _from_kernels(
        self, kernels: torch.Tensor, own: FloatArray, found: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Values and stds (n, 1) of at most `MOLECULES` rows."""
        model, count = self.model, len(kernels)
        local = torch.zeros((MOLECULES, kernels.shape[1]), dtype=torch.float64, device=self.device)
        local[:count] = kernels
        features = torch.zeros((MOLECULES, len(NAMES)), dtype=torch.float64, device=self.device)
        features[:count] = torch.from_numpy(found)
        values = (local @ self._weights)[:count, 0].cpu().numpy()
        prior = model.amplitude * own
        # column by column, not a matrix product: a row's sum must not depend on the batch
        for column in np.flatnonzero(model.prior > 0):
            values = values + found[:, column] * model.coefficients[column]
            prior = prior + found[:, column] ** 2 * model.prior[column]
        n_known = kernels.shape[1]
        whole = model.amplitude * local + (features @ self._linear)[:, :n_known]
        image = whole @ self._root
        explained = (image * image).sum(dim=1)[:count].cpu().numpy()
        variance = np.maximum(prior - explained, LEAST * prior) * model.spread
        return values[:, None], np.sqrt(variance)[:, None]


def additive_to_arrays(model: AdditiveModel) -> Arrays:
    """The model's arrays by name, as they are stored; the root as a triangle."""
    return {
        "additive.n_atoms": np.array([s.n_atoms for s in model.structures], dtype=np.int64),
        "additive.atomic_numbers": np.concatenate([s.atomic_numbers for s in model.structures]),
        "additive.positions": np.concatenate([s.positions for s in model.structures]),
        "additive.scalars": np.array([model.width, model.amplitude, model.spread]),
        "additive.prior": model.prior,
        "additive.coefficients": model.coefficients,
        "additive.weights": model.weights,
        "additive.root": model.root[np.tril_indices(len(model.structures))],
    }


def additive_from_arrays(arrays: Arrays) -> AdditiveModel:
    """The inverse.

    Raises:
        SchemaError: an array is missing, or the shapes do not fit.
    """
    try:
        sizes = arrays["additive.n_atoms"]
        stops = np.cumsum(sizes)[:-1]
        numbers = np.split(arrays["additive.atomic_numbers"], stops)
        positions = np.split(arrays["additive.positions"], stops)
        width, amplitude, spread = arrays["additive.scalars"].tolist()
        prior, coefficients = arrays["additive.prior"], arrays["additive.coefficients"]
        weights, triangle = arrays["additive.weights"], arrays["additive.root"]
    except KeyError as error:
        raise SchemaError(f"the model has no array {error.args[0]}") from error
    n = len(sizes)
    expected = ((n,), (len(NAMES),), (len(NAMES),), (n * (n + 1) // 2,))
    if (weights.shape, prior.shape, coefficients.shape, triangle.shape) != expected:
        raise SchemaError(f"the model's arrays are not those of {n} molecules")
    root = np.zeros((n, n))
    root[np.tril_indices(n)] = triangle
    return AdditiveModel(
        structures=tuple(Structure(z, x) for z, x in zip(numbers, positions, strict=True)),
        width=width,
        amplitude=amplitude,
        prior=prior,
        coefficients=coefficients,
        weights=weights,
        root=root,
        spread=spread,
    )
