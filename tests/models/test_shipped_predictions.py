"""The shipped bundles predict what they did when `shipped_predictions.json` was written."""

import json
import re
from typing import Any

import numpy as np
import pytest
from models.make_shipped_predictions import FILE, predicted, stored, this_machine

from screener.models.bundle import load_bundle
from screener.models.bundle_model import TOLERANCE
from screener.models.card import Card
from screener.models.shipped import shipped_bundles
from screener.stores.refused import refused_columns, without_refusals

DOCUMENT: dict[str, Any] = json.loads(FILE.read_text())


def allowed(before: dict[str, Any]) -> float:
    """With other vector instructions sums come in another order."""
    made_on = before.get("machine", DOCUMENT)
    same = all(made_on[key] == value for key, value in this_machine().items())
    return 1e-6 if same else TOLERANCE


def is_wider_than_the_limit(row: dict[str, Any], name: str, card: Card) -> bool:
    limit = card.quantities[name].calibration.max_width90
    assert limit is not None
    low = max(row[f"{name}_lo90"], -np.inf if card.quantities[name].lower is None else 0.0)
    return bool(row[f"{name}_hi90"] - low > limit)


def test_the_file_is_about_every_shipped_bundle():
    assert sorted(DOCUMENT["bundles"]) == shipped_bundles()


@pytest.mark.parametrize("name", sorted(DOCUMENT["bundles"]))
def test_a_shipped_bundle_predicts_what_it_did(name: str):
    before = DOCUMENT["bundles"][name]
    bundle = load_bundle(name)
    assert bundle.card.geometry_level == before["level"]
    rows = predicted(bundle, list(stored(DOCUMENT, before["level"])), before["given"])
    assert len(rows) == len(before["rows"])
    assert sum(row["in_domain"] for row in rows) >= len(rows) // 2
    columns = bundle.card.columns()
    bounded = {name for name, each in columns.items() if each.quantity.lower == 0.0}
    for old, new in zip(before["rows"], rows, strict=True):
        assert list(new) == list(old)
        for column, value in old.items():
            name = re.sub("_(std|lo90|hi90|delta)$", "", column)
            if name in refused_columns(new["domain_reasons"]):
                assert new[column] is None
                assert is_wider_than_the_limit(old, name, bundle.card)
            elif column == "domain_reasons":
                assert without_refusals(new[column], columns) == value
            elif name in bounded and isinstance(value, float):
                # the file is from before values were cut off at the bounds of their quantity
                told = value + max(0.0, -old[name]) if column.endswith("_delta") else value
                told = told if column.endswith(("_delta", "_std")) else max(0.0, told)
                assert new[column] == pytest.approx(told, abs=allowed(before), rel=0.0), column
            elif isinstance(value, float):
                assert new[column] == pytest.approx(value, abs=allowed(before), rel=0.0), column
            else:
                assert new[column] == value, column
