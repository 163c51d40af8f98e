"""From counts to short vectors: the principal components of a sample of the library.

Distances between molecules survive in a few hundred directions, and everything that follows costs
a tenth. The directions need no values, so they are fixed before the first molecule is evaluated.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from screener.errors import ConfigError
from screener.funnel.features import Bits

FloatArray = NDArray[np.float32]
N_FOR_PROJECTION = 8000  # molecules that the directions are taken from


@dataclass(frozen=True, slots=True, eq=False)
class Projection:
    """An affine map from log(1 + count) to `n_dims` numbers.

    Args:
        directions: float32 (n_columns, n_dims), orthonormal, the largest variance first.
        origin: float32 (n_dims,), where the sample's mean goes; it is subtracted.
    """

    directions: FloatArray
    origin: FloatArray

    @classmethod
    def of(cls, sample: Bits, n_dims: int, seed: int) -> "Projection":
        """The principal components of a sample.

        Args:
            sample: molecules drawn at random; fewer than `n_dims` give as many directions.
            n_dims: how many directions are kept.
            seed: of the randomised decomposition.
        Returns:
            the projection.
        Raises:
            ConfigError: the sample is empty.
        References:
            Halko, Martinsson and Tropp, SIAM Rev. 53, 217 (2011).
        """
        if len(sample) == 0:
            raise ConfigError("the surrogate needs molecules to learn its directions from")
        logarithms = torch.from_numpy(sample.logarithms().toarray())
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            _, _, directions = torch.pca_lowrank(logarithms, q=min(n_dims, len(sample)), niter=2)
        basis = np.ascontiguousarray(directions.numpy())
        return cls(basis, (logarithms.mean(dim=0) @ directions).numpy())

    def __call__(self, bits: Bits) -> FloatArray:
        """float32 (n, n_dims). A row does not depend on the others."""
        return np.asarray(bits.logarithms() @ self.directions - self.origin, dtype=np.float32)
