"""Predictions of a `CrossFit`, by all of its fits, and the same as named arrays."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg.lapack import dtrtri

from screener.errors import SchemaError
from screener.models.adaptive_batch import Portion
from screener.models.fchl.local_kernel import LocalKernel, self_kernel
from screener.models.fchl.representation import environments
from screener.models.fchl.sparse_kernel import pad_columns
from screener.models.kernel_ridge.additive import (
    LEAST,
    AdditiveSettings,
    Fit,
    regularised_factor,
    whole_kernel,
)
from screener.models.kernel_ridge.cross_fit import CrossFit
from screener.models.kernel_ridge.increments import increments, vocabulary
from screener.models.stored_structures import split_structures
from screener.models.uncertainty.cv_plus import CvPlus
from screener.models.uncertainty.spread import N_FEATURES, Spread
from screener.records import Structure

FloatArray = NDArray[np.float64]
Arrays = dict[str, NDArray[Any]]

SPREAD = "cross.spread_weights"  # not of every model

# rows of the products with weights, padded: a row's bytes do not depend on its company
MOLECULES = 32
CHUNK = 8 * MOLECULES  # molecules whose environments are in memory at once


@dataclass(frozen=True, slots=True, eq=False)
class CrossValues:
    """Of m structures, by each of the fits; the first knows all molecules."""

    values: FloatArray  # (n_fits, m)
    stds: FloatArray  # (n_fits, m), of the posterior, without noise, not calibrated
    distances: FloatArray  # (n_atoms,), to the nearest known environment
    offsets: NDArray[np.int64]  # (m + 1,), where the atoms of each structure begin


class CrossEvaluator:
    """A `CrossFit` ready to predict on one device.

    Args:
        model: what was fitted.
        device: of torch, such as `cpu` or `cuda`.
        other: of another fit; where it was to the same molecules, what is made of them is shared.
    """

    def __init__(
        self, model: CrossFit, device: str = "cpu", other: "CrossEvaluator | None" = None
    ) -> None:
        self._device = torch.device(device)
        self._portion = Portion(CHUNK, MOLECULES)
        self._settings, self._elements = model.settings, model.elements
        if other is None or not other._knows(model):
            self._structures = model.structures
            self._increments = increments(model.structures, model.elements)
            known = environments(model.structures, model.elements)
            self._kernel = LocalKernel(known, model.settings.width, device)
        else:
            self._structures, self._increments = other._structures, other._increments
            self._kernel = other._kernel
        self._sums = [
            _Sums(
                fit, model.rows(place), self._increments, model.kernel, model.settings, self._device
            )
            for place, fit in enumerate(model.fits)
        ]

    def _knows(self, model: CrossFit) -> bool:
        """Whether the molecules of a fit are those of this one, and compared in the same way."""
        return (
            model.elements == self._elements
            and model.settings.width == self._settings.width
            and len(model.structures) == len(self._structures)
            and all(
                np.array_equal(one.atomic_numbers, another.atomic_numbers)
                and np.array_equal(one.positions, another.positions)
                for one, another in zip(model.structures, self._structures, strict=True)
            )
        )

    def predict(self, structures: Sequence[Structure]) -> CrossValues:
        """Predict structures whose elements the representation knows and whose atoms lie apart; a
        row has the same bytes in whatever batch it is computed."""
        return self._portion(partial(self._predict, structures))

    def _predict(self, structures: Sequence[Structure], size: int) -> CrossValues:
        values, stds, distances = [], [], [np.empty(0)]
        for start in range(0, len(structures), size):
            part = structures[start : start + size]
            chunk = environments(part, self._elements)
            rows = self._kernel.rows(chunk)
            distances.append(rows.distances)
            own = self._settings.amplitude * self_kernel(chunk, self._settings.width)
            own_increments = increments(part, self._elements)
            for first in range(0, len(part), MOLECULES):
                block = slice(first, first + MOLECULES)
                pairs = [
                    sums(rows.values[block], own[block], own_increments[block])
                    for sums in self._sums
                ]
                values.append(np.stack([value for value, _ in pairs]))
                stds.append(np.stack([std for _, std in pairs]))
        empty = np.empty((len(self._sums), 0))
        return CrossValues(
            np.concatenate([empty, *values], axis=1),
            np.concatenate([empty, *stds], axis=1),
            np.concatenate(distances),
            np.concatenate([[0], np.cumsum([s.n_atoms for s in structures], dtype=np.int64)]),
        )


class _Sums:
    """What one fit makes of a structure's kernels with all molecules."""

    def __init__(
        self,
        fit: Fit,
        rows: NDArray[np.int64],
        known: FloatArray,
        local: FloatArray,
        settings: AdditiveSettings,
        device: torch.device,
    ) -> None:
        self._fit, self._rows, self._device = fit, torch.from_numpy(rows).to(device), device
        self._amplitude = settings.amplitude
        among = local[np.ix_(rows, rows)]
        kernel = whole_kernel(among, known[rows], known[rows], fit.prior, settings)
        root = np.tril(dtrtri(regularised_factor(kernel, fit.noise), lower=1)[0])
        self._weights = self._columns(fit.weights[:, None])
        self._linear = self._columns((known[rows] * fit.prior).T)
        self._root = self._columns(root.T)

    def _columns(self, matrix: FloatArray) -> torch.Tensor:
        return pad_columns(torch.from_numpy(matrix)).contiguous().to(self._device)

    def __call__(
        self, kernels: torch.Tensor, own: FloatArray, increments: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Values and stds (m,) of at most `MOLECULES` structures.

        Args:
            kernels: (m, n), with all molecules.
            own: (m,), of each structure with itself.
            increments: (m, n_increments).
        """
        fit, count = self._fit, len(kernels)
        local = torch.zeros((MOLECULES, len(self._rows)), dtype=torch.float64, device=self._device)
        local[:count] = kernels[:, self._rows]
        features = torch.zeros(
            (MOLECULES, increments.shape[1]), dtype=torch.float64, device=self._device
        )
        features[:count] = torch.from_numpy(increments)
        values = (local @ self._weights)[:count, 0].cpu().numpy()
        prior = own
        # column by column, not a matrix product: a row's sum must not depend on the batch
        for column in np.flatnonzero(fit.prior > 0):
            values = values + increments[:, column] * fit.coefficients[column]
            prior = prior + increments[:, column] ** 2 * fit.prior[column]
        whole = self._amplitude * local + (features @ self._linear)[:, : len(self._rows)]
        image = whole @ self._root
        explained = (image * image).sum(dim=1)[:count].cpu().numpy()
        return values, np.sqrt(np.maximum(prior - explained, LEAST * prior) * fit.variance)


def cross_to_arrays(model: CrossFit) -> Arrays:
    """The model's arrays by name, as they are stored; the kernel as a triangle."""
    n = len(model.structures)
    weights, noise = np.zeros((len(model.fits), n)), np.zeros((len(model.fits), n))
    for place, fit in enumerate(model.fits):
        weights[place, model.rows(place)] = fit.weights
        noise[place, model.rows(place)] = fit.noise
    settings = [np.nan if value is None else value for value in asdict(model.settings).values()]
    spread = {} if model.spread is None else {SPREAD: model.spread.weights}
    return spread | {
        "cross.n_atoms": np.array([s.n_atoms for s in model.structures], dtype=np.int64),
        "cross.atomic_numbers": np.concatenate([s.atomic_numbers for s in model.structures]),
        "cross.positions": np.concatenate([s.positions for s in model.structures]),
        "cross.settings": np.array(settings),
        "cross.kernel": model.kernel[np.tril_indices(n)],
        "cross.folds": model.folds,
        "cross.prior": np.stack([fit.prior for fit in model.fits]),
        "cross.coefficients": np.stack([fit.coefficients for fit in model.fits]),
        "cross.weights": weights,
        "cross.noise": noise,
        "cross.spread": np.array([fit.variance for fit in model.fits]),
        "cross.scores": model.cvplus.scores,
        "cross.score_folds": model.cvplus.folds,
    }


def cross_from_arrays(arrays: Arrays, elements: tuple[int, ...]) -> CrossFit:
    """The inverse.

    Args:
        arrays: by name.
        elements: atomic numbers that the model knows.
    Raises:
        SchemaError: an array is missing, or the shapes do not fit.
    """

    def array(name: str, shape: tuple[int, ...] | None = None) -> NDArray[Any]:
        stored = arrays.get(f"cross.{name}")
        if stored is None or (shape is not None and stored.shape != shape):
            raise SchemaError(f"the model has no array cross.{name} of shape {shape}")
        return stored

    sizes = array("n_atoms")
    n, n_atoms, n_fits = len(sizes), int(sizes.sum()), len(array("spread"))
    n_increments = len(vocabulary(elements))
    names = list(AdditiveSettings.__dataclass_fields__)
    settings = dict(zip(names, array("settings", (len(names),)).tolist(), strict=True))
    if np.isnan(settings["tolerance"]):
        settings["tolerance"] = None
    kernel = np.zeros((n, n))
    kernel[np.tril_indices(n)] = array("kernel", (n * (n + 1) // 2,))
    kernel = np.tril(kernel) + np.tril(kernel, -1).T
    folds = array("folds", (n,))
    weights, noise = array("weights", (n_fits, n)), array("noise", (n_fits, n))
    prior = array("prior", (n_fits, n_increments))
    coefficients = array("coefficients", (n_fits, n_increments))
    scores = array("scores")
    score_folds = array("score_folds", scores.shape)
    if max(folds.max(), score_folds.max()) >= n_fits - 1 or min(folds.min(), score_folds.min()) < 0:
        raise SchemaError(f"the model's folds are not those of {n_fits - 1} fits")
    known = [np.flatnonzero(folds != place - 1) for place in range(n_fits)]
    return CrossFit(
        elements=elements,
        structures=split_structures(
            sizes, array("atomic_numbers", (n_atoms,)), array("positions", (n_atoms, 3))
        ),
        settings=AdditiveSettings(**settings),
        kernel=kernel,
        folds=folds,
        fits=tuple(
            Fit(
                prior[place],
                coefficients[place],
                weights[place, rows],
                noise[place, rows],
                float(array("spread")[place]),
            )
            for place, rows in enumerate(known)
        ),
        cvplus=CvPlus(scores, score_folds),
        spread=Spread(array("spread_weights", (2 + N_FEATURES,))) if SPREAD in arrays else None,
    )
