"""Fit a Gaussian process on counts of Morgan fragments: for labels of molecules without geometry.

Three sets of molecules come in: *fit* is learned, *selection* chooses the ridges (and then joins
the fit with these fixed), *calibration* is seen by neither and sets intervals and limits.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, PositiveFloat, PositiveInt
from rdkit import Chem
from scipy.linalg import solve_triangular

from screener.chemistry.coordination import drawn_coordinations
from screener.models.baseline import baseline, fit_baseline
from screener.models.drawing_predictor import DrawingPredictor
from screener.models.morgan_gp.fragments import (
    Fragments,
    Vocabulary,
    drawn_composition,
    fragment_counts,
    vocabulary_of,
)
from screener.models.morgan_gp.kernel import KnownMolecules
from screener.models.morgan_gp.model import (
    MorganGp,
    MorganGpEvaluator,
    chosen,
    product_scale,
    whitening,
)
from screener.models.sparse_gp.posterior import NormalEquations, best_ridge
from screener.models.uncertainty.domain import DrawingDomain, count_kinds
from screener.registry.elements import number_of
from screener.training.fit.calibrate import FittedModel, Growth, SizeSplit, calibrations
from screener.training.fit.data import FitData, FitSets

log = logging.getLogger(__name__)

FloatArray = NDArray[np.float64]

NAME = "morgan-gp"  # of this type of model
CHUNK = 1024  # molecules whose kernels are in memory at once


class MorganGpSettings(BaseModel):
    """How a Gaussian process on fragments is fitted."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    n_known: PositiveInt = 1_000  # molecules that kernels are computed with
    ridges: tuple[PositiveFloat, ...] = tuple(10.0 ** (power / 2) for power in range(-12, 3))
    max_heavy: PositiveInt | None = None  # None for the size of the largest fitted molecule
    min_seen: int = 3  # training molecules that must have a coordination
    outside: float = 0.01  # share of calibration molecules that the distance leaves outside
    seed: int = 0
    device: str = "cpu"


@dataclass(frozen=True, slots=True, eq=False)
class _Prepared:
    """Molecules of one set."""

    molecules: Sequence[Chem.Mol]
    fragments: Fragments
    composition: FloatArray  # (n, n_elements)
    targets: FloatArray  # (n, t)

    def rows(self, rows: NDArray[np.int64]) -> "_Prepared":
        return _Prepared(
            [self.molecules[row] for row in rows.tolist()],
            self.fragments.rows(rows),
            self.composition[rows],
            self.targets[rows],
        )


def fit_morgan_gp(sets: FitSets, settings: MorganGpSettings) -> FittedModel:
    """Fit, choose, calibrate.

    Args:
        sets: drawings to fit, to choose on and to calibrate on.
        settings: see `MorganGpSettings`.
    Raises:
        ConfigError: labels are missing.
        ValueError: fewer than 10 calibration molecules.
    """
    kinds = [drawn_coordinations(Chem.MolFromSmiles(each)) for each in sets.fit.smiles]
    elements = tuple(sorted({number_of(kind.split(":")[0]) for each in kinds for kind in each}))
    counted = [fragment_counts(Chem.MolFromSmiles(each)) for each in sets.fit.smiles]
    numbers = vocabulary_of(counted)
    words = Vocabulary(numbers)
    fitting, choosing, judging = (
        _prepared(data, sets, words, elements)
        for data in (sets.fit, sets.selection, sets.calibration)
    )
    model, errors, ridges = _fit(fitting, choosing, sets, numbers, elements, settings, None)
    raw = MorganGpEvaluator(model, settings.device).predict(judging.molecules)
    growth = _growth(fitting, choosing, judging, sets, numbers, elements, settings, ridges)
    largest = int(max(sets.fit.n_heavy.max(), sets.selection.n_heavy.max()))
    domain = DrawingDomain(
        elements=elements,
        largest_fitted=largest,
        max_heavy=settings.max_heavy or largest,
        min_seen=settings.min_seen,
        coordinations=count_kinds(
            [*kinds, *map(drawn_coordinations, choosing.molecules)],
        ),
        distance_limit=float(np.quantile(raw.distances, 1.0 - settings.outside)),
    )
    predictor = DrawingPredictor(
        NAME,
        model,
        sets.targets,
        calibrations(raw, sets, growth),
        domain,
        device=settings.device,
    )
    names = sets.targets.names
    report = {
        "settings": settings.model_dump(mode="json"),
        "ridges": dict(zip(names, ridges.tolist(), strict=True)),
        "selection_mae": dict(zip(names, errors.tolist(), strict=True)),
        "n_fragments": len(numbers),
        "n_known": len(model.known),
        "n_train": len(sets.fit),
        "n_selection": len(sets.selection),
        "n_calibration": len(sets.calibration),
    }
    return FittedModel(predictor, report, elements)


def _prepared(
    data: FitData, sets: FitSets, words: Vocabulary, elements: tuple[int, ...]
) -> _Prepared:
    molecules = [Chem.MolFromSmiles(each) for each in data.smiles]
    return _Prepared(
        molecules,
        words(map(fragment_counts, molecules)),
        drawn_composition(molecules, elements),
        data.targets(sets.targets),
    )


def _fit(
    fitting: _Prepared,
    choosing: _Prepared,
    sets: FitSets,
    numbers: NDArray[np.uint64],
    elements: tuple[int, ...],
    settings: MorganGpSettings,
    ridges: FloatArray | None,
) -> tuple[MorganGp, FloatArray, FloatArray]:
    """The model, its mean absolute errors (t,) on selection before that joined the fit, and the
    ridges (t,); `ridges` are used as they are where they are given."""
    extensive = np.array(sets.targets.extensive)
    generator = np.random.default_rng(settings.seed)
    places = np.sort(generator.permutation(len(fitting.targets))[: settings.n_known])
    known = KnownMolecules(fitting.fragments.rows(places), len(numbers))
    scale = product_scale(known.known)
    baselines = np.stack(
        [
            _baseline(fitting.composition, column, extensive=bool(kind))
            for column, kind in zip(fitting.targets.T, extensive, strict=True)
        ]
    )
    rest, rest_choosing = (
        each.targets - np.stack([baseline(each.composition, row) for row in baselines], axis=1)
        for each in (fitting, choosing)
    )
    among = known.kernels(known.known)
    weights, errors = np.empty((len(places), len(extensive))), np.empty(len(extensive))
    best, noise = np.empty(len(extensive)), np.zeros(2)
    roots: dict[bool, NDArray[np.float32]] = {}
    for kind in sorted(set(extensive.tolist())):
        columns = np.flatnonzero(extensive == kind)
        white = whitening(chosen(among, kind, scale))
        equations = NormalEquations(len(places), len(columns))
        for start in range(0, len(fitting.targets), CHUNK):
            rows = np.arange(start, min(start + CHUNK, len(fitting.targets)))
            kernel = chosen(known.kernels(fitting.fragments.rows(rows)), kind, scale)
            equations.add(kernel @ white, rest[np.ix_(rows, columns)])
        held_out = chosen(known.kernels(choosing.fragments), kind, scale) @ white
        tried = settings.ridges if ridges is None else tuple(sorted(set(ridges[columns].tolist())))
        best[columns], errors[columns] = best_ridge(
            equations, tried, held_out, rest_choosing[:, columns]
        )
        if ridges is not None:
            best[columns] = ridges[columns]
        equations.add(held_out, rest_choosing[:, columns])
        for place, column in enumerate(columns.tolist()):
            solved = equations.factor(best[column]).solve(equations.products[:, place])
            weights[:, column] = white @ solved
        noise[int(kind)] = float(np.median(best[columns]))
        upper = np.triu(equations.factor(noise[int(kind)]).upper)
        inverse = solve_triangular(upper, np.eye(len(upper)), lower=False)
        root = np.sqrt(noise[int(kind)]) * (white @ inverse)
        roots[bool(kind)] = root[np.triu_indices(len(root))].astype(np.float32)
    log.info("ridges %s", dict(zip(sets.targets.names, best.tolist(), strict=True)))
    model = MorganGp(
        elements=elements,
        extensive=tuple(bool(kind) for kind in extensive),
        vocabulary=numbers,
        known=known.known,
        baselines=baselines,
        weights=weights,
        scales=np.maximum(rest.std(axis=0), np.finfo(float).tiny),
        ridges=noise,
        roots=roots,
    )
    return model, errors, best


def _baseline(counts: FloatArray, values: FloatArray, *, extensive: bool) -> FloatArray:
    """Coefficients (n_elements + 1,) of composition and a constant.

    Args:
        counts: (n, n_elements).
        values: (n,).
        extensive: without the constant. Otherwise with it: most of what is measured, as boiling
            points, grows with the molecule without being a sum over atoms.
    """
    if extensive:
        return fit_baseline(counts, values, extensive=True)
    design = np.column_stack([counts, np.ones(len(counts))])
    return np.asarray(np.linalg.lstsq(design, values, rcond=None)[0], dtype=np.float64)


def _growth(
    fitting: _Prepared,
    choosing: _Prepared,
    judging: _Prepared,
    sets: FitSets,
    numbers: NDArray[np.uint64],
    elements: tuple[int, ...],
    settings: MorganGpSettings,
    ridges: FloatArray,
) -> Growth:
    """By a model fitted again on molecules of fewer heavy atoms than the largest."""
    split = SizeSplit.of(sets.fit.n_heavy, sets.selection.n_heavy, sets.calibration.n_heavy)
    if split is None:
        return Growth.none(sets.targets)
    smaller = fitting.rows(split.train), choosing.rows(split.selection)
    model, _, _ = _fit(*smaller, sets, numbers, elements, settings, ridges)
    raw = MorganGpEvaluator(model, settings.device).predict(judging.molecules)
    growth = Growth.measured(raw, judging.targets, sets.targets, split.larger)
    log.info("growth per heavy atom %s", growth)
    return growth
