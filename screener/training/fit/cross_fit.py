"""Fitting a `CrossFit`: on all molecules, and once without each fold.

The errors of the molecules that each of the latter has not seen make the intervals.
"""

import numpy as np
from numpy.typing import NDArray

from screener.errors import ConfigError
from screener.models.kernel_ridge.additive import AdditiveSettings
from screener.models.kernel_ridge.cross_fit import CrossFit
from screener.models.uncertainty.cv_plus import CvPlus
from screener.training.fit.additive import Prepared, fit_additive, predict_within
from screener.training.fit.spread import fit_spread

FloatArray = NDArray[np.float64]


def cross_fit(
    prepared: Prepared,
    targets: FloatArray,
    asked_targets: FloatArray,
    settings: AdditiveSettings,
    *,
    fit: NDArray[np.bool_],
    counted: NDArray[np.bool_],
    folds: NDArray[np.int64],
    told: FloatArray | None = None,
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
        told: (n, N_FEATURES), of `spread.features`, where the spread of errors is fitted to them.
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
    spread = None
    if told is not None:
        spread = fit_spread(errors[counted], stds[counted], told[counted])
        stds[counted] = spread.stds(stds[counted], told[counted])
    model = CrossFit(
        elements=prepared.elements,
        structures=tuple(prepared.structures[int(row)] for row in known),
        settings=settings,
        kernel=prepared.kernels[settings.width][np.ix_(known, known)],
        folds=folds[known],
        fits=tuple(fits),
        cvplus=CvPlus.of(errors[counted], stds[counted], folds[counted]),
        spread=spread,
    )
    return model, errors
