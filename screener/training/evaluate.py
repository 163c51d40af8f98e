"""Held-out errors of any columns, and the baselines that a model has to beat."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from rdkit import Chem
from scipy.stats import spearmanr

from screener.models.baseline import composition
from screener.models.drawing_predictor import DrawingPredictor
from screener.models.low_values import low_values
from screener.models.predictor import Predictor
from screener.models.targets import Targets
from screener.models.uncertainty.conformal import SHORTLIST
from screener.models.uncertainty.domain import Domain
from screener.training.fit.data import FitData

FloatArray = NDArray[np.float64]
Metrics = dict[str, dict[str, Any]]

FEWEST = 300  # molecules of a size that errors are given for
DOMAIN = "domain"  # among the names of columns, what is said of all of them


def held_out(predictor: Predictor | DrawingPredictor, data: FitData) -> Metrics:
    """Errors of a predictor on labelled molecules, see `errors_of`."""
    table = predictor.predict(data.molecules)  # type: ignore[arg-type]  # each is given what it reads
    return errors_of(table, data, predictor.targets)


def errors_of(table: pa.Table, data: FitData, targets: Targets) -> Metrics:
    """Errors of the predictions by column, over the molecules inside the domain of which the column
    has an answer.

    Args:
        table: predictions, one row per molecule.
        data: the same molecules with their labels.
        targets: what is predicted.
    Returns:
        for each column `n`, `mae`, `rmse`, `bias`, `p95` (95th percentile of the absolute error),
        `coverage90` (share inside the stated 90 % interval), `mean_width90`,
        `spearman_std_error`, `coverage90_least` and `coverage90_most` (among the 5 % of molecules
        with the smallest and the largest predicted values, as a shortlist would have them), and
        `by_n_heavy`: `n`, `mae` and `coverage90` of each size with `FEWEST` molecules or more;
        under `domain` the share of molecules inside. Nothing of columns that have no answer.
    """
    inside = np.asarray(table["in_domain"].to_numpy(zero_copy_only=False), dtype=bool)
    n_heavy = data.n_heavy
    truth = targets.with_differences(data.high)
    metrics: Metrics = {DOMAIN: {"n": float(len(inside)), "inside": float(inside.mean())}}
    if not inside.any():
        return metrics
    for target in targets.all:
        name = target.name
        told = inside & np.isfinite(_column(table, name))  # others are no answers
        if not told.any():
            continue
        value, std, low, high = (
            _column(table, name + ending)[told] for ending in ("", "_std", "_lo90", "_hi90")
        )
        true, sizes = truth[name][told], n_heavy[told]
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
    """The same for structures outside the domain, had they been predicted; empty without any."""
    inside = predictor.predict(data.structures)["in_domain"].to_numpy(zero_copy_only=False)
    domain: Domain = predictor.domain
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
    if not table["in_domain"].to_numpy(zero_copy_only=False).any():
        return {}
    return errors_of(table, others, predictor.targets)


def composition_baseline(train: FitData, test: FitData, targets: Targets) -> Metrics:
    """Errors of the best linear function of composition, added to low values where there are such.

    Fitted by least squares with an intercept.

    Args:
        train: labelled molecules that it is fitted on.
        test: labelled molecules that errors are of.
        targets: what is predicted.
    Returns:
        for each column `n`, `mae`, `rmse`, `bias` and `p95`.
    """
    counts = [_composition(data) for data in (train, test)]
    elements = sorted(set().union(*counts[0]))
    design = [
        np.array([[*(each.get(z, 0) for z in elements), 1] for each in of_set], dtype=np.float64)
        for of_set in counts
    ]
    learned = [_learned(data, targets) for data in (train, test)]
    metrics: Metrics = {}
    for target in targets.all:
        wanted, true = (values[target.name] for values in learned)
        weights = np.linalg.lstsq(design[0], wanted, rcond=None)[0]
        metrics[target.name] = _errors(design[1] @ weights - true)
    return metrics


def _learned(data: FitData, targets: Targets) -> dict[str, FloatArray]:
    """High values minus low ones, where there are such, (n,) by column."""
    high = targets.with_differences(data.high)
    low = low_values(data.structures, targets.low_columns) if targets.low_columns else {}
    return {
        each.name: high[each.name] - (low[each.low] if each.low is not None else 0.0)
        for each in targets.all
    }


def _composition(data: FitData) -> list[Mapping[int, float]]:
    """Numbers of atoms by element of every molecule."""
    if len(data.structures):
        elements = sorted({int(z) for each in data.structures for z in each.atomic_numbers})
        counts = composition(data.structures, elements)
        return [dict(zip(elements, row.tolist(), strict=True)) for row in counts]
    return [drawn_composition(each) for each in data.smiles]


def drawn_composition(smiles: str) -> dict[int, float]:
    """Numbers of atoms by element of a molecule that RDKit can read, hydrogens included."""
    molecule = Chem.AddHs(Chem.MolFromSmiles(smiles))
    counts: dict[int, float] = {}
    for atom in molecule.GetAtoms():
        number = atom.GetAtomicNum()
        counts[number] = counts.get(number, 0.0) + 1.0
    return counts


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
