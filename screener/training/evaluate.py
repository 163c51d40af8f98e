"""Held-out errors, and the baselines that a model has to beat."""

import math
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.stats import spearmanr

from screener.models.baseline import composition
from screener.models.predictor import Kind, Predictor
from screener.models.quantities import PREDICTED, low_values, with_gap
from screener.models.uncertainty.conformal import SHORTLIST
from screener.models.uncertainty.domain import heavy_atoms
from screener.training.fit.data import FitData

FloatArray = NDArray[np.float64]
Metrics = dict[str, dict[str, Any]]

FEWEST = 300  # molecules of a size that errors are given for


def held_out(predictor: Predictor, data: FitData) -> Metrics:
    """Errors of a predictor on labelled molecules, see `errors_of`."""
    return errors_of(predictor.predict(data.structures), data)


def errors_of(table: pa.Table, data: FitData) -> Metrics:
    """Errors of the predictions by quantity, over the molecules inside the domain.

    Args:
        table: predictions, one row per molecule.
        data: the same molecules with their labels.
    Returns:
        for each quantity `n`, `mae`, `rmse`, `bias`, `p95` (95th percentile of the absolute
        error), `coverage90` (share inside the stated 90 % interval), `mean_width90`,
        `spearman_std_error`, `coverage90_least` and `coverage90_most` (among the 5 % of molecules
        with the smallest and the largest predicted values, as a shortlist would have them), and
        `by_n_heavy`: `n`, `mae` and `coverage90` of each size with `FEWEST` molecules or more;
        under `domain` the share of molecules inside.
    """
    inside = table["in_domain"].to_numpy()
    sizes = np.array([heavy_atoms(structure) for structure in data.structures])[inside]
    truth = with_gap(data.high)
    metrics: Metrics = {"domain": {"n": float(len(inside)), "inside": float(inside.mean())}}
    for quantity in PREDICTED:
        name = quantity.name
        value, std, low, high = (
            _column(table, name + ending)[inside] for ending in ("", "_std", "_lo90", "_hi90")
        )
        true = truth[name][inside]
        error, covered = value - true, (low <= true) & (true <= high)
        least, most = at_the_ends(value, covered)
        metrics[name] = _errors(error) | {
            "coverage90": float(covered.mean()),
            "mean_width90": float((high - low).mean()),
            "spearman_std_error": rank_correlation(std, np.abs(error)),
            "coverage90_least": least,
            "coverage90_most": most,
            "by_n_heavy": {
                str(size): {
                    "n": int((sizes == size).sum()),
                    "mae": float(np.abs(error[sizes == size]).mean()),
                    "coverage90": float(covered[sizes == size].mean()),
                }
                for size in np.unique(sizes)
                if (sizes == size).sum() >= FEWEST
            },
        }
    return metrics


def outside(predictor: Predictor, data: FitData) -> Metrics:
    """The same for molecules outside the domain, had they been predicted; empty without any."""
    inside = predictor.predict(data.structures)["in_domain"].to_numpy()
    domain = predictor.domain
    boundless = predictor.within(
        domain.model_copy(
            update={
                "min_seen": 0,
                "distance_limits": dict.fromkeys(domain.elements, math.inf),
            }
        )
    )
    others = data.subset(np.flatnonzero(~inside))
    table = boundless.predict(others.structures)
    # what the representation cannot be given is not predicted all the same
    return errors_of(table, others) if table["in_domain"].to_numpy().any() else {}


def composition_baseline(train: FitData, test: FitData, kind: Kind) -> Metrics:
    """Errors of the best linear correction by composition: of nothing (direct), or of GFN2 (delta).

    Fitted by least squares on `train`, with an intercept.
    """
    metrics: Metrics = {}
    design = [
        np.column_stack([composition(data.structures), np.ones(len(data.structures))])
        for data in (train, test)
    ]
    truth = [with_gap(data.high) for data in (train, test)]
    low = [low_values(data.structures) if kind == "delta" else {} for data in (train, test)]
    for quantity in PREDICTED:
        target, true = (
            high[quantity.name] - (values[quantity.low] if kind == "delta" else 0.0)
            for high, values in zip(truth, low, strict=True)
        )
        weights = np.linalg.lstsq(design[0], target, rcond=None)[0]
        metrics[quantity.name] = _errors(design[1] @ weights - true)
    return metrics


def at_the_ends(values: FloatArray, covered: NDArray[np.bool_]) -> tuple[float, float]:
    """Shares that are covered among the molecules of the smallest and of the largest predicted
    values, `SHORTLIST` of all at least."""
    ranked = np.argsort(values, kind="stable")
    best = math.ceil(SHORTLIST * len(ranked))
    return float(covered[ranked[:best]].mean()), float(covered[ranked[-best:]].mean())


def rank_correlation(one: FloatArray, other: FloatArray) -> float | None:
    """Spearman's; None where nothing is ranked."""
    if len(one) < 2 or np.ptp(one) == 0 or np.ptp(other) == 0:
        return None
    return float(spearmanr(one, other).statistic)


def _errors(error: FloatArray) -> dict[str, float]:
    absolute = np.abs(error)
    return {
        "n": float(len(error)),
        "mae": float(absolute.mean()),
        "rmse": float(np.sqrt((error**2).mean())),
        "bias": float(error.mean()),
        "p95": float(np.quantile(absolute, 0.95)),
    }


def _column(table: pa.Table, name: str) -> FloatArray:
    return np.asarray(table[name].to_numpy(), dtype=np.float64)
