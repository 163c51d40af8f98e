"""Held-out errors, and the baselines that a model has to beat."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.stats import spearmanr

from screener.models.baseline import composition
from screener.models.fit import FitData
from screener.models.predictor import Kind, Predictor
from screener.models.quantities import PREDICTED, low_values, with_gap

FloatArray = NDArray[np.float64]
Metrics = dict[str, dict[str, float]]


def held_out(predictor: Predictor, data: FitData) -> Metrics:
    """Errors of the predictions by quantity, over the molecules inside the domain.

    Returns:
        for each quantity `n`, `mae`, `rmse`, `bias`, `p95` (95th percentile of the absolute
        error), `coverage90` (share inside the stated 90 % interval), `mean_width90`, and
        `spearman_std_error`; under `domain` the share of molecules inside.
    """
    table = predictor.predict(data.structures)
    inside = table["in_domain"].to_numpy()
    truth = with_gap(data.high)
    metrics: Metrics = {"domain": {"n": float(len(inside)), "inside": float(inside.mean())}}
    for quantity in PREDICTED:
        name = quantity.name
        value, std, low, high = (
            _column(table, name + ending)[inside] for ending in ("", "_std", "_lo90", "_hi90")
        )
        true = truth[name][inside]
        metrics[name] = _errors(value - true) | {
            "coverage90": float(((low <= true) & (true <= high)).mean()),
            "mean_width90": float((high - low).mean()),
            "spearman_std_error": float(spearmanr(std, np.abs(value - true)).statistic),
        }
    return metrics


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
