"""A correction fitted on few labels, with the fits that leave each fold out.

The first fit knows all molecules and makes the values; the others, together with the errors of the
molecules that each has not seen, make the intervals (see `cvplus`). All share the molecules and the
kernel between them, so that a structure's kernels are computed once.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from screener.errors import ConfigError
from screener.models.kernel_ridge.additive import (
    AdditiveSettings,
    Fit,
    Prepared,
    fit_additive,
    predict_within,
)
from screener.models.uncertainty.cv_plus import CvPlus
from screener.records import Structure

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class CrossFit:
    """Everything that is fitted, for one extensive quantity."""

    structures: tuple[Structure, ...]  # (n,), fitted on
    settings: AdditiveSettings
    kernel: FloatArray  # (n, n), of their environments; rounded it need not be positive definite
    folds: NDArray[np.int64]  # (n,), fold that each molecule is in
    fits: tuple[Fit, ...]  # on all molecules, then on those without fold 0, 1, ...
    cvplus: CvPlus

    def rows(self, place: int) -> NDArray[np.int64]:
        """Molecules that the fit at `place` knows, in order."""
        return np.flatnonzero(self.folds != place - 1)


def cross_fit(
    prepared: Prepared,
    targets: FloatArray,
    asked_targets: FloatArray,
    settings: AdditiveSettings,
    *,
    fit: NDArray[np.bool_],
    counted: NDArray[np.bool_],
    folds: NDArray[np.int64],
) -> tuple[CrossFit, FloatArray]:
    """Fit on all and without each fold.

    Args:
        prepared: n molecules, with the structures that they are asked at.
        targets: (n,), learned at the structures to fit on; read where `fit`.
        asked_targets: (n,), what should have come out at the asked structures; read where
            `counted`.
        settings: of the fits.
        fit: (n,), molecules to fit on.
        counted: (n,), molecules whose errors make the intervals.
        folds: (n,), 0 to n_folds - 1; molecules of one connectivity share a fold.
    Returns:
        the fits, and the errors (n,), predicted minus wanted, of the fit without each molecule's
        fold; NaN where not counted.
    Raises:
        ConfigError: too few molecules are counted for 90 % intervals.
    """
    known = np.flatnonzero(fit)
    fits = [fit_additive(prepared, targets, settings, known)[0]]
    errors, stds = np.full(len(folds), np.nan), np.full(len(folds), np.nan)
    for fold in range(int(folds.max()) + 1):
        rows = np.flatnonzero(fit & (folds != fold))
        fits.append(fit_additive(prepared, targets, settings, rows)[0])
        others = np.flatnonzero(counted & (folds == fold))
        values, stds[others] = predict_within(prepared, targets, settings, rows, others)
        errors[others] = values - asked_targets[others]
    if not np.isfinite(errors[counted]).all():
        raise ConfigError("molecules that are counted need values at both ends of the rung")
    model = CrossFit(
        structures=tuple(prepared.structures[int(row)] for row in known),
        settings=settings,
        kernel=prepared.kernels[settings.width][np.ix_(known, known)],
        folds=folds[known],
        fits=tuple(fits),
        cvplus=CvPlus.of(errors[counted], stds[counted], folds[counted]),
    )
    return model, errors
