"""The shipped bundles: what each is fitted, chosen, calibrated and tested on.

Fit and selection of the delta model use the minima that belong to the labels, those of the direct
one the conformers that SMILES lead to. Calibration uses what a campaign will meet, structures from
SMILES alone, so that an interval covers the conformer as well.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from screener.models.fchl.representation import n_features
from screener.models.low_values import low_values
from screener.models.registry import model_type
from screener.models.shipped import QM9_DELTA, QM9_DIRECT
from screener.models.targets import Kind, Targets, targets_of
from screener.registry.columns import column
from screener.stores.home import screener_home
from screener.training import splits
from screener.training.evaluate import Metrics, composition_baseline, errors_of, held_out, outside
from screener.training.fit.additive import elements_in
from screener.training.fit.calibrate import FittedModel
from screener.training.fit.checkpoint import FolderProgress
from screener.training.fit.data import FitSets, FitSettings
from screener.training.fit.save import save_bundle
from screener.training.fit.schnet import SchNetFitSettings
from screener.training.fit.sparse_gp import fit_model
from screener.training.qm9.conformers import LEVEL, SAME_CONFORMER, conformer_distance
from screener.training.qm9.dataset import HIGH, Labelled, load
from screener.units import KCAL_PER_HARTREE

log = logging.getLogger(__name__)

CHECKPOINT_S = 600.0  # seconds between checkpoints
GFN2_TOTAL = "energy_gfn2_ha"
FROM_B3LYP = "gfn2-opt-from-b3lyp"
FROM_SMILES = "test, from SMILES alone"  # drawn like the calibration part
AT_MINIMA = "test, at the GFN2 minima reached from B3LYP geometries"
TESTED = {  # by label kind
    "mmff94-gfn2": FROM_SMILES,
    "gfn2-opt": FROM_SMILES,
    FROM_B3LYP: AT_MINIMA,
    "b3lyp-gfn2": "test, at B3LYP geometries",
}
LOSS_WEIGHTS = {"ae0": 3.0, "homo": 1.0, "lumo": 2.0, "dipole": 0.5}
ZERO_POINT = (
    "ae0_b3lyp_kcal is free atoms minus molecule at 0 K; the molecule's energy contains the "
    "unscaled harmonic zero-point energy of B3LYP/6-31G(2df,p)."
)
ZERO_POINT_LEARNED = (
    " de_gfn2_kcal contains no zero-point energy, so the learned difference contains it."
)
FEWEST_OF_A_CLASS = 30  # molecules of a class of conformers that errors are given for


@dataclass(frozen=True)
class Recipe:
    """How one bundle is made. Label kinds are those of `training.labels`."""

    name: str
    model: str  # a type of model that reads structures
    low: str | None  # theory of the low level of a delta
    geometry_level: str
    fitted_on: str  # label kind of fit and selection
    n_fit: int
    n_selection: int
    met: str  # label kind that a campaign meets: calibration and test
    n_calibration: int
    n_test: int
    settings: BaseModel  # of the type of model
    compared: bool = False  # whether the card tells what kind and geometry level are worth

    @property
    def targets(self) -> Targets:
        """What is predicted: all that QM9 tells."""
        return qm9_targets(self.low)


def qm9_targets(low: str | None) -> Targets:
    """QM9's columns, learned themselves or as differences to those of a lower level of theory."""
    return targets_of([column(name) for name in HIGH], low)


RECIPES = (
    Recipe(
        name=QM9_DIRECT,
        model="schnet",
        low=None,
        geometry_level="mmff94",
        fitted_on="mmff94-gfn2",
        n_fit=115_232,
        n_selection=2_000,
        met="mmff94-gfn2",
        n_calibration=5_000,
        n_test=8_529,
        settings=SchNetFitSettings(n_epochs=22, size_epochs=12, loss_weights=LOSS_WEIGHTS),
    ),
    Recipe(
        name=QM9_DELTA,
        model="schnet",
        low="gfn2",
        geometry_level="gfn2-opt",
        fitted_on=FROM_B3LYP,
        n_fit=115_232,
        n_selection=2_000,
        met="gfn2-opt",
        n_calibration=5_000,
        n_test=8_529,
        settings=SchNetFitSettings(loss_weights=LOSS_WEIGHTS),
        compared=True,
    ),
)


def recipe(name: str) -> Recipe:
    """The recipe of a shipped bundle; raises KeyError for another name."""
    return {known.name: known for known in RECIPES}[name]


def train(recipe: Recipe, out: Path) -> Metrics:
    """Fit, calibrate, test and write one bundle; checkpoints lie in `$SCREENER_HOME`.

    Args:
        recipe: one of `RECIPES`.
        out: folder for `model.safetensors` and `card.json`.
    Returns:
        the held-out errors on structures as a campaign makes them.
    Raises:
        ConfigError: labels are missing.
    """
    fit = load(recipe.fitted_on, {"fit": recipe.n_fit})
    selection = load(recipe.fitted_on, {"selection": recipe.n_selection})
    calibration = load(recipe.met, {"calibration": recipe.n_calibration})
    test = load(recipe.met, {"test": recipe.n_test})
    log.info("%s: %d molecules to fit on", recipe.name, len(fit.qm9_index))
    progress = FolderProgress(screener_home() / "training" / recipe.name, CHECKPOINT_S)
    sets = FitSets(
        fit.data, selection.data, calibration.data, recipe.targets, recipe.geometry_level
    )
    fitted = model_type(recipe.model).fit(sets, recipe.settings, progress)
    drawn, reserved = test.parted()
    tested = TESTED[recipe.met]
    metrics: dict[str, Any] = {
        tested: held_out(fitted.predictor, drawn.data),
        f"{tested}, reserved connectivities": held_out(fitted.predictor, reserved.data),
        f"{tested}, outside the domain": outside(fitted.predictor, drawn.data),
        f"{tested}, best linear composition correction": composition_baseline(
            fit.data, drawn.data, recipe.targets
        ),
    }
    if recipe.fitted_on != recipe.met:
        metrics |= _at_reference_minima(recipe, fitted, drawn)
    if recipe.compared:
        metrics["same molecules, by model and geometry"] = compare_levels()
    save_bundle(
        out,
        fitted,
        name=recipe.name,
        n_conformers=1,
        data=_data(
            recipe,
            {"fit": fit, "selection": selection},
            {"calibration": calibration, "test": test},
        ),
        splits=_splits(recipe),
        seeds={
            "split": splits.SEED,
            "fit": recipe.settings.model_dump().get("seed"),
            "embedding": "from mol_id",
        },
        metrics=metrics,
        golden=test.data.structures[:6],
        zero_point=ZERO_POINT + (ZERO_POINT_LEARNED if recipe.low else ""),
    )
    progress.clear()
    errors: Metrics = metrics[tested]
    return errors


def _at_reference_minima(recipe: Recipe, fitted: FittedModel, met: Labelled) -> dict[str, Any]:
    """What is the model's and what is the conformer's: the same test molecules at the minima that
    belong to the labels, and those from SMILES by whether they are the same conformers.

    The label's conformer need not be the lowest. A prediction for a lower one is not an error of
    the model, though it counts as one here.
    """
    at_minima, _ = load(recipe.fitted_on, {"test": recipe.n_test}).parted()
    common = np.intersect1d(at_minima.qm9_index, met.qm9_index)
    own, other = (set_.only(common).ordered() for set_ in (at_minima, met))
    distance = np.array(
        [
            conformer_distance(*pair)
            for pair in zip(own.data.structures, other.data.structures, strict=True)
        ]
    )
    above = (_gfn2_ha(other) - _gfn2_ha(own)) * KCAL_PER_HARTREE
    same = distance < SAME_CONFORMER
    classes = {
        f"the label's conformer (heavy atoms within {SAME_CONFORMER} angstrom)": same,
        "another conformer": ~same,
        f"another, GFN2 more than {LEVEL} kcal/mol lower": ~same & (above < -LEVEL),
        f"another, GFN2 within {LEVEL} kcal/mol": ~same & (np.abs(above) <= LEVEL),
        f"another, GFN2 more than {LEVEL} kcal/mol higher": ~same & (above > LEVEL),
    }
    tables = [fitted.predict(set_.data.structures) for set_ in (own, other)]
    difference = {"energy_gfn2_kcal": float(np.abs(above).mean())}
    targets = fitted.predictor.targets
    for target in targets.all:
        first, second = (each[target.name].to_numpy(zero_copy_only=False) for each in tables)
        difference[target.name] = float(np.nanmean(np.abs(first - second)))
    return {
        AT_MINIMA: held_out(fitted.predictor, at_minima.data),
        f"{FROM_SMILES}, by conformer": {
            name: errors_of(
                tables[1].filter(some), other.data.subset(np.flatnonzero(some)), targets
            )
            for name, some in classes.items()
            if some.sum() >= FEWEST_OF_A_CLASS
        },
        "mean absolute difference between the two minima": difference,
    }


def _gfn2_ha(labelled: Labelled) -> NDArray[np.float64]:
    return low_values(labelled.data.structures, [GFN2_TOTAL])[GFN2_TOTAL]


def compare_levels() -> dict[str, Metrics]:
    """Direct and delta sparse models at both geometry levels, and what their projection costs and a
    metric brings; fitted, chosen and tested on the same molecules, from SMILES alone."""
    wanted = {"fit": 4_000}, {"selection": 500}, {"test": 1_500}
    kinds = {"mmff94": ("mmff94-gfn2",) * 3, "gfn2-opt": (FROM_B3LYP, FROM_B3LYP, "gfn2-opt")}
    sets = {
        level: [load(kind, part) for kind, part in zip(named, wanted, strict=True)]
        for level, named in kinds.items()
    }
    same = [
        np.intersect1d(one.qm9_index, other.qm9_index)
        for one, other in zip(*sets.values(), strict=True)
    ]
    settings = FitSettings(n_inducing=2_500, widths=(4.0,), n_difficulty=2_000)
    every_feature = n_features(elements_in(sets["mmff94"][0].data.structures))
    ways: dict[str, tuple[str, Kind, dict[str, Any]]] = {
        "direct at mmff94": ("mmff94", "direct", {}),
        "delta at mmff94": ("mmff94", "delta", {}),
        "direct at gfn2-opt": ("gfn2-opt", "direct", {}),
        "delta at gfn2-opt": ("gfn2-opt", "delta", {}),
        "direct at mmff94, not projected": ("mmff94", "direct", {"n_components": every_feature}),
        "direct at mmff94, learned metric": ("mmff94", "direct", {"learned_metric": True}),
    }
    results: dict[str, Metrics] = {}
    for name, (level, kind, changes) in ways.items():
        fit, selection, test = (
            set_.only(rows).data for set_, rows in zip(sets[level], same, strict=True)
        )
        # calibration has no part in the errors that are compared here
        targets = qm9_targets("gfn2" if kind == "delta" else None)
        fitted = fit_model(
            FitSets(fit, selection, selection, targets, level), settings.model_copy(update=changes)
        )
        results[name] = _errors_alone(held_out(fitted.predictor, test))
    return results


def _errors_alone(metrics: Metrics) -> Metrics:
    return {
        name: {key: value for key, value in values.items() if key in ("n", "mae", "rmse", "bias")}
        for name, values in metrics.items()
        if name != "domain"
    }


def _data(
    recipe: Recipe, fitted_on: Mapping[str, Labelled], met: Mapping[str, Labelled]
) -> dict[str, Any]:
    def described(kind: str, sets: Mapping[str, Labelled]) -> dict[str, Any]:
        return {
            part: {"structures": kind, "n": len(set_.qm9_index), "n_failed": set_.n_failed}
            for part, set_ in sets.items()
        }

    return {
        "labels": "QM9, B3LYP/6-31G(2df,p), doi:10.1038/sdata.2014.22, by the package qm9pack",
        "stereochemistry": "restored from the B3LYP geometries",
        **described(recipe.fitted_on, fitted_on),
        **described(recipe.met, met),
    }


def _splits(recipe: Recipe) -> dict[str, Any]:
    return {
        "by": "first block of the InChIKey; connectivities of PPE1694 in the test part alone",
        "file": "screener/data/qm9/splits.parquet",
        "taken": {
            "fit": recipe.n_fit,
            "selection": recipe.n_selection,
            "calibration": recipe.n_calibration,
            "test": recipe.n_test,
        },
        "order": "the first of each part by `order`, without those that have no structure",
    }
