"""The shipped bundles that lead to G4(MP2): a rung from B3LYP at either geometry level, and the
ladder from SMILES alone.

They are fitted, chosen and judged on the openly licensed reference data alone (QM9, PPE1694); their
cards hold the errors of nested cross-validation, in which no molecule's label reaches its own
prediction.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from screener.execution.threads import one_thread
from screener.models.baseline import composition
from screener.models.bundle import load_bundle, write_bundle
from screener.models.bundle_model import golden_rows
from screener.models.calibration import QuantityCalibration
from screener.models.card import FirstRung
from screener.models.fchl.local_kernel import LocalKernel
from screener.models.fchl.representation import environments
from screener.models.ladder.arrays import ladder_card, ladder_to_arrays
from screener.models.ladder.enthalpy import COLUMN as ENTHALPY
from screener.models.ladder.predictor import LadderColumns, LadderPredictor, Route
from screener.models.predictor import Predictor
from screener.models.shipped import (
    G4MP2_BY_AIMNET2,
    G4MP2_LADDER,
    G4MP2_RUNG,
    G4MP2_RUNG_AT_GFN2,
    QM9_DELTA,
)
from screener.models.uncertainty.conformal import COVERAGE, std_scale
from screener.models.uncertainty.domain import Domain, count_coordinations, distance_limits
from screener.records import Structure
from screener.training.bootstrap import as_metrics, coverage, figure
from screener.training.evaluate import Metrics
from screener.training.fit.calibrate import max_width90
from screener.training.fit.data import LimitSettings
from screener.training.g4mp2 import potential_ladder
from screener.training.g4mp2.judged import assess, candidates, climb, route
from screener.training.g4mp2.ladder import (
    GFN2,
    LIMITS,
    LadderRows,
    Variant,
    first_rung,
    ladder_rows,
    ladder_task,
)
from screener.training.g4mp2.ladder import N_INNER as LADDER_INNER
from screener.training.g4mp2.ladder import N_OUTER as LADDER_OUTER
from screener.training.g4mp2.nested import GRID, PLAIN, Nested, Task, by_size, nested
from screener.training.g4mp2.rung import (
    N_FOLDS,
    N_INNER,
    N_OUTER,
    SEED,
    FittedRung,
    fit_rung,
    rung_data,
)

FloatArray = NDArray[np.float64]

VALUE, B3LYP = "ae0_g4mp2_kcal", "ae0_b3lyp_kcal"
ZERO_POINT = (
    "ae0_g4mp2_kcal is free atoms minus molecule at 0 K; the molecule's energy contains the "
    "harmonic zero-point energy of B3LYP/6-31G(2df,p) scaled by 0.9854. ae0_b3lyp_kcal contains it "
    "unscaled, de_gfn2_kcal not at all, so the learned differences contain what is missing."
)
LARGEST = 7  # heavy atoms, of the figure for extrapolation
UNSEEN = 1e3  # distance of an atom whose element no other fold has
N_GOLDEN = 6
LABELS = {
    "g4mp2": "PPE1694, conventional G4(MP2) rebuilt from the heats of formation of prunedhof, "
    "doi:10.1063/5.0032713",
    "b3lyp": "QM9, B3LYP/6-31G(2df,p), doi:10.1038/sdata.2014.22",
}
# the ladder's two ways: in the domain of its first rung, and beyond it
WITHIN: Variant = "halfway"
BEYOND: Variant = "gfn2"
SHARES: Mapping[Variant, float] = {WITHIN: 0.5, BEYOND: 0.0}
NESTED = "nested cross-validation by connectivity"


def train_rung(name: str, level: str, out: Path) -> Metrics:
    """Fit, judge and write the rung B3LYP → G4(MP2) at one geometry level.

    Args:
        name: of the bundle.
        level: of the structures.
        out: folder for the bundle.
    Returns:
        the errors of nested cross-validation.
    Raises:
        ConfigError, SchemaError: the reference data are missing or broken.
    """
    one_thread()  # many small factorisations, which threads make slower
    data = rung_data(level)
    task = data.task
    whole, plain = (nested(task, grid, N_OUTER, N_INNER, SEED) for grid in (GRID, PLAIN))
    rung = fit_rung(task)
    way = Route(rung.model, _calibration(task, rung), 1.0, _domain(task, rung))
    columns = LadderColumns(VALUE, B3LYP, B3LYP)
    predictor = LadderPredictor([way], None, columns, geometry_level=level)
    sound = task.fit
    low, high = task.low, task.high
    metrics: dict[str, Any] = {
        NESTED: {VALUE: _judged(whole, high, sound)},
        f"{NESTED}, suspect molecules judged too": {
            VALUE: _judged(whole, high, np.isfinite(whole.values))
        },
        f"{NESTED}, composition and kernel alone": {VALUE: _judged(plain, high, sound)},
        "B3LYP itself": {VALUE: as_metrics(figure((low - high)[sound]))},
        f"fitted on {LARGEST} heavy atoms and fewer, judged on more": {
            VALUE: as_metrics(figure(by_size(task, rung.model.settings, LARGEST)[0]))
        },
        f"{NESTED}, by heavy atoms": {
            str(size): as_metrics(figure((whole.values - high)[sound & (task.n_heavy == size)]))
            for size in np.unique(task.n_heavy[sound])
        },
    }
    golden = list(rung.model.structures[:N_GOLDEN])
    golden_low = low[np.flatnonzero(task.fit)][:N_GOLDEN]
    card = ladder_card(
        predictor,
        None,
        name=name,
        zero_point=ZERO_POINT,
        n_conformers=1,
        fit=_fit_report(task, rung),
        data={
            "labels": LABELS,
            "molecules": "those that QM9 and PPE1694 share, closed shells of H, C, N, O and F",
            "n": int(task.fit.sum()),
            "n_suspect": int((~task.fit).sum()),
            "n_failed": data.n_failed,
        },
        splits=_splits(N_OUTER, N_INNER),
        seeds={"folds": SEED},
        metrics=metrics,
        golden=golden_rows(predictor.predict(golden, {B3LYP: golden_low})),
    )
    write_bundle(out, card, ladder_to_arrays(predictor, golden, golden_low))
    return {VALUE: metrics[NESTED][VALUE]}


def train_potential_ladder(name: str, out: Path) -> Metrics:
    """Fit, judge and write the ladder AIMNet2 → G4(MP2), entered by SMILES.

    Args:
        name: of the bundle.
        out: folder for the bundle.
    Returns:
        the errors of nested cross-validation.
    Raises:
        ConfigError, SchemaError: the reference data are missing or broken.
    """
    one_thread()
    rows = potential_ladder.potential_rows()
    task = rows.task
    whole = nested(task, GRID, potential_ladder.N_OUTER, potential_ladder.N_INNER, SEED)
    limits = potential_ladder.LIMITS
    rung = fit_rung(task, sizes=potential_ladder.SIZES)
    way = Route(rung.model, _calibration(task, rung), 1.0, _domain(task, rung, limits))
    low = potential_ladder.LOW
    formed = rows.enthalpies(whole, rung.model.elements, SEED)
    predictor = LadderPredictor(
        [way],
        None,
        LadderColumns(VALUE, low, low),
        geometry_level=potential_ladder.LEVEL,
        enthalpy=formed.model,
    )
    inside = rows.brought_in(SEED)
    metrics: dict[str, Any] = {
        f"{NESTED}: {line}": {
            VALUE: _judged(whole, task.high, some),
            ENTHALPY: _judged(formed.nested, formed.g4mp2, some),
        }
        for line, some in rows.classes(inside).items()
    }
    for line, some in rows.classes(inside).items():
        metrics[f"{NESTED}, against experiment: {line}"] = {
            ENTHALPY: as_metrics(figure((formed.nested.values - formed.measured)[some]))
        }
        metrics[f"G4(MP2) itself, against experiment: {line}"] = {
            ENTHALPY: as_metrics(figure((formed.g4mp2 - formed.measured)[some]))
        }
    metrics["share inside"] = {
        VALUE: {"n": int(task.judged.sum()), "inside": float(inside[task.judged].mean())}
    }
    golden = [task.prepared.asked_structures[k] for k in np.flatnonzero(inside)[:N_GOLDEN]]
    card = ladder_card(
        predictor,
        None,
        name=name,
        zero_point=ZERO_POINT,
        n_conformers=potential_ladder.N_CONFORMERS,
        fit=_fit_report(task, rung),
        data={
            "labels": {"g4mp2": LABELS["g4mp2"]},
            "molecules": "PPE1694, closed shells of H, B, C, N, O, F, Si, P, S and Cl; judged with "
            f"up to {limits.max_heavy} heavy atoms from SMILES, fitted at the minima of AIMNet2 "
            "reached from the B3LYP geometries",
            "n": int(task.fit.sum()),
            "n_judged": int(task.judged.sum()),
            "n_suspect": int((~task.fit).sum()),
            "n_failed": rows.n_failed,
        },
        splits=_splits(potential_ladder.N_OUTER, potential_ladder.N_INNER),
        seeds={"folds": SEED},
        metrics=metrics,
        golden=golden_rows(predictor.predict(golden)),
    )
    write_bundle(out, card, ladder_to_arrays(predictor, golden, None))
    inside_metrics: Metrics = metrics[f"{NESTED}: {potential_ladder.INSIDE}"]
    return inside_metrics


def train_ladder(name: str, out: Path, first: str = QM9_DELTA) -> Metrics:
    """Fit, judge and write the ladder GFN2 → B3LYP → G4(MP2), entered by SMILES.

    Args:
        name: of the bundle.
        out: folder for the bundle.
        first: bundle of the first rung, whose training has none of PPE1694's connectivities.
    Returns:
        the errors of nested cross-validation.
    Raises:
        ConfigError, SchemaError: the reference data are missing or broken.
    """
    one_thread()
    rows = ladder_rows(*first_rung(first))
    climbs = {variant: climb(rows, variant) for variant in (WITHIN, BEYOND)}
    chosen = {each.variant: each.settings for each in candidates(rows, (WITHIN, BEYOND))}
    brought = rows.brought_in()
    routes: list[Route] = []
    reports: dict[str, Any] = {}
    for variant, counted in ((WITHIN, rows.inside), (BEYOND, rows.inside | brought)):
        task = ladder_task(rows, variant, counted=counted)
        rung = fit_rung(task, chosen[variant])
        domain = None if variant == WITHIN else _domain(task, rung)
        routes.append(Route(rung.model, _calibration(task, rung), SHARES[variant], domain))
        reports[variant] = _fit_report(task, rung)
    below = load_bundle(first)
    assert isinstance(below.predictor, Predictor)
    columns = LadderColumns(VALUE, B3LYP, GFN2)
    predictor = LadderPredictor(
        routes, below.predictor, columns, geometry_level=below.card.geometry_level
    )
    routed = route(rows, climbs).nested
    metrics: dict[str, Any] = {
        f"{NESTED}: {line.rows}": {VALUE: as_metrics(line.figure, line.coverage)}
        for line in assess(rows, routed)
    }
    golden = _golden(rows)
    card = ladder_card(
        predictor,
        (
            FirstRung(bundle=first, model_sha256=below.card.model_sha256, column=B3LYP),
            below.card,
        ),
        name=name,
        zero_point=ZERO_POINT,
        n_conformers=1,
        fit=reports,
        data={
            "labels": LABELS,
            "molecules": "PPE1694, closed shells of H, C, N, O and F; judged with up to nine heavy "
            "atoms from SMILES, fitted at the GFN2 minima reached from the B3LYP geometries",
            "n": int((rows.usable & rows.sound).sum()),
            "n_judged": int((rows.judged & rows.sound).sum()),
            "n_suspect": int((~rows.sound).sum()),
            "n_failed": rows.n_failed,
        },
        splits=_splits(LADDER_OUTER, LADDER_INNER),
        seeds={"folds": SEED},
        metrics=metrics,
        golden=golden_rows(predictor.predict(golden)),
    )
    write_bundle(out, card, ladder_to_arrays(predictor, golden, None))
    return {VALUE: metrics[f"{NESTED}: inside or brought in"][VALUE]}


def _judged(result: Nested, high: FloatArray, some: NDArray[np.bool_]) -> dict[str, float | None]:
    return as_metrics(
        figure((result.values - high)[some]),
        coverage(result.values[some], high[some], result.low[some], result.high[some]),
    )


def _calibration(task: Task, rung: FittedRung) -> QuantityCalibration:
    scores = rung.model.cvplus.scores
    counts = composition(rung.model.structures, rung.model.elements)
    return QuantityCalibration(
        std_scale=std_scale(scores, np.ones_like(scores)),
        quantile=float(np.quantile(scores, COVERAGE)),
        growth=rung.growth,
        n=len(scores),
        max_width90=max_width90(task.high[task.fit], counts, extensive=True),
    )


def _domain(task: Task, rung: FittedRung, limits: LimitSettings = LIMITS) -> Domain:
    """Where a correction has seen something alike: by coordination, and by the distances of judged
    molecules to what the fits without them know."""
    asked = [task.prepared.asked_structures[row] for row in np.flatnonzero(task.judged)]
    folds = rung.model.cvplus.folds  # of the judged ones, in order
    known, width = rung.model.structures, rung.model.settings.width
    elements = rung.model.elements
    far: list[FloatArray] = [np.empty(0)] * len(asked)
    for fold in range(N_FOLDS):
        others = environments([known[row] for row in rung.model.rows(fold + 1).tolist()], elements)
        places = np.flatnonzero(folds == fold)
        here = [asked[place] for place in places]
        distances = LocalKernel(others, width).rows(environments(here, elements)).distances
        stops = np.cumsum([structure.n_atoms for structure in here])[:-1]
        for place, part in zip(places, np.split(distances, stops), strict=True):
            far[place] = part
    return Domain(
        elements=elements,
        largest_fitted=int(task.n_heavy[task.judged].max()),
        max_heavy=limits.max_heavy,
        min_seen=limits.min_seen,
        coordinations=count_coordinations(known, by_bonds=limits.by_bonds),
        by_bonds=limits.by_bonds,
        distance_limits=distance_limits(
            [structure.atomic_numbers for structure in asked],
            [np.where(np.isfinite(part), part, UNSEEN) for part in far],
            limits.outside,
        ),
        distance_growth=1.0,
    )


def _golden(rows: LadderRows) -> list[Structure]:
    """Structures from SMILES, half of them in the domain of the first rung."""
    judged = rows.judged & rows.sound
    places = [
        *np.flatnonzero(judged & rows.inside)[: N_GOLDEN // 2],
        *np.flatnonzero(judged & rows.brought_in())[: N_GOLDEN // 2],
    ]
    return [rows.prepared.asked_structures[int(place)] for place in places]


def _fit_report(task: Task, rung: FittedRung) -> dict[str, Any]:
    return {
        "settings": asdict(rung.model.settings),
        "n": int(task.fit.sum()),
        "n_calibration": int(task.judged.sum()),
        "out_of_fold_mae": float(np.nanmean(np.abs(rung.errors))),
        "growth": rung.growth,
    }


def _splits(n_outer: int, n_inner: int) -> dict[str, Any]:
    return {
        "by": "first block of the InChIKey",
        "outer_folds": n_outer,
        "inner_folds": n_inner,
        "folds_of_intervals": N_FOLDS,
    }


TRAINERS: Mapping[str, Callable[[Path], Metrics]] = {
    G4MP2_RUNG: partial(train_rung, G4MP2_RUNG, "b3lyp-opt"),
    G4MP2_RUNG_AT_GFN2: partial(train_rung, G4MP2_RUNG_AT_GFN2, "gfn2-opt"),
    G4MP2_LADDER: partial(train_ladder, G4MP2_LADDER),
    G4MP2_BY_AIMNET2: partial(train_potential_ladder, G4MP2_BY_AIMNET2),
}
