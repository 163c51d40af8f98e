"""Mean absolute errors with the interval that resampling the molecules gives."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

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

    def __str__(self) -> str:
        return f"{self.mae:.3f} ({self.low:.3f}-{self.high:.3f}), n {self.n}"


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

    def __str__(self) -> str:
        return (
            f"{100 * self.share:.1f} % ({100 * self.low:.1f}-{100 * self.high:.1f}), n {self.n}, "
            f"median width {self.width:.2f}"
        )


def as_metrics(errors: Figure, covered: Coverage | None = None) -> dict[str, float]:
    """For the card of a bundle; `mae_95` and `coverage90_95` are ends of 95 % intervals."""
    metrics = {
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
        }
    return metrics


def coverage(true: FloatArray, low: FloatArray, high: FloatArray) -> Coverage:
    """Of true values (n,) by the intervals `low` to `high`, (n,) each."""
    inside = int(((low <= true) & (true <= high)).sum())
    ends = binomtest(inside, len(true)).proportion_ci(0.95)
    return Coverage(
        len(true), inside / len(true), ends.low, ends.high, float(np.median(high - low))
    )
