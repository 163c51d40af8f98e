"""Cards of schema version 2, read as those of version 3.

They name four quantities at B3LYP, or the atomization energy at G4(MP2), so all that they leave
unsaid is in the registry.
"""

from collections.abc import Mapping
from typing import Any

from screener.errors import ConfigError
from screener.registry.columns import column
from screener.registry.quantities import Column

VERSION = 2


def upgraded(card: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any]:
    """The values of a card of version 3.

    Args:
        card: of version 2, as JSON gives it.
        shapes: of the model's arrays, which version 2 does not tell.
    Raises:
        ConfigError: a column of the card is not registered.
        KeyError, TypeError, AttributeError: it is no card of version 2.
    """
    fitted = {each.quantity.name: name for name, each in _columns(card).items()}
    values = {**card, "schema_version": 3, "shapes": {k: list(v) for k, v in shapes.items()}}
    values["quantities"] = {
        name: _quantity(each, card["quantities"][name], fitted)
        for name, each in _columns(card).items()
    }
    if card.get("first") is not None:
        values["first"] = {**card["first"], "column": fitted_below(card)}
    settings = card["fit"].get("settings", {})
    weights = settings.get("loss_weights")
    if isinstance(weights, list):
        names = [each.quantity.name for name, each in _columns(card).items()
                 if not card["quantities"][name]["derived"]]  # fmt: skip
        by_name = dict(zip(names, weights, strict=True))
        values["fit"] = {**card["fit"], "settings": {**settings, "loss_weights": by_name}}
    return values


def fitted_below(card: Mapping[str, Any]) -> str:
    """The column of a ladder's first rung: the other one that is added to the same low value."""
    quantities = card["quantities"]
    names = list(quantities)
    for name in names[1:]:
        if quantities[name]["low"] == quantities[names[0]]["low"]:
            return str(name)
    raise ConfigError(f"ladder {card['name']} does not tell what its first rung predicts")


def _columns(card: Mapping[str, Any]) -> dict[str, Column]:
    return {name: column(name) for name in card["quantities"]}


def _quantity(
    known: Column, before: Mapping[str, Any], fitted: Mapping[str, str]
) -> dict[str, Any]:
    quantity = known.quantity
    parts = quantity.difference or ()
    unit = quantity.unit
    return {
        "quantity": quantity.name,
        "theory": known.theory,
        "label": quantity.label,
        "unit": {name: getattr(unit, name) for name in unit.__dataclass_fields__},
        "extensive": before["extensive"],
        "lower": quantity.lower,
        "upper": quantity.upper,
        "low": before["low"],
        "difference": [fitted[part] for part in parts] if before["derived"] else None,
        "typical": known.typical,
        "calibration": before["calibration"],
    }
