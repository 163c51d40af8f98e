"""From structures to the table of calibrated predictions.

Joins a fitted model with its calibration and its domain; what a bundle does when it is asked, and
what a fit does to measure itself.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from screener.models.quantities import (
    FITTED,
    GAP,
    HOMO,
    LOW_COLUMNS,
    LUMO,
    PREDICTED,
    low_values,
    with_gap,
)
from screener.models.registry import Model, evaluator_of
from screener.models.uncertainty.conformal import Tail, widening
from screener.models.uncertainty.domain import Domain, heavy_atoms
from screener.records import Structure

FloatArray = NDArray[np.float64]
Kind = Literal["direct", "delta"]


class QuantityCalibration(BaseModel):
    """Calibration of one quantity, see `conformal`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    std_scale: float  # makes 68.3 % of errors lie within one std
    quantile: float  # of |error| / std at 90 %
    growth: float  # widening per heavy atom beyond the training range
    n: int  # calibration molecules
    tails: tuple[Tail, Tail] | None = None  # the smallest and the largest predictions

    def factors(self, values: FloatArray) -> FloatArray:
        """Widening (n,) of the intervals of predictions (n,), by where they lie in the range."""
        result = np.ones_like(values)
        if self.tails is not None:
            lower, upper = self.tails
            result[values <= lower.limit] = lower.widening
            result[values >= upper.limit] = upper.widening
        return result


Calibration = dict[str, QuantityCalibration]


class Predictor:
    """Predicts structures of one geometry level.

    Args:
        model: what was fitted.
        calibration: by name of quantity, the gap included.
        domain: what is inside.
        kind: `direct`, or `delta` when the model learned high minus low.
        geometry_level: of the structures it was fitted on; goes into the table.
        device: of torch.
    """

    def __init__(
        self,
        model: Model,
        calibration: Calibration,
        domain: Domain,
        *,
        kind: Kind,
        geometry_level: str,
        device: str = "cpu",
    ) -> None:
        self.model = model
        self.calibration = calibration
        self.domain = domain
        self.kind = kind
        self.geometry_level = geometry_level
        self._device = device
        self._evaluator = evaluator_of(model, device)

    def within(self, domain: Domain) -> "Predictor":
        """The same model and calibration with another domain."""
        return Predictor(
            self.model,
            self.calibration,
            domain,
            kind=self.kind,
            geometry_level=self.geometry_level,
            device=self._device,
        )

    def predict(self, structures: Sequence[Structure]) -> pa.Table:
        """Predictions, one row per structure, in order.

        Args:
            structures: of this predictor's geometry level; with GFN2 results for a delta model.
        Returns:
            for each quantity q of ae0_b3lyp_kcal, homo_b3lyp_ev, lumo_b3lyp_ev, gap_b3lyp_ev,
            dipole_b3lyp_debye: q, q_std (68.3 % of errors of molecules like the calibration set are
            smaller), q_lo90 and q_hi90 (the 90 % interval) in the unit its name ends with, float64,
            and for a delta model q_delta (q minus its low value); then for a delta model the low
            values; then in_domain (bool), domain_reasons (string, "" or joined by "; ") and
            geometry_level (string). Outside the domain q, q_std, q_lo90, q_hi90 and q_delta are
            null, low values stay.
        Raises:
            ConfigError: a delta model, and a structure without GFN2 results.
        """
        low = low_values(structures) if self.kind == "delta" else {}
        reasons = [self.domain.reasons(structure) for structure in structures]
        inside = np.array([row for row, found in enumerate(reasons) if not found], dtype=np.int64)
        known = [structures[row] for row in inside]
        raw = self._evaluator.predict(known)
        for place, row in enumerate(inside):
            atoms = slice(raw.offsets[place], raw.offsets[place + 1])
            reasons[row] = self.domain.distance_reasons(structures[row], raw.distances[atoms])
        in_domain = np.array([not found for found in reasons], dtype=bool)
        n_heavy = np.array([heavy_atoms(structure) for structure in known], dtype=np.int64)

        table: dict[str, pa.Array] = {}
        predicted = with_gap(dict(zip(FITTED, raw.values.T, strict=True)))
        stds = with_gap_std(dict(zip(FITTED, raw.stds.T, strict=True)))
        for quantity in PREDICTED:
            name, calibrated = quantity.name, self.calibration[quantity.name]
            value = predicted[name]
            if self.kind == "delta":
                value = value + low[quantity.low][inside]
            factor = widening(n_heavy, self.domain.largest_fitted, calibrated.growth)
            std = stds[name] * calibrated.std_scale * factor * calibrated.factors(value)
            half = std * (calibrated.quantile / calibrated.std_scale)
            columns = {
                "": value,
                "_std": std,
                "_lo90": value - half,
                "_hi90": value + half,
            }
            if self.kind == "delta":
                columns["_delta"] = predicted[name]
            for ending, numbers in columns.items():
                full = np.zeros(len(structures))
                full[inside] = numbers
                table[name + ending] = pa.array(full, mask=~in_domain)
        for name in LOW_COLUMNS if self.kind == "delta" else ():
            # an element without a free-atom energy has no atomization energy: null, not NaN
            table[name] = pa.array(low[name], from_pandas=True, type=pa.float64())
        table["in_domain"] = pa.array(in_domain, type=pa.bool_())
        table["domain_reasons"] = pa.array(
            ["; ".join(found) for found in reasons], type=pa.string()
        )
        table["geometry_level"] = pa.array(
            [self.geometry_level] * len(structures), type=pa.string()
        )
        return pa.table(table)


def with_gap_std(stds: dict[str, FloatArray]) -> dict[str, FloatArray]:
    """The same stds and one for the gap, as of independent errors; its own calibration corrects the
    rest."""
    return {**stds, GAP.name: np.sqrt(stds[HOMO] ** 2 + stds[LUMO] ** 2)}
