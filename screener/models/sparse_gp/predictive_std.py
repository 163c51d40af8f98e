"""How uncertain a prediction is, before calibration.

    std = exp(log(v) / 2 + d),

v the posterior variance of the linear model in the features of the first (farthest-spread) inducing
environments, d a linear function of the mean environment fitted to leave-one-out errors, one per
quantity. On held-out molecules this orders errors clearly better than the variance alone, for the
price of one more weight per environment.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import solve_triangular

from screener.models.fchl.inducing import Inducing
from screener.models.fchl.sparse_kernel import SparseKernel, pad_columns
from screener.models.sparse_gp.posterior import NormalEquations, Whitening

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class PosteriorRoot:
    """Inverse root R of a posterior: v = |phi R|^2, phi the whitened leading features.

    Rounded to half precision before calibration sees it, so that the rounding is calibrated too.
    """

    packed: NDArray[np.float16]  # upper triangle, row by row, each column divided by its scale
    scales: NDArray[np.float32]  # (m,)

    @classmethod
    def of(cls, equations: NormalEquations, ridge: float) -> "PosteriorRoot":
        """The root of gram + ridge."""
        upper = np.triu(equations.factor(ridge).upper)
        inverse = solve_triangular(upper, np.eye(len(upper)), lower=False)
        scales = np.abs(inverse).max(axis=0).astype(np.float32)
        return cls((inverse / scales)[np.triu_indices(len(upper))].astype(np.float16), scales)

    def matrix(self) -> FloatArray:
        """R, upper triangular, float64 (m, m)."""
        result = np.zeros((len(self.scales), len(self.scales)))
        result[np.triu_indices(len(self.scales))] = self.packed
        result *= self.scales
        return result


def leading(inducing: Inducing, total: int) -> Inducing:
    """The first environments of every element, about `total`, in the elements' own proportion.

    Farthest-point sampling puts the most different ones first, so a beginning is spread over the
    whole.
    """
    share = min(1.0, total / max(1, int(inducing.counts.sum())))
    counts = np.ceil(inducing.counts * share).astype(np.int64)
    values = [
        inducing.values[inducing.block(i)][: counts[i]] for i in range(len(inducing.elements))
    ]
    return Inducing(inducing.elements, np.concatenate(values), counts)


def leading_columns(inducing: Inducing, part: Inducing) -> NDArray[np.int64]:
    """Positions of the environments of `part` among those of `inducing`."""
    return np.concatenate(
        [inducing.block(i).start + np.arange(part.counts[i]) for i in range(len(inducing.elements))]
    )


class PosteriorVariance:
    """Evaluates v from kernel sums.

    Args:
        part: the leading environments.
        width: of the kernel.
        root: of the posterior.
        device: of torch.
    """

    def __init__(self, part: Inducing, width: float, root: PosteriorRoot, device: str) -> None:
        whitening = Whitening.of(SparseKernel(part, width))
        self._matrix = pad_columns(torch.from_numpy(whitening.weights(root.matrix()))).to(device)

    def __call__(self, sums: torch.Tensor) -> torch.Tensor:
        """v of kernel sums (n, m) of the leading environments, float64 (n,)."""
        image = sums @ self._matrix
        return (image * image).sum(dim=1)
