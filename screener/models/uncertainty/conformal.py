"""Split conformal calibration of predictive standard deviations.

On molecules that neither fit nor selection saw, the scores |error| / std are ranked; their 90 %
quantile times the std of a new molecule is half its interval, which then covers at least 90 % of
molecules like the calibration set (and of those only: nothing is promised for others). Whoever
takes the most extreme predictions takes errors along with them, so the two ends of the range are
classes of their own, in which intervals are widened until they hold (Mondrian conformal
prediction). Molecules with more heavy atoms than the training set has get intervals widened by a
factor per further heavy atom, which is measured by leaving the largest training size out.

References:
    Lei, G'Sell, Rinaldo, Tibshirani, Wasserman, J. Am. Stat. Assoc. 113, 1094 (2018).
    Vovk, Lindsay, Nouretdinov, Gammerman, Mondrian confidence machine (2003).
"""

import math

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

FloatArray = NDArray[np.float64]

COVERAGE = 0.9
SHORTLIST = 0.05  # share of molecules that a screening is after
FEWEST = 50  # molecules below which nothing is said about a class of them


def conformal_quantile(errors: FloatArray, stds: FloatArray, coverage: float = COVERAGE) -> float:
    """The conformal quantile of |error| / std.

    Args:
        errors: (n,), prediction minus truth or the reverse.
        stds: (n,), positive.
        coverage: share of new molecules to be covered.
    Returns:
        dimensionless: the ceil((n + 1) coverage)-th smallest score.
    Raises:
        ValueError: fewer than coverage / (1 - coverage) molecules promise nothing.
    """
    scores = np.sort(np.abs(errors) / stds)
    rank = math.ceil((len(scores) + 1) * coverage)
    if rank > len(scores):
        raise ValueError(f"{len(scores)} calibration molecules are too few for {coverage:.0%}")
    return float(scores[rank - 1])


class Tail(BaseModel):
    """One end of the range of predictions, where intervals are wider."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    limit: float  # predictions at or beyond it are in the tail
    widening: float  # factor on stds and intervals, never below 1


def tails(values: FloatArray, errors: FloatArray, stds: FloatArray) -> tuple[Tail, Tail] | None:
    """The smallest and the largest predictions, each `SHORTLIST` of all.

    Args:
        values: (n,), predictions.
        errors, stds: (n,), see `conformal_quantile`.
    Returns:
        the lower and the upper tail; None with fewer than `FEWEST` molecules in each.
    """
    size = round(SHORTLIST * len(values))
    if size < FEWEST:
        return None
    whole = conformal_quantile(errors, stds)
    ranked = np.argsort(values, kind="stable")

    def tail(rows: NDArray[np.int64], limit: float) -> Tail:
        return Tail(
            limit=limit, widening=max(1.0, conformal_quantile(errors[rows], stds[rows]) / whole)
        )

    lower, upper = ranked[:size], ranked[-size:]
    return tail(lower, float(values[lower].max())), tail(upper, float(values[upper].min()))


def std_scale(errors: FloatArray, stds: FloatArray) -> float:
    """The factor that makes 68.3 % of errors lie within one std, as for a normal distribution."""
    return float(np.quantile(np.abs(errors) / stds, 0.6827))


def growth_per_heavy_atom(scores: FloatArray, larger: FloatArray) -> float:
    """How much wider intervals must be per heavy atom beyond the training range.

    Args:
        scores: |error| / std of molecules of the sizes a model was fitted on, but not in its fit.
        larger: the same of molecules with one heavy atom more than the largest it was fitted on.
    Returns:
        the ratio of the two 90 % quantiles; never below 1.
    """
    return max(1.0, float(np.quantile(larger, COVERAGE) / np.quantile(scores, COVERAGE)))


def widening(n_heavy: NDArray[np.int64], largest: int, growth: float) -> FloatArray:
    """Factors (n,) on stds and intervals: `growth` per heavy atom beyond `largest`, 1 up to it.

    Args:
        n_heavy: int64 (n,), heavy atoms.
        largest: heavy atoms of the largest fitted molecule.
        growth: factor per heavy atom beyond it.
    Returns:
        float64 (n,), at least 1 where `growth` is.
    """
    result: FloatArray = growth ** np.maximum(n_heavy - largest, 0).astype(np.float64)
    return result
