"""Ladders and their last rungs as a card and named arrays."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from screener.models.card import (
    CV_PLUS,
    ZERO_POINT_G4MP2,
    Card,
    FirstRung,
    QuantityCard,
    RouteCard,
    installed_versions,
)
from screener.models.kernel_ridge.cross_evaluator import cross_from_arrays, cross_to_arrays
from screener.models.ladder.predictor import B3LYP, GFN2, VALUE, LadderPredictor, Route
from screener.models.predictor import Predictor
from screener.models.sparse_gp.arrays import structures_to_arrays
from screener.records import Structure
from screener.units import SYMBOLS

Arrays = dict[str, NDArray[Any]]
FloatArray = NDArray[np.float64]

FORM = "cross-fit"
GOLDEN_LOW = "golden.low"  # B3LYP values of the golden structures, for a rung


def ladder_to_arrays(
    predictor: LadderPredictor, golden: Sequence[Structure], golden_low: FloatArray | None
) -> Arrays:
    """Arrays of the routes and of the golden structures, by name; what a route shares with the
    one before is stored once."""
    arrays = structures_to_arrays(list(golden))
    before: Arrays = {}
    for place, route in enumerate(predictor.routes):
        own = cross_to_arrays(route.model)
        arrays |= {
            f"route{place}.{name}": array
            for name, array in own.items()
            if name not in before or not np.array_equal(array, before[name], equal_nan=True)
        }
        before = own
    return arrays if golden_low is None else arrays | {GOLDEN_LOW: golden_low}


def ladder_from_arrays(
    card: Card, arrays: Arrays, first: Predictor | None, device: str = "cpu"
) -> LadderPredictor:
    """The inverse.

    Raises:
        SchemaError: the arrays are not those of the card's routes.
        ConfigError: the first rung is for another geometry level.
    """
    routes = []
    own: Arrays = {}
    for place, route in enumerate(card.routes):
        prefix = f"route{place}."
        own |= {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)}
        routes.append(Route(cross_from_arrays(own), route.calibration, route.share, route.domain))
    return LadderPredictor(routes, first, geometry_level=card.geometry_level, device=device)


def ladder_card(
    predictor: LadderPredictor,
    first: tuple[FirstRung, Card] | None,
    *,
    name: str,
    n_conformers: int,
    fit: dict[str, Any],
    data: dict[str, Any],
    splits: dict[str, Any],
    seeds: dict[str, Any],
    metrics: dict[str, Any],
    golden: list[dict[str, float | bool | None]],
) -> Card:
    """The card, but for `model_sha256`.

    Args:
        predictor: of the routes.
        first: the bundle below and its card.
        name: of the bundle.
        n_conformers: that structures are chosen from, as at calibration.
        fit, data, splits, seeds, metrics: JSON values.
        golden: predictions of the golden structures.
    """
    foot = B3LYP if first is None else GFN2
    own = QuantityCard(
        unit="kcal/mol",
        extensive=True,
        low=foot,
        derived=False,
        calibration=predictor.routes[0].calibration,
    )
    below = {} if first is None else first[1].quantities
    return Card(
        name=name,
        model=FORM,
        kind="delta",
        geometry_level=predictor.geometry_level,
        n_conformers=n_conformers,
        low="b3lyp" if first is None else "gfn2",
        high="g4mp2",
        zero_point=ZERO_POINT_G4MP2,
        elements=tuple(SYMBOLS[number] for number in predictor.domain.elements),
        quantities={VALUE: own, **below},
        domain=predictor.domain,
        routes=tuple(
            RouteCard(share=each.share, calibration=each.calibration, domain=each.domain)
            for each in predictor.routes
        ),
        first=None if first is None else first[0],
        intervals=CV_PLUS,
        fit=fit,
        data=data,
        splits=splits,
        seeds=seeds,
        metrics=metrics,
        versions=installed_versions(),
        golden=golden,
        model_sha256="",
    )
