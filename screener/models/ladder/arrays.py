"""Ladders and their last rungs as a card and named arrays."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from screener.errors import SchemaError
from screener.models.card import (
    CV_PLUS,
    Card,
    FirstRung,
    QuantityCard,
    RouteCard,
    installed_versions,
)
from screener.models.kernel_ridge.cross_evaluator import cross_from_arrays, cross_to_arrays
from screener.models.ladder.enthalpy import COLUMN as ENTHALPY
from screener.models.ladder.enthalpy import FormationEnthalpy
from screener.models.ladder.predictor import LadderColumns, LadderPredictor, Route
from screener.models.predictor import Predictor
from screener.models.stored_structures import golden_to_arrays
from screener.models.targets import Target
from screener.records import Structure
from screener.registry.columns import column
from screener.registry.elements import symbol_of

Arrays = dict[str, NDArray[Any]]
FloatArray = NDArray[np.float64]

FORM = "cross-fit"
# of the enthalpy of formation, see `FormationEnthalpy`
ATOMS, HEATING, HEATING_STD = "enthalpy.atoms", "enthalpy.heating", "enthalpy.std"
GOLDEN_LOW = "golden.low"  # middle values of the golden structures, for a rung


def ladder_to_arrays(
    predictor: LadderPredictor, golden: Sequence[Structure], golden_low: FloatArray | None
) -> Arrays:
    """The predictor as arrays by name; what a route shares with the one before is stored once.

    Args:
        predictor: of the routes.
        golden: structures whose predictions loading checks.
        golden_low: (n_golden,), their middle values, for a rung.
    Returns:
        arrays by name, the golden structures among them.
    """
    arrays = golden_to_arrays(golden)
    if predictor.enthalpy is not None:
        arrays[ATOMS], arrays[HEATING] = predictor.enthalpy.atoms, predictor.enthalpy.heating
        arrays[HEATING_STD] = np.array([predictor.enthalpy.std])
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

    Args:
        card: of the ladder or rung.
        arrays: by name.
        first: predictor of the bundle below; None for a rung.
        device: of torch, such as `cpu` or `cuda`.
    Returns:
        the predictor, ready on the device.
    Raises:
        SchemaError: the arrays are not those of the card's routes.
        ConfigError: the first rung is for another geometry level.
    """
    elements = tuple(card.description()["elements"])
    value, quantity = next(iter(card.quantities.items()))
    if quantity.low is None:
        raise SchemaError(f"{value} of bundle {card.name} is added to nothing")
    middle = quantity.low if card.first is None else card.first.column
    routes = []
    own: Arrays = {}
    for place, route in enumerate(card.routes):
        prefix = f"route{place}."
        own |= {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)}
        routes.append(
            Route(cross_from_arrays(own, elements), route.calibration, route.share, route.domain)
        )
    return LadderPredictor(
        routes,
        first,
        LadderColumns(value, middle, quantity.low),
        geometry_level=card.geometry_level,
        column=quantity.target(value).column,
        enthalpy=_enthalpy(card, arrays, elements),
        device=device,
    )


def _enthalpy(card: Card, arrays: Arrays, elements: tuple[int, ...]) -> FormationEnthalpy | None:
    if ENTHALPY not in card.quantities:
        return None
    try:
        atoms, heating, std = (arrays[name] for name in (ATOMS, HEATING, HEATING_STD))
    except KeyError as error:
        raise SchemaError(f"bundle {card.name} tells {ENTHALPY} and has no array {error}") from None
    return FormationEnthalpy(elements, atoms, heating, float(std[0]))


def ladder_card(
    predictor: LadderPredictor,
    first: tuple[FirstRung, Card] | None,
    *,
    name: str,
    zero_point: str,
    n_conformers: int,
    fit: dict[str, Any],
    data: dict[str, Any],
    splits: dict[str, Any],
    seeds: dict[str, Any],
    metrics: dict[str, Any],
    golden: list[dict[str, float | bool | None]],
) -> Card:
    """The card, but for what is known of the arrays.

    Args:
        predictor: of the routes.
        first: the bundle below and its card.
        name: of the bundle.
        zero_point: what the energies contain.
        n_conformers: that structures are chosen from, as at calibration.
        fit, data, splits, seeds, metrics: JSON values.
        golden: predictions of the golden structures.
    Returns:
        the card; `shapes` and `model_sha256` are set when it is written.
    """
    columns = predictor.columns
    value = column(columns.value)
    calibration = predictor.routes[0].calibration
    own = {columns.value: QuantityCard.of(Target(value, columns.low), calibration)}
    if predictor.enthalpy is not None:
        own[ENTHALPY] = QuantityCard.of(Target(column(ENTHALPY)), calibration)
    below = {} if first is None else first[1].quantities
    return Card(
        name=name,
        model=FORM,
        kind="delta",
        geometry_level=predictor.geometry_level,
        n_conformers=n_conformers,
        low=column(columns.low).theory,
        high=value.theory,
        zero_point=zero_point,
        elements=tuple(symbol_of(number) for number in predictor.routes[0].model.elements),
        quantities=own | below,
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
        shapes={},
        model_sha256="",
    )
