"""Bundles of the schema before: read, with a warning."""

import json
import logging
import shutil
from pathlib import Path
from typing import Any

import pytest

from screener.errors import SchemaError
from screener.models.bundle import load_bundle
from screener.models.bundle_files import CARD, MODEL, read_card
from screener.training.fit.save import save_bundle


def as_version_2(card: dict[str, Any]) -> dict[str, Any]:
    """The card of a structure model as version 2 wrote it."""
    added = ("reads", "shapes", "golden_smiles")
    before = {key: value for key, value in card.items() if key not in added}
    before["schema_version"] = 2
    before["quantities"] = {
        name: {
            "unit": each["unit"]["name"],
            "extensive": each["extensive"],
            "low": each["low"],
            "derived": each["difference"] is not None,
            "calibration": each["calibration"],
        }
        for name, each in card["quantities"].items()
    }
    before["fit"]["settings"]["loss_weights"] = [3.0, 1.0, 2.0, 0.5]
    return before


@pytest.fixture(scope="module")
def now(fitted, solvents, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("bundles") / "now"
    save_bundle(
        folder, fitted["schnet"], name="before", n_conformers=1, data={}, splits={}, seeds={},
        metrics={}, golden=solvents[:2],
    )  # fmt: skip
    return folder


@pytest.fixture
def before(now, tmp_path) -> Path:
    folder = Path(shutil.copytree(now, tmp_path / "before"))
    card = as_version_2(json.loads((now / CARD).read_text()))
    (folder / CARD).write_text(json.dumps(card))
    return folder


def test_it_is_read_with_a_warning_and_predicts_the_same(now, before, solvents, caplog):
    with caplog.at_level(logging.WARNING, "screener"):
        bundle = load_bundle(before)
    assert "of schema version 2" in caplog.text
    assert bundle.predict(solvents[:5]).equals(load_bundle(now).predict(solvents[:5]))
    card, expected = bundle.card, load_bundle(now).card
    assert card.quantities == expected.quantities
    assert card.shapes == expected.shapes
    assert card.fit["settings"]["loss_weights"] == {
        "ae0": 3.0, "homo": 1.0, "lumo": 2.0, "dipole": 0.5,
    }  # fmt: skip
    assert read_card(before) == card


def test_columns_that_are_not_registered_are_refused(before):
    card = json.loads((before / CARD).read_text())
    card["quantities"]["boiling_point_k"] = card["quantities"].pop("dipole_b3lyp_debye")
    (before / CARD).write_text(json.dumps(card))
    with pytest.raises(SchemaError, match="boiling_point_k"):
        load_bundle(before)


def test_arrays_of_other_shapes_than_the_card_says_are_refused(now, tmp_path):
    folder = Path(shutil.copytree(now, tmp_path / "other"))
    card = json.loads((folder / CARD).read_text())
    name = next(name for name in card["shapes"] if name.endswith("weight"))
    card["shapes"][name][0] += 1
    (folder / CARD).write_text(json.dumps(card))
    with pytest.raises(SchemaError, match=rf"{MODEL} has shape .* of array {name}, its card says"):
        load_bundle(folder)
