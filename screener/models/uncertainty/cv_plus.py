"""Prediction intervals from cross-validation (CV+), for sets too small to set some aside.

Each of K models is fitted without one fold; the error it makes there stands for those of new
molecules. The interval of a new molecule runs over (prediction of the model without fold k) ±
(error of a molecule of fold k), all molecules of all folds. Errors are taken in units of the
predicted standard deviation, so that intervals are wide where the model is unsure.

References:
    Barber, Candès, Ramdas, Tibshirani, Ann. Stat. 49, 486 (2021): at least 1 - 2 alpha is
    guaranteed, about 1 - alpha is what one finds.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from screener.errors import ConfigError
from screener.models.uncertainty.conformal import COVERAGE

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class CvPlus:
    """What CV+ remembers of the molecules that it was calibrated on."""

    scores: FloatArray  # (n,), |error| / std of the model without the molecule's fold
    folds: NDArray[np.int64]  # (n,), 0 to n_folds - 1

    @classmethod
    def of(cls, errors: FloatArray, stds: FloatArray, folds: NDArray[np.int64]) -> "CvPlus":
        """From out-of-fold errors (n,) and stds (n,), positive; `folds` (n,) as they were fitted.

        Args:
            errors: float64 (n,), absolute or signed, out of fold.
            stds: float64 (n,), positive, of the same fits.
            folds: int64 (n,), the fold that each molecule was left out in.
        Returns:
            what intervals are made from.
        Raises:
            ConfigError: too few molecules to promise the coverage, or values that do not fit.
        """
        if not (len(errors) == len(stds) == len(folds)) or not (stds > 0).all():
            raise ConfigError("CV+ needs one error, one positive std and one fold per molecule")
        if math.ceil((len(errors) + 1) * COVERAGE) > len(errors):
            raise ConfigError(f"{len(errors)} molecules are too few for {COVERAGE:.0%} intervals")
        return cls(np.abs(errors) / stds, np.asarray(folds, dtype=np.int64))

    def interval(
        self, values: FloatArray, stds: FloatArray, coverage: float = COVERAGE
    ) -> tuple[FloatArray, FloatArray]:
        """Lower and upper ends.

        Args:
            values: (n_folds, m), predictions of the model without each fold.
            stds: (n_folds, m), of the same.
            coverage: share of molecules like those of the calibration to be covered.
        Returns:
            float64 (m,) each, in the unit of the values.
        """
        half = self.scores[:, None] * stds[self.folds]
        low = np.sort(values[self.folds] - half, axis=0)
        high = np.sort(values[self.folds] + half, axis=0)
        n = len(self.scores)
        rank = min(n, math.ceil((n + 1) * coverage))
        return low[n - rank], high[rank - 1]
