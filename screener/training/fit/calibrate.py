"""From a fitted model to a predictor: calibration and domain, from molecules it has not seen.

How errors and distances grow beyond the largest training size is measured with a second model,
fitted on molecules of fewer heavy atoms than the largest.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from screener.models.fchl.representation import ELEMENTS
from screener.models.predictor import Kind, Predictor, QuantityCalibration, with_gap_std
from screener.models.quantities import FITTED, PREDICTED, with_gap
from screener.models.registry import Model
from screener.models.sparse_gp.model import RawPredictions
from screener.models.uncertainty.conformal import (
    FEWEST,
    conformal_quantile,
    growth_per_heavy_atom,
    std_scale,
    tails,
)
from screener.models.uncertainty.domain import (
    Domain,
    count_coordinations,
    distance_limits,
    heavy_atoms,
)
from screener.records import Structure
from screener.training.fit.data import FitData, LimitSettings

log = logging.getLogger(__name__)

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Growth:
    """Factors per heavy atom beyond the largest training size; 1 where nothing was measured."""

    errors: dict[str, float]  # by predicted quantity, of errors in units of their std
    distances: float

    @classmethod
    def none(cls) -> "Growth":
        """Nothing grows, as far as is known."""
        return cls({quantity.name: 1.0 for quantity in PREDICTED}, 1.0)

    @classmethod
    def measured(
        cls, raw: RawPredictions, targets: FloatArray, larger: NDArray[np.bool_]
    ) -> "Growth":
        """From predictions of molecules of which none was fitted on.

        Args:
            raw: of a model that was fitted on molecules smaller than the `larger` ones.
            targets: float64 (n, n_quantities).
            larger: (n,), molecules with one heavy atom more than the largest it was fitted on.
        """
        errors = {}
        for name, (error, std) in _errors(raw, targets).items():
            scores = np.abs(error) / std
            errors[name] = growth_per_heavy_atom(scores[~larger], scores[larger])
        furthest = np.array([part.max() for part in _by_molecule(raw)])
        return cls(errors, growth_per_heavy_atom(furthest[~larger], furthest[larger]))


@dataclass(frozen=True, slots=True, eq=False)
class SizeSplit:
    """Who shows how errors grow: fitted on what is smaller, judged on the largest."""

    train: NDArray[np.int64]  # rows of molecules of fewer heavy atoms than the largest
    selection: NDArray[np.int64]
    larger: NDArray[np.bool_]  # (n_calibration,), of the largest size

    @classmethod
    def of(
        cls,
        train: NDArray[np.int64],
        selection: NDArray[np.int64],
        calibration: NDArray[np.int64],
    ) -> "SizeSplit | None":
        """From the heavy atoms of each set; None, and a warning, with fewer than `FEWEST` on a
        side."""
        largest = train.max()
        larger = calibration == largest
        smaller = [np.flatnonzero(sizes < largest) for sizes in (train, selection)]
        if min(*map(len, smaller), larger.sum(), (~larger).sum()) < FEWEST:
            log.warning("too few molecules to measure how errors grow with size")
            return None
        return cls(smaller[0], smaller[1], larger)


@dataclass(frozen=True, slots=True, eq=False)
class FittedModel:
    """A model with everything that its predictions need."""

    predictor: Predictor
    report: dict[str, Any]  # settings and what was chosen, JSON values for the card

    def predict(self, structures: Sequence[Structure]) -> pa.Table:
        """Predictions as of `Predictor.predict`."""
        return self.predictor.predict(structures)


def calibrated(
    model: Model,
    raw: RawPredictions,
    calibration: FitData,
    fitted_on: Sequence[Structure],
    growth: Growth,
    settings: LimitSettings,
    *,
    kind: Kind,
    geometry_level: str,
) -> Predictor:
    """The predictor of a fitted model.

    Args:
        model: what was fitted.
        raw: its predictions of the calibration molecules.
        calibration: molecules that neither fit nor selection saw.
        fitted_on: structures of fit and selection.
        growth: see there.
        settings: of the domain.
        kind: of the targets that the model learned.
        geometry_level: of all structures.
    Raises:
        ValueError: fewer than 10 calibration molecules.
    """
    truth = with_gap(calibration.high)
    quantities = {
        name: QuantityCalibration(
            std_scale=std_scale(errors, stds),
            quantile=conformal_quantile(errors, stds),
            growth=growth.errors[name],
            n=len(errors),
            tails=tails(truth[name] + errors, errors, stds),
        )
        for name, (errors, stds) in _errors(raw, calibration.targets(kind)).items()
    }
    domain = Domain(
        elements=ELEMENTS,
        largest_fitted=max(heavy_atoms(structure) for structure in fitted_on),
        max_heavy=settings.max_heavy,
        min_seen=settings.min_seen,
        coordinations=count_coordinations(fitted_on),
        distance_limits=distance_limits(
            [structure.atomic_numbers for structure in calibration.structures],
            _by_molecule(raw),
            settings.outside,
        ),
        distance_growth=growth.distances,
    )
    return Predictor(
        model,
        quantities,
        domain,
        kind=kind,
        geometry_level=geometry_level,
        device=settings.device,
    )


def _by_molecule(raw: RawPredictions) -> list[FloatArray]:
    return np.split(raw.distances, raw.offsets[1:-1])


def _errors(raw: RawPredictions, targets: FloatArray) -> dict[str, tuple[FloatArray, FloatArray]]:
    """Errors and uncalibrated stds of every predicted quantity, each (n,)."""
    values = with_gap(dict(zip(FITTED, raw.values.T, strict=True)))
    truth = with_gap(dict(zip(FITTED, targets.T, strict=True)))
    stds = with_gap_std(dict(zip(FITTED, raw.stds.T, strict=True)))
    return {q.name: (values[q.name] - truth[q.name], stds[q.name]) for q in PREDICTED}
