"""Mean absolute errors with the interval that resampling the molecules gives."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from screener.training.evaluate import at_the_ends, rank_correlation

FloatArray = NDArray[np.float64]

RESAMPLES = 4_000
SEED = 20194


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure in kcal/mol."""

    n: int
    mae: float
    rmse: float
    low: float  # ends of the bootstrap 95 % interval of the MAE
    high: float
    bias: float  # predicted minus reference


def figure(errors: FloatArray) -> Figure:
    """Of predicted minus reference (n,); n at least 1. The same errors give the same interval."""
    generator = np.random.default_rng(SEED)
    absolute = np.abs(errors)
    means = [generator.choice(absolute, len(absolute)).mean() for _ in range(RESAMPLES)]
    low, high = np.quantile(means, [0.025, 0.975])
    return Figure(
        n=len(errors),
        mae=float(absolute.mean()),
        rmse=float(np.sqrt((errors**2).mean())),
        low=float(low),
        high=float(high),
        bias=float(errors.mean()),
    )


@dataclass(frozen=True, slots=True)
class Coverage:
    """How many of n lie inside their intervals."""

    n: int
    share: float
    low: float  # ends of the binomial 95 % interval (Clopper and Pearson) of the share
    high: float
    width: float  # median width of the intervals, kcal/mol
    least: float  # share among the 5 % of smallest predicted values
    most: float  # and of largest
    rank: float | None  # rank correlation of width and absolute error


def as_metrics(errors: Figure, covered: Coverage | None = None) -> dict[str, float | None]:
    """For the card of a bundle; `mae_95` and `coverage90_95` are ends of 95 % intervals."""
    metrics: dict[str, float | None] = {
        "n": float(errors.n),
        "mae": errors.mae,
        "mae_95_low": errors.low,
        "mae_95_high": errors.high,
        "rmse": errors.rmse,
        "bias": errors.bias,
    }
    if covered is not None:
        metrics |= {
            "coverage90": covered.share,
            "coverage90_95_low": covered.low,
            "coverage90_95_high": covered.high,
            "median_width90": covered.width,
            "coverage90_least": covered.least,
            "coverage90_most": covered.most,
            "spearman_std_error": covered.rank,
        }
    return metrics


def coverage(values: FloatArray, true: FloatArray, low: FloatArray, high: FloatArray) -> Coverage:
    """Of true values (n,) by the intervals `low` to `high` of predicted `values`, (n,) each.

    Args:
        values: float64 (n,), predictions.
        true: float64 (n,).
        low: float64 (n,), lower ends.
        high: float64 (n,), upper ends.
    Returns:
        shares of true values inside, as a whole and among the smallest and largest predictions.
    """
    covered = (low <= true) & (true <= high)
    ends = binomtest(int(covered.sum()), len(true)).proportion_ci(0.95)
    least, most = at_the_ends(values, covered)
    return Coverage(
        n=len(true),
        share=float(covered.mean()),
        low=ends.low,
        high=ends.high,
        width=float(np.median(high - low)),
        least=least,
        most=most,
        rank=rank_correlation(high - low, np.abs(values - true)),
    )
