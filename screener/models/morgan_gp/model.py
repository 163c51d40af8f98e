"""A fitted Gaussian process on counts of Morgan fragments, and its evaluation.

Of each kind of columns, sums and means, one kernel with the known molecules serves all: its
weights make the values, and one posterior variance, scaled column by column, the stds. With no more
training molecules than known ones this is the exact Gaussian process; beyond that the known ones
are the inducing points of a sparse one.

References:
    Quiñonero-Candela and Rasmussen, J. Mach. Learn. Res. 6, 1939 (2005): the deterministic training
    conditional.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rdkit import Chem
from scipy.linalg import solve_triangular

from screener.errors import SchemaError
from screener.models.baseline import baseline
from screener.models.fchl.sparse_kernel import pad_columns
from screener.models.morgan_gp.fragments import (
    Fragments,
    Vocabulary,
    drawn_composition,
    fragment_counts,
)
from screener.models.morgan_gp.kernel import Kernels, KnownMolecules
from screener.models.raw_predictions import RawPredictions
from screener.models.stored_arrays import reader

Arrays = dict[str, NDArray[Any]]
FloatArray = NDArray[np.float64]

JITTER = 1e-6  # added to the diagonal of the known molecules' kernel, in units of its mean
LEAST = 1e-9  # of a variance, in units of the prior's mean
# rows of the products with weights, padded: a row's bytes do not depend on its company
MOLECULES = 64


@dataclass(frozen=True, slots=True, eq=False)
class MorganGp:
    """Everything that is fitted; m known molecules, t columns."""

    elements: tuple[int, ...]  # atomic numbers that the baselines count
    extensive: tuple[bool, ...]  # of each fitted column
    vocabulary: NDArray[np.uint64]  # (n_fragments,), numbers of fragments, ascending
    known: Fragments
    baselines: FloatArray  # (t, n_elements + 1)
    weights: FloatArray  # (m, t), on kernels with the known molecules
    scales: FloatArray  # (t,), of the stds
    ridges: FloatArray  # (2,), of the variances: of means, of sums
    roots: Mapping[bool, NDArray[np.float32]]  # upper triangles of (m, m), row by row, by kind


def chosen(kernels: Kernels, extensive: bool, scale: float) -> FloatArray:
    """The kernel of one kind of columns, float64 (n, m).

    Args:
        kernels: of n molecules.
        extensive: the kind.
        scale: that products are divided by, so that they are of the size of similarities.
    Returns:
        float64 (n, m).
    """
    return kernels.product / scale if extensive else kernels.similarity


def own_kernel(fragments: Fragments, extensive: bool, scale: float) -> FloatArray:
    """Kernel of each molecule with itself, float64 (n,); arguments as of `chosen`.

    Args:
        fragments: of n molecules.
        extensive: whether the columns grow with the molecule.
        scale: of the kernel.
    Returns:
        float64 (n,).
    """
    if not extensive:
        return np.ones(len(fragments))
    sums = np.concatenate([[0.0], np.cumsum(fragments.counts**2)])
    return np.asarray(sums[fragments.offsets[1:]] - sums[fragments.offsets[:-1]]) / scale


def product_scale(known: Fragments) -> float:
    """Mean product of the known molecules with themselves."""
    return float(own_kernel(known, True, 1.0).mean()) or 1.0


def whitening(kernel: FloatArray) -> FloatArray:
    """L^-T, upper triangular (m, m), of a kernel of the known molecules = L L^T.

    Args:
        kernel: (m, m).
    """
    matrix = kernel.copy()
    matrix[np.diag_indices(len(matrix))] += JITTER * float(np.trace(kernel)) / len(kernel)
    lower = np.linalg.cholesky(matrix)
    inverse: FloatArray = solve_triangular(lower, np.eye(len(lower)), lower=True).T
    return inverse


class MorganGpEvaluator:
    """A model ready to predict on one device.

    Args:
        model: what was fitted.
        device: of torch, such as `cpu` or `cuda`.
    """

    def __init__(self, model: MorganGp, device: str = "cpu") -> None:
        self.model = model
        self._device = torch.device(device)
        self._vocabulary = Vocabulary(model.vocabulary)
        self._known = KnownMolecules(model.known, len(model.vocabulary))
        self._scale = product_scale(model.known)
        among = self._known.kernels(model.known)
        self._explained = {}
        for kind, packed in model.roots.items():
            root = np.zeros((len(model.known), len(model.known)))
            root[np.triu_indices(len(root))] = packed
            white = whitening(chosen(among, kind, self._scale))
            self._explained[kind] = self._tensor(white @ white.T - root @ root.T)
        self._weights = self._tensor(model.weights)

    def _tensor(self, array: FloatArray) -> torch.Tensor:
        return pad_columns(torch.from_numpy(np.ascontiguousarray(array))).to(self._device)

    def predict(self, molecules: Sequence[Chem.Mol]) -> RawPredictions:
        """Values, uncalibrated stds and distances to the nearest known molecule: 1 minus the
        MinMax similarity. A row has the same bytes in whatever batch it is computed."""
        model = self.model
        fragments = self._vocabulary(map(fragment_counts, molecules))
        n, t = len(molecules), len(model.extensive)
        values, stds, distances = np.empty((n, t)), np.empty((n, t)), np.ones(n)
        for start in range(0, n, MOLECULES):
            rows = np.arange(start, min(start + MOLECULES, n))
            some = fragments.rows(rows)
            kernels = self._known.kernels(some)
            distances[rows] = 1.0 - kernels.similarity.max(axis=1)
            for kind in model.roots:
                columns = np.flatnonzero(np.array(model.extensive) == kind)
                kernel = self._padded(chosen(kernels, kind, self._scale))
                linear = (kernel @ self._weights)[: len(rows)].cpu().numpy()
                values[np.ix_(rows, columns)] = linear[:, columns]
                own = own_kernel(some, kind, self._scale)
                std = np.sqrt(self._variances(kernel, own, kind))
                stds[np.ix_(rows, columns)] = std[:, None] * model.scales[columns]
        counts = drawn_composition(molecules, model.elements)
        values += np.stack([baseline(counts, row) for row in model.baselines], axis=1)
        return RawPredictions(values, stds, distances, np.arange(n + 1, dtype=np.int64))

    def _padded(self, kernel: FloatArray) -> torch.Tensor:
        padded = np.zeros((MOLECULES, kernel.shape[1]))
        padded[: len(kernel)] = kernel
        return torch.from_numpy(padded).to(self._device)

    def _variances(self, kernel: torch.Tensor, own: FloatArray, kind: bool) -> FloatArray:
        """Of one block: of the posterior and the noise, in units of the prior's.

        Args:
            kernel: (MOLECULES, m), padded.
            own: (n,), of the molecules with themselves.
            kind: of columns.
        """
        image = (kernel @ self._explained[kind])[:, : kernel.shape[1]]
        explained = (image * kernel).sum(dim=1)[: len(own)].cpu().numpy()
        variance = np.maximum(own - explained, LEAST * np.maximum(own, LEAST))
        return np.asarray(variance + self.model.ridges[int(kind)])


def to_arrays(model: MorganGp) -> Arrays:
    """The model's arrays by name, as they are stored."""
    return {
        "morgan.extensive": np.array(model.extensive),
        "morgan.vocabulary": model.vocabulary,
        "morgan.offsets": model.known.offsets,
        "morgan.columns": model.known.columns,
        "morgan.counts": model.known.counts.astype(np.float32),
        "morgan.totals": model.known.totals,
        "morgan.baselines": model.baselines,
        "morgan.weights": model.weights,
        "morgan.scales": model.scales,
        "morgan.ridges": model.ridges,
        **{f"morgan.root.{int(kind)}": root for kind, root in model.roots.items()},
    }


def from_arrays(arrays: Arrays, description: Mapping[str, Any]) -> MorganGp:
    """The inverse.

    Args:
        arrays: by name.
        description: `elements`, atomic numbers, and `extensive`, of each fitted column whether it
            is.
    Raises:
        SchemaError: an array is missing, has another type or another shape, or is not for these
            elements and columns.
    """
    elements, extensive = tuple(description["elements"]), tuple(description["extensive"])

    array = reader(arrays, "morgan")

    def length(name: str) -> int:
        return len(arrays.get(f"morgan.{name}", ()))

    t, m, n_entries = len(extensive), length("totals"), length("columns")
    if tuple(array("extensive", np.bool_, (t,)).tolist()) != extensive:
        raise SchemaError("the model's columns are sums and means over atoms, and others are told")
    offsets = array("offsets", np.int64, (m + 1,))
    columns = array("columns", np.int32, (n_entries,))
    vocabulary = array("vocabulary", np.uint64, (length("vocabulary"),))
    if offsets[0] != 0 or offsets[-1] != n_entries or (np.diff(offsets) < 0).any():
        raise SchemaError("the model's fragments are not divided into molecules")
    if n_entries and not 0 <= columns.min() <= columns.max() < len(vocabulary):
        raise SchemaError("the model counts fragments that its vocabulary does not have")
    counts = array("counts", np.float32, (n_entries,)).astype(np.float64)
    return MorganGp(
        elements=elements,
        extensive=extensive,
        vocabulary=vocabulary,
        known=Fragments(offsets, columns, counts, array("totals", np.float64, (m,))),
        baselines=array("baselines", np.float64, (t, len(elements) + 1)),
        weights=array("weights", np.float64, (m, t)),
        scales=array("scales", np.float64, (t,)),
        ridges=array("ridges", np.float64, (2,)),
        roots={
            kind: array(f"root.{int(kind)}", np.float32, (m * (m + 1) // 2,))
            for kind in (True, False)
            if kind in extensive
        },
    )
