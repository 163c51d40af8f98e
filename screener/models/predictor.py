"""From structures to the table of calibrated predictions.

Joins a fitted model with its calibration and its domain; what a bundle does when it is asked, and
what a fit does to measure itself.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from screener.models.calibration import Calibration, Rows, calibrated_columns, domain_columns
from screener.models.low_values import LowValues
from screener.models.registry import evaluator_of
from screener.models.targets import Targets
from screener.models.uncertainty.domain import Domain, heavy_atoms
from screener.records import Structure

FloatArray = NDArray[np.float64]


class Predictor:
    """Predicts structures of one geometry level.

    Args:
        model_type: name of the type of model.
        model: what was fitted.
        targets: what it predicts.
        calibration: by predicted column.
        domain: what is inside.
        geometry_level: of the structures it was fitted on; goes into the table.
        device: of torch.
    Raises:
        ConfigError: there is no such type of model, or low values do not follow from any level.
    """

    def __init__(
        self,
        model_type: str,
        model: Any,
        targets: Targets,
        calibration: Calibration,
        domain: Domain,
        *,
        geometry_level: str,
        device: str = "cpu",
    ) -> None:
        self.model_type = model_type
        self.model = model
        self.targets = targets
        self.calibration = calibration
        self.domain = domain
        self.geometry_level = geometry_level
        self._device = device
        self._evaluator = evaluator_of(model_type, model, device)
        self._low = LowValues(targets.low_columns)

    def within(self, domain: Domain) -> "Predictor":
        """The same model and calibration with another domain."""
        return Predictor(
            self.model_type,
            self.model,
            self.targets,
            self.calibration,
            domain,
            geometry_level=self.geometry_level,
            device=self._device,
        )

    def predict(self, structures: Sequence[Structure]) -> pa.Table:
        """Predictions, one row per structure, in order.

        Args:
            structures: of this predictor's geometry level; with values of the lower level where
                something is added to them.
        Returns:
            for each predicted column q: q, q_std (68.3 % of errors of molecules like the
            calibration set are smaller), q_lo90 and q_hi90 (the 90 % interval) in the unit its name
            ends with, float64, and where it is added to a low value q_delta (q minus its low
            value); then the low values; then in_domain (bool), domain_reasons (string, "" or joined
            by "; ") and geometry_level (string). Outside the domain q, q_std, q_lo90, q_hi90 and
            q_delta are null, low values stay. Inside they are null of the columns that
            domain_reasons says are too uncertain or impossible; where all are, the molecule is
            outside.
        Raises:
            ConfigError: a structure lacks a low value.
        """
        low = self._low(structures)
        reasons = [self.domain.reasons(structure) for structure in structures]
        inside = np.array([row for row, why in enumerate(reasons) if not why], dtype=np.int64)
        known = [structures[row] for row in inside]
        raw = self._evaluator.predict(known)
        for place, row in enumerate(inside):
            atoms = slice(raw.offsets[place], raw.offsets[place + 1])
            reasons[row] = self.domain.distance_reasons(structures[row], raw.distances[atoms])
        rows = Rows(
            evaluated=inside,
            in_domain=np.array([not why for why in reasons], dtype=bool),
            n_heavy=np.array([heavy_atoms(structure) for structure in known], dtype=np.int64),
            largest_fitted=self.domain.largest_fitted,
        )
        table = calibrated_columns(self.targets, self.calibration, raw, low, rows, reasons)
        answers = [table[each.name] for each in self.targets.all]
        for name, values in low.items():
            # an element without a free-atom energy has no atomization energy: null, not NaN
            table[name] = pa.array(values, from_pandas=True, type=pa.float64())
        ends = domain_columns(rows.in_domain, reasons, self.geometry_level, answers)
        return pa.table(table | ends)
