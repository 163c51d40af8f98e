"""The model of a bundle, made of its card and arrays, and checked: its golden predictions come out
again."""

from collections.abc import Mapping, Sequence
from typing import cast

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from screener.errors import ConfigError, SchemaError
from screener.models.bundle import load_bundle
from screener.models.bundle_files import CARD, Arrays
from screener.models.card import Card
from screener.models.drawing_predictor import DrawingPredictor
from screener.models.ladder.arrays import GOLDEN_LOW, ladder_from_arrays
from screener.models.ladder.predictor import ENDINGS, LadderPredictor
from screener.models.predictor import Predictor
from screener.models.registry import model_type
from screener.models.stored_structures import golden_from_arrays
from screener.models.uncertainty.domain import Domain, DrawingDomain
from screener.models.uncertainty.limits import Interval, refusals, within_bounds
from screener.records import Structure

FloatArray = NDArray[np.float64]
AnyPredictor = Predictor | DrawingPredictor | LadderPredictor

# Golden predictions come out again within this, in the unit of their column: other processors round
# differently.
TOLERANCE = 1e-3
STD_TOLERANCE = 1e-2  # of a std and the interval made of it, relative


def checked_predictor(url: str, card: Card, arrays: Arrays, device: str) -> AnyPredictor:
    """The model, ready to predict.

    Args:
        url: of the bundle.
        card: of the model.
        arrays: that the card is about, by name.
        device: of torch, such as `cpu` or `cuda`.
    Returns:
        what predicts.
    Raises:
        SchemaError: it cannot be made here, or its golden predictions do not come out.
    """
    try:
        predictor = _predictor(url, card, arrays, device)
    except ConfigError as error:
        raise SchemaError(f"bundle {url} cannot be used here: {error}") from error
    try:
        rows = golden_rows(predicted(predictor, card, *_golden(card, arrays)))
    except ConfigError as error:
        raise SchemaError(f"{url} lacks what its golden predictions need: {error}") from error
    _check_golden(url, card, rows)
    return predictor


def predicted(
    predictor: AnyPredictor,
    card: Card,
    molecules: Sequence[Structure] | Sequence[str],
    low: Mapping[str, FloatArray] | None,
) -> pa.Table:
    """What a model says of molecules; see `Bundle.predict`.

    Args:
        predictor: the model.
        card: of its bundle.
        molecules: structures, or SMILES where drawings are read.
        low: values that are given, (n,) by column.
    Returns:
        the table of predictions, one row per molecule.
    Raises:
        ConfigError: molecules or low values are not what the model reads.
    """
    reads_drawings = isinstance(predictor, DrawingPredictor)
    if any(isinstance(each, str) != reads_drawings for each in molecules):
        wanted = "SMILES" if reads_drawings else "structures"
        raise ConfigError(f"bundle {card.name} reads {card.reads}: give it {wanted}")
    structures = cast(Sequence[Structure], molecules)
    if isinstance(predictor, LadderPredictor):
        return predictor.predict(structures, low)
    if low is not None:
        raise ConfigError(f"bundle {card.name} is not given low values")
    if isinstance(predictor, DrawingPredictor):
        return predictor.predict(cast(Sequence[str], molecules))
    return predictor.predict(structures)


def _golden(
    card: Card, arrays: Arrays
) -> tuple[Sequence[Structure] | Sequence[str], dict[str, FloatArray] | None]:
    """What golden predictions are of, and the low values that they are given."""
    if card.reads == "drawings":
        return card.golden_smiles, None
    if card.given_low is None:
        return golden_from_arrays(arrays), None
    if GOLDEN_LOW not in arrays:
        raise SchemaError(f"the model has no array {GOLDEN_LOW}")
    return golden_from_arrays(arrays), {card.given_low: arrays[GOLDEN_LOW]}


def _predictor(url: str, card: Card, arrays: Arrays, device: str) -> AnyPredictor:
    if card.routes:
        return ladder_from_arrays(card, arrays, _first(url, card, device), device)
    kind = model_type(card.model)
    model = kind.from_arrays(arrays, card.description())
    calibration = {name: quantity.calibration for name, quantity in card.quantities.items()}
    if kind.reads != card.reads:
        raise SchemaError(f"bundle {card.name} reads {card.reads}, {kind.name} reads {kind.reads}")
    if kind.reads == "drawings" and isinstance(card.domain, DrawingDomain):
        return DrawingPredictor(
            card.model, model, card.targets(), calibration, card.domain, device=device
        )
    if kind.reads == "structures" and isinstance(card.domain, Domain):
        return Predictor(
            card.model,
            model,
            card.targets(),
            calibration,
            card.domain,
            geometry_level=card.geometry_level,
            device=device,
        )
    raise SchemaError(
        f"the domain of bundle {card.name} is none of a model that reads {card.reads}"
    )


def _first(url: str, card: Card, device: str) -> Predictor | None:
    if card.first is None:
        return None
    store, is_url, _ = card.first.bundle.partition("://")
    if is_url and store != url.partition("://")[0]:  # whoever wrote the card may not send us there
        raise SchemaError(
            f"{url}/{CARD} names its first rung in another store, {card.first.bundle}; train the "
            "bundle again on one that lies in the same store or on this machine"
        )
    first = load_bundle(card.first.bundle, device)
    if first.card.model_sha256 != card.first.model_sha256:
        raise SchemaError(
            f"bundle {card.name} stands on another {card.first.bundle} than the one that is here: "
            "train it again with `screener train`"
        )
    if not isinstance(first.predictor, Predictor):
        raise SchemaError(
            f"bundle {card.name} cannot stand on {card.first.bundle}, which is a ladder itself or "
            "reads drawings"
        )
    return first.predictor


def golden_rows(table: pa.Table) -> list[dict[str, float | bool | None]]:
    """Golden predictions of a table."""
    rows: list[dict[str, float | bool | None]] = table.drop_columns(
        ["domain_reasons", "geometry_level"]
    ).to_pylist()
    return rows


def _check_golden(url: str, card: Card, rows: Sequence[dict[str, float | bool | None]]) -> None:
    if len(card.golden) != len(rows):
        raise SchemaError(
            f"bundle {url} has {len(rows)} golden molecules, its card {len(card.golden)} "
            f"predictions of them"
        )
    for number, (old, new) in enumerate(zip(card.golden, rows, strict=True)):
        for column, before in _as_told(card, old).items():
            now = new.get(column)
            if isinstance(before, float) and isinstance(now, float):
                allowed = TOLERANCE
                if column.endswith(("_std", "_lo90", "_hi90")):
                    std = old[f"{column.rsplit('_', 1)[0]}_std"]
                    allowed += STD_TOLERANCE * (std if isinstance(std, float) else 0.0) * 4
                same = abs(now - before) <= allowed
            else:
                same = now == before
            if not same:
                raise SchemaError(
                    f"bundle {url} does not give its golden predictions here: {column} of "
                    f"molecule {number} is {now}, the card says {before}"
                )


def _as_told(
    card: Card, golden: Mapping[str, float | bool | None]
) -> dict[str, float | bool | None]:
    """A golden prediction as it is told now: cards may hold some from before there were bounds and
    limits."""
    row = dict(golden)
    for name, column in card.columns().items():
        numbers = [row.get(name + ending) for ending in ("", "_lo90", "_hi90")]
        if any(not isinstance(each, float) for each in numbers):
            continue
        before = Interval(*(np.array([each], dtype=np.float64) for each in numbers))
        after = within_bounds(column, before)
        row |= {
            name: float(after.value[0]),
            f"{name}_lo90": float(after.low[0]),
            f"{name}_hi90": float(after.high[0]),
        }
        if isinstance(delta := row.get(f"{name}_delta"), float):
            row[f"{name}_delta"] = delta + float(after.value[0] - before.value[0])
        if refusals(column, before, card.quantities[name].calibration.max_width90)[0]:
            row |= {name + each: None for each in ENDINGS if name + each in row}
    return row
