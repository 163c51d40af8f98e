"""A correction fitted on few labels, with the fits that leave each fold out.

The first fit knows all molecules and makes the values; the others, together with the errors of the
molecules that each has not seen, make the intervals (see `cv_plus`). All share the molecules and
the kernel between them, so that a structure's kernels are computed once.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from screener.models.kernel_ridge.additive import AdditiveSettings, Fit
from screener.models.uncertainty.cv_plus import CvPlus
from screener.models.uncertainty.spread import Spread, features
from screener.records import Structure

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class CrossFit:
    """Everything that is fitted, for one extensive quantity."""

    elements: tuple[int, ...]  # atomic numbers that kernels and increments know
    structures: tuple[Structure, ...]  # (n,), fitted on
    settings: AdditiveSettings
    kernel: FloatArray  # (n, n), of their environments; rounded it need not be positive definite
    folds: NDArray[np.int64]  # (n,), fold that each molecule is in
    fits: tuple[Fit, ...]  # on all molecules, then on those without fold 0, 1, ...
    cvplus: CvPlus
    spread: Spread | None = None  # that the stds of `cvplus` are made by

    def stds(self, structures: Sequence[Structure], stds: FloatArray) -> FloatArray:
        """Posterior stds (..., m) of m structures as `cvplus` has them."""
        return stds if self.spread is None else self.spread.stds(stds, features(structures))

    def rows(self, place: int) -> NDArray[np.int64]:
        """Molecules that the fit at `place` knows, in order."""
        return np.flatnonzero(self.folds != place - 1)
