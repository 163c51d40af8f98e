"""Calibration of one predicted column, and the columns of a table that it makes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from screener.models.raw_predictions import RawPredictions
from screener.models.targets import Targets
from screener.models.uncertainty.conformal import Tail, widening
from screener.models.uncertainty.limits import Interval, refusals, within_bounds
from screener.stores.domain_reasons import joined

FloatArray = NDArray[np.float64]


class QuantityCalibration(BaseModel):
    """Calibration of one quantity, see `conformal`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    std_scale: float  # makes 68.3 % of errors lie within one std
    quantile: float  # of |error| / std at 90 %
    growth: float  # widening per heavy atom beyond the training range
    n: int  # calibration molecules
    tails: tuple[Tail, Tail] | None = None  # the smallest and the largest predictions
    # 90 % intervals wider than this are no answers, in the unit of the column: the width of the
    # central 90 % of the training labels, what their composition explains taken off where the
    # quantity grows with the molecule; None of older cards, which have no such rule
    max_width90: float | None = None

    def factors(self, values: FloatArray) -> FloatArray:
        """Widening (n,) of the intervals of predictions (n,), by where they lie in the range."""
        result = np.ones_like(values)
        if self.tails is not None:
            lower, upper = self.tails
            result[values <= lower.limit] = lower.widening
            result[values >= upper.limit] = upper.widening
        return result


Calibration = Mapping[str, QuantityCalibration]


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Where the predicted molecules stand among all that were given.

    Args:
        evaluated: int64 (m,), places of those that the model was given.
        in_domain: (n,), of all; only evaluated ones are.
        n_heavy: int64 (m,), heavy atoms of the evaluated ones.
        largest_fitted: heavy atoms beyond which intervals grow.
    """

    evaluated: NDArray[np.int64]
    in_domain: NDArray[np.bool_]
    n_heavy: NDArray[np.int64]
    largest_fitted: int


def calibrated_columns(
    targets: Targets,
    calibration: Calibration,
    raw: RawPredictions,
    low: Mapping[str, FloatArray],
    rows: Rows,
    reasons: list[list[str]],
) -> dict[str, pa.Array]:
    """Columns of predictions, null outside the domain and where a prediction is no answer.

    Args:
        targets: of the model.
        calibration: by predicted column.
        raw: of the evaluated molecules, m of them.
        low: low values (n,) of all molecules, by column.
        rows: which were evaluated, and which of these are in the domain.
        reasons: (n,), why each molecule is outside; of a molecule that is inside, why the
            prediction of a column is no answer (`limits.refusals`) is added here.
    Returns:
        for each predicted column q: q, q_std, q_lo90 and q_hi90, (n,), in the unit of q and within
        the bounds of its quantity, and where q is added to a low value q_delta, what was added.
    """
    table: dict[str, pa.Array] = {}
    learned, stds = targets.values(raw.values), targets.stds(raw.stds)
    for target in targets.all:
        name, calibrated = target.name, calibration[target.name]
        value = learned[name]
        if target.low is not None:
            value = value + low[target.low][rows.evaluated]
        factor = widening(rows.n_heavy, rows.largest_fitted, calibrated.growth)
        std = stds[name] * calibrated.std_scale * factor * calibrated.factors(value)
        half = std * (calibrated.quantile / calibrated.std_scale)
        interval = Interval(value, value - half, value + half)
        is_told = rows.in_domain.copy()
        refused = refusals(target.column, interval, calibrated.max_width90)
        for row, reason in zip(rows.evaluated.tolist(), refused, strict=True):
            if reason and rows.in_domain[row]:
                reasons[row].append(reason)
                is_told[row] = False
        told = within_bounds(target.column, interval)
        columns = {"": told.value, "_std": std, "_lo90": told.low, "_hi90": told.high}
        if target.low is not None:
            # a value that was cut off is still the sum of its low value and what was added
            columns["_delta"] = learned[name] + (told.value - value)
        for ending, numbers in columns.items():
            full = np.zeros(len(rows.in_domain))
            full[rows.evaluated] = numbers
            table[name + ending] = pa.array(full, mask=~is_told)
    return table


def domain_columns(
    in_domain: NDArray[np.bool_],
    reasons: list[list[str]],
    geometry_level: str,
    values: Iterable[pa.Array],
) -> dict[str, pa.Array]:
    """The columns that end a table of predictions.

    Args:
        in_domain: (n,), as far as the domain says.
        reasons: (n,), why each molecule is outside, or which of its predictions are no answers.
        geometry_level: of what was predicted from.
        values: (n,) each, of the predicted columns.
    Returns:
        `in_domain`, `domain_reasons` and `geometry_level`, (n,) each. A molecule without any
        answer is outside.
    """
    has_answer = np.zeros(len(in_domain), dtype=bool)
    for each in values:
        has_answer |= each.is_valid().to_numpy(zero_copy_only=False)
    return {
        "in_domain": pa.array(in_domain & has_answer, type=pa.bool_()),
        "domain_reasons": pa.array(list(map(joined, reasons)), type=pa.string()),
        "geometry_level": pa.array([geometry_level] * len(reasons), type=pa.string()),
    }
