"""Choice of the inducing atom environments.

Farthest-point sampling per element: it spreads the environments over what the training set holds,
which beat a random draw on held-out molecules at equal numbers. Elements share the total in
proportion to the square root of their count.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from screener.models.fchl.projection import Projected
from screener.models.fchl.representation import Elements

POOL = 30_000  # environments per element that the choice is made from


@dataclass(frozen=True, slots=True, eq=False)
class Inducing:
    """Inducing environments, element after element."""

    elements: Elements
    values: NDArray[np.float16]  # (n_inducing, n_components), projected
    counts: NDArray[np.int64]  # (n_elements,)

    def block(self, index: int) -> slice:
        """Where the environments of element number `index` lie."""
        stops = np.cumsum(self.counts)
        return slice(int(stops[index] - self.counts[index]), int(stops[index]))


def choose_inducing(
    environments: Projected, n_inducing: int, generator: np.random.Generator
) -> Inducing:
    """About `n_inducing` environments of the training molecules, rounded to half precision.

    Args:
        environments: of the training molecules.
        n_inducing: wanted in total; fewer where an element has fewer.
        generator: decides the pool and the first environment of each element.
    Returns:
        the chosen environments, element after element.
    """
    elements = environments.elements
    available = np.array([np.sum(environments.atomic_numbers == each) for each in elements])
    counts = _shares(available, n_inducing)
    chosen = []
    for element, count in zip(elements, counts, strict=True):
        rows = np.flatnonzero(environments.atomic_numbers == element)
        pool = np.sort(generator.choice(rows, min(len(rows), POOL), replace=False))
        values = environments.values[pool]
        if count > 0:
            values = values[
                _farthest_points(values, int(count), int(generator.integers(len(pool))))
            ]
        chosen.append(values[:count].astype(np.float16))
    return Inducing(elements, np.concatenate(chosen), counts.astype(np.int64))


def _shares(available: NDArray[np.int64], total: int) -> NDArray[np.int64]:
    shares = np.zeros(len(available), dtype=np.int64)
    open_ = available > 0
    while open_.any():  # what an element cannot use goes to the others
        weights = np.sqrt(available) * open_
        wanted = (weights * ((total - shares.sum()) / weights.sum())).astype(np.int64)
        full = open_ & (wanted >= available)
        if not full.any():
            shares[open_] = wanted[open_]
            break
        shares[full] = available[full]
        open_ &= ~full
    return shares


def _farthest_points(values: NDArray[np.float64], count: int, first: int) -> NDArray[np.int64]:
    points = torch.from_numpy(values.astype(np.float32))
    norms = (points * points).sum(dim=1)
    chosen = [first]
    nearest = torch.full((len(points),), torch.inf)
    for _ in range(count - 1):
        last = chosen[-1]
        distances = norms + norms[last] - 2.0 * (points @ points[last])
        nearest = torch.minimum(nearest, distances)
        chosen.append(int(nearest.argmax()))
    return np.array(chosen)
