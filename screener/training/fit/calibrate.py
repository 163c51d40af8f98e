"""From a fitted model to a predictor: calibration and domain, from molecules it has not seen.

How errors and distances grow beyond the largest training size is measured with a second model,
fitted on molecules of fewer heavy atoms than the largest.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from screener.models.baseline import baseline, fit_baseline
from screener.models.calibration import QuantityCalibration
from screener.models.drawing_predictor import DrawingPredictor
from screener.models.predictor import Predictor
from screener.models.raw_predictions import RawPredictions
from screener.models.targets import Targets
from screener.models.uncertainty.conformal import (
    COVERAGE,
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
from screener.training.fit.data import FitSets, LimitSettings

log = logging.getLogger(__name__)

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Growth:
    """Factors per heavy atom beyond the largest training size; 1 where nothing was measured."""

    errors: dict[str, float]  # by predicted column, of errors in units of their std
    distances: float

    @classmethod
    def none(cls, targets: Targets) -> "Growth":
        """Nothing grows, as far as is known."""
        return cls({each.name: 1.0 for each in targets.all}, 1.0)

    @classmethod
    def measured(
        cls,
        raw: RawPredictions,
        learned: FloatArray,
        targets: Targets,
        larger: NDArray[np.bool_],
    ) -> "Growth":
        """From predictions of molecules of which none was fitted on.

        Args:
            raw: of a model that was fitted on molecules smaller than the `larger` ones.
            learned: float64 (n, n_fitted), what should have come out.
            targets: of the model.
            larger: (n,), molecules with one heavy atom more than the largest it was fitted on.
        Returns:
            one factor for each predicted column.
        """
        errors = {}
        for name, (error, std) in _errors(raw, learned, targets).items():
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
        side.

        Args:
            train: int64 (n_train,), heavy atoms.
            selection: int64 (n_selection,), heavy atoms.
            calibration: int64 (n_calibration,), heavy atoms.
        Returns:
            the split, or None.
        """
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

    predictor: Predictor | DrawingPredictor
    report: dict[str, Any]  # settings and what was chosen, JSON values for the card
    elements: tuple[int, ...]  # atomic numbers that the model's arrays are for, ascending

    def predict(self, molecules: Sequence[Any]) -> pa.Table:
        """Predictions of structures, or of SMILES where the model reads drawings."""
        return self.predictor.predict(molecules)


def calibrated(
    model_type: str,
    model: Any,
    raw: RawPredictions,
    sets: FitSets,
    growth: Growth,
    settings: LimitSettings,
) -> Predictor:
    """The predictor of a fitted model that reads structures.

    Args:
        model_type: name of the type of model.
        model: what was fitted.
        raw: its predictions of the calibration molecules.
        sets: of the fit.
        growth: see there.
        settings: of the domain.
    Returns:
        the predictor, with calibration and domain.
    Raises:
        ValueError: fewer than 10 calibration molecules.
    """
    known = [*sets.fit.structures, *sets.selection.structures]
    domain = Domain(
        elements=sets.elements,
        largest_fitted=max(heavy_atoms(structure) for structure in known),
        max_heavy=settings.max_heavy,
        min_seen=settings.min_seen,
        by_bonds=settings.by_bonds,
        coordinations=count_coordinations(known, by_bonds=settings.by_bonds),
        distance_limits=distance_limits(
            [structure.atomic_numbers for structure in sets.calibration.structures],
            _by_molecule(raw),
            settings.outside,
        ),
        distance_growth=growth.distances,
    )
    return Predictor(
        model_type,
        model,
        sets.targets,
        calibrations(raw, sets, growth),
        domain,
        geometry_level=sets.geometry_level,
        device=settings.device,
    )


def calibrations(
    raw: RawPredictions, sets: FitSets, growth: Growth
) -> dict[str, QuantityCalibration]:
    """The calibration of every predicted column, and how wide its intervals may be.

    Args:
        raw: predictions of the calibration molecules.
        sets: of the fit; the limit of widths follows from the labels that it learned.
        growth: of errors beyond the largest training size.
    Returns:
        by name of the column.
    Raises:
        ValueError: fewer than 10 calibration molecules.
    """
    calibration, targets = sets.calibration, sets.targets
    truth = targets.with_differences(calibration.high)
    widest = widest_intervals(targets, sets.fit.high, sets.fit.composition)
    return {
        name: QuantityCalibration(
            std_scale=std_scale(errors, stds),
            quantile=conformal_quantile(errors, stds),
            growth=growth.errors[name],
            n=len(errors),
            tails=tails(truth[name] + errors, errors, stds),
            max_width90=widest[name],
        )
        for name, (errors, stds) in _errors(raw, calibration.targets(targets), targets).items()
    }


def widest_intervals(
    targets: Targets, labels: Mapping[str, FloatArray], counts: FloatArray
) -> dict[str, float]:
    """The limits of the widths of 90 % intervals, see `max_width90`.

    Args:
        targets: that are predicted.
        labels: float64 (n,) of the molecules that the model learned, by fitted column.
        counts: float64 (n, n_elements), atoms of each element in them.
    Returns:
        by predicted column, in its unit.
    """
    whole = targets.with_differences(dict(labels))
    return {
        each.name: max_width90(whole[each.name], counts, extensive=each.column.quantity.extensive)
        for each in targets.all
    }


def max_width90(labels: FloatArray, counts: FloatArray, *, extensive: bool) -> float:
    """How wide the interval of a guess would be: wider ones of a model tell nothing.

    The guess knows the composition of a molecule where the quantity grows with the molecule, and
    nothing of it where it does not. What it leaves open of the training labels lies in this width
    for 90 % of them.

    Args:
        labels: float64 (n,), of the training molecules.
        counts: float64 (n, n_elements), atoms of each element in them.
        extensive: whether the guess is the best linear function of these, or the mean.
    Returns:
        from the 5th to the 95th percentile, in the unit of the labels.
    """
    rest = labels - baseline(counts, fit_baseline(counts, labels, extensive=extensive))
    low, high = np.quantile(rest, [(1.0 - COVERAGE) / 2, (1.0 + COVERAGE) / 2])
    return float(high - low)


def _by_molecule(raw: RawPredictions) -> list[FloatArray]:
    return np.split(raw.distances, raw.offsets[1:-1])


def _errors(
    raw: RawPredictions, learned: FloatArray, targets: Targets
) -> dict[str, tuple[FloatArray, FloatArray]]:
    """Errors and uncalibrated stds of every predicted column, each (n,)."""
    values, truth, stds = (
        targets.values(raw.values),
        targets.values(learned),
        targets.stds(raw.stds),
    )
    return {each.name: (values[each.name] - truth[each.name], stds[each.name])
            for each in targets.all}  # fmt: skip
