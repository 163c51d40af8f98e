"""Scales of features that let a kernel predict molecules left out of it best.

The error left out, in closed form, is a smooth function of the scales; its gradient is followed.
Squared distances of pairs of environments are kept group by group of features, so that a step costs
one product with the squared scales. Few numbers are learned, 40 of them, from batches of the
training molecules in turn: with a scale for every element of the centre and group (180) the errors
left out sank further while those of other molecules rose.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from screener.models.fchl.local_kernel import part
from screener.models.fchl.metric import N_SHELLS, Metric, feature_groups
from screener.models.fchl.representation import Environments

log = logging.getLogger(__name__)

FloatArray = NDArray[np.float64]

BATCH = 200  # molecules that are left out of each other's company at once
FEWEST = 100
N_BATCHES = 6  # at most: their distances take 2 GB
N_STEPS = 160
RATE = 0.1  # of Adam, in logarithms of the scales
FIRST_WIDTH = 6.0  # of the Gaussian that the search begins with
WIDTH = 4.0  # at which the scaled kernel is as it was learned
SOFTNESS = 0.03  # of the mean target; errors below it count as squares
STIFFNESS = 0.002  # of the elements' scales, 0.001 of the groups': rare ones stay near the others
ANGULAR = 0.5  # first scale of the groups of angular features, against radial ones


@dataclass(frozen=True, slots=True, eq=False)
class _Pairs:
    """Pairs of environments of one element, each once."""

    element: int
    squared: torch.Tensor  # float32 (n_groups, n_pairs), distances by group
    place: torch.Tensor  # int64 (n_pairs,), in the flattened kernel of molecules
    share: torch.Tensor  # (n_pairs,), 1/2 for an environment with itself


def learn_metric(
    environments: Environments, targets: FloatArray, extensive: Sequence[bool]
) -> Metric:
    """Scales for one kernel of all targets.

    Args:
        environments: of the training molecules, in random order; the first `N_BATCHES` whole
            batches are used.
        targets: float64 (n, t), without baseline.
        extensive: (t,), whether a target is a sum over atoms or a mean.
    Returns:
        the metric; at the width `WIDTH` its kernel is the best found. The plain one where fewer
        than `FEWEST` molecules would be learned by heart.
    """
    n = environments.n_molecules
    if n < FEWEST:
        return Metric.plain(environments.elements)
    n_batches = min(N_BATCHES, max(1, n // BATCH))
    size = min(n, BATCH)
    starts = [number * size for number in range(n_batches)]
    batches = [_pairs(part(environments, start, start + size)) for start in starts]
    n_elements, all_groups = len(environments.elements), feature_groups(environments.elements)
    n_groups = int(all_groups.max()) + 1
    first = np.zeros(n_groups)
    first[n_elements * N_SHELLS :] = np.log(ANGULAR)

    centres = torch.full((n_elements,), -np.log(FIRST_WIDTH), dtype=torch.float64)
    groups = torch.from_numpy(first)
    ridges = torch.full((targets.shape[1],), np.log(1e-4), dtype=torch.float64)
    parameters = [each.requires_grad_() for each in (centres, groups, ridges)]
    optimiser = torch.optim.Adam(parameters, lr=RATE)
    typical = np.maximum(np.abs(targets).mean(axis=0), np.finfo(float).tiny)
    relative = torch.from_numpy(targets / typical)
    errors: list[float] = []
    for step in range(N_STEPS):
        for settings in optimiser.param_groups:
            settings["lr"] = RATE * min(1.0, 2.2 * (1.0 - step / N_STEPS) + 0.05)
        number = step % n_batches
        rows = slice(starts[number], starts[number] + size)
        atoms = torch.from_numpy(environments.atoms_per_molecule[rows].astype(np.float64))
        optimiser.zero_grad()
        kernel = _kernel(batches[number], centres[:, None] + groups, size)
        loss = _left_out(kernel, atoms, relative[rows], ridges, extensive)
        errors.append(float(loss.detach()))
        stiff = STIFFNESS * ((centres - centres.mean()) ** 2).sum() + 0.001 * (groups**2).mean()
        (loss + stiff).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    log.info(
        "metric: mean logarithm of errors left out %.3f -> %.3f",
        np.mean(errors[:n_batches]),
        np.mean(errors[-n_batches:]),
    )
    scales = torch.exp(centres[:, None] + groups).detach().numpy() * WIDTH
    return Metric(
        environments.elements, np.ascontiguousarray(scales[:, all_groups], dtype=np.float32)
    )


def _pairs(environments: Environments) -> list[_Pairs]:
    """Squared distances of a batch, by element and group."""
    result = []
    groups = feature_groups(environments.elements)
    for index, element in enumerate(environments.elements):
        rows = np.flatnonzero(environments.atomic_numbers == element)
        if len(rows) == 0:
            continue
        values = environments.values[rows]
        values = values - values.mean(axis=0)  # float32 distances lose less
        molecule = environments.molecule[rows]
        first, second = np.triu_indices(len(rows))
        flat = first * len(rows) + second
        squared = np.empty((int(groups.max()) + 1, len(flat)), dtype=np.float32)
        for group in range(len(squared)):
            points = values[:, groups == group]
            norms = (points * points).sum(axis=1)
            products = points @ points.T
            products *= -2.0
            products += norms[:, None]
            products += norms
            np.take(np.maximum(products, 0.0, out=products).ravel(), flat, out=squared[group])
        result.append(
            _Pairs(
                index,
                torch.from_numpy(squared),
                torch.from_numpy(molecule[first] * environments.n_molecules + molecule[second]),
                torch.from_numpy(np.where(first == second, 0.5, 1.0)),
            )
        )
    return result


def _kernel(batch: list[_Pairs], log_scales: torch.Tensor, n: int) -> torch.Tensor:
    """Kernel (n, n) of the molecules of a batch, for scales (n_elements, n_groups)."""
    half = torch.zeros(n * n, dtype=torch.float64)
    for pairs in batch:
        weights = torch.exp(2.0 * log_scales[pairs.element]).float()
        kernels = torch.exp(-0.5 * (weights @ pairs.squared))
        half = half + torch.zeros_like(half).index_add(0, pairs.place, kernels * pairs.share)
    square = half.view(n, n)
    return square + square.T


def _left_out(
    kernel: torch.Tensor,
    atoms: torch.Tensor,
    targets: torch.Tensor,
    ridges: torch.Tensor,
    extensive: Sequence[bool],
) -> torch.Tensor:
    """Mean over targets of the logarithm of the mean absolute error left out."""
    losses = []
    identity = torch.eye(len(kernel), dtype=torch.float64)
    for column, of_sums in enumerate(extensive):
        matrix = kernel if of_sums else kernel / (atoms[:, None] * atoms) * atoms.mean() ** 2
        factor = torch.linalg.cholesky(matrix + torch.exp(ridges[column]) * identity)
        inverse = torch.cholesky_inverse(factor)
        errors = (inverse @ targets[:, column]) / torch.diagonal(inverse)
        losses.append(torch.log(torch.sqrt(errors**2 + SOFTNESS**2).mean()))
    return torch.stack(losses).mean()
