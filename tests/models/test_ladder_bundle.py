import hashlib
import json
import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from model_fixtures import DELTA, ELEMENTS
from safetensors.numpy import load_file, save_file

from screener.errors import ConfigError, SchemaError
from screener.models.bundle import Bundle, load_bundle, write_bundle
from screener.models.bundle_files import CARD, MODEL
from screener.models.bundle_model import golden_rows
from screener.models.calibration import QuantityCalibration
from screener.models.card import FirstRung
from screener.models.kernel_ridge.additive import AdditiveSettings
from screener.models.kernel_ridge.cross_fit import CrossFit
from screener.models.kernel_ridge.increments import increments, vocabulary
from screener.models.ladder.arrays import ladder_card, ladder_to_arrays
from screener.models.ladder.predictor import LadderColumns, LadderPredictor, Route
from screener.models.low_values import low_values
from screener.models.uncertainty.domain import Domain, count_coordinations
from screener.records import Structure
from screener.training.fit.additive import prepare
from screener.training.fit.calibrate import FittedModel
from screener.training.fit.cross_fit import cross_fit
from screener.training.fit.save import save_bundle

VALUE, B3LYP, GFN2 = "ae0_g4mp2_kcal", "ae0_b3lyp_kcal", "de_gfn2_kcal"
SETTINGS = AdditiveSettings()
CALIBRATION = QuantityCalibration(std_scale=1.2, quantile=2.0, growth=1.3, n=95)
TEXTS = {
    "zero_point": "none",
    "fit": {"settings": "few"},
    "data": {"labels": "made up"},
    "splits": {},
    "seeds": {},
}
METRICS = {"made up": {VALUE: {"mae": 1.0}}}


def save_first(folder: Path, fitted: FittedModel, golden: list[Structure]) -> Bundle:
    return save_bundle(
        folder, fitted, name="below", n_conformers=1, data={}, splits={}, seeds={}, metrics={},
        golden=golden,
    )  # fmt: skip


def write_ladder(folder: Path, ladder: LadderPredictor, first: Path, golden: list[Structure]):
    below = load_bundle(first).card
    card = ladder_card(
        ladder,
        (FirstRung(bundle=str(first), model_sha256=below.model_sha256, column=B3LYP), below),
        name="up",
        n_conformers=3,
        metrics=METRICS,
        golden=golden_rows(ladder.predict(golden)),
        **TEXTS,
    )
    return write_bundle(folder, card, ladder_to_arrays(ladder, golden, None))


def edit(folder: Path, **changes: object) -> None:
    card = json.loads((folder / CARD).read_text())
    (folder / CARD).write_text(json.dumps(card | changes))


def edit_arrays(folder: Path, arrays: dict[str, np.ndarray]) -> None:
    """Replace the arrays, and let the card know."""
    save_file(arrays, folder / MODEL)
    edit(folder, model_sha256=hashlib.sha256((folder / MODEL).read_bytes()).hexdigest())


@pytest.fixture(scope="module")
def golden(solvents: list[Structure]) -> list[Structure]:
    """Two that the first rung knows, one that it does not."""
    return [*solvents[:2], next(s for s in solvents if 9 in s.atomic_numbers)]


@pytest.fixture(scope="module")
def made(fitted, solvents, golden, tmp_path_factory) -> SimpleNamespace:
    """A ladder, its first rung and a rung, each before it was written and where it lies."""
    folder = tmp_path_factory.mktemp("bundles")
    old = fitted["delta"].predictor
    without_fluorine = old.domain.model_copy(update={"elements": (1, 6, 7, 8)})
    below = FittedModel(
        old.within(without_fluorine), fitted["delta"].report, fitted["delta"].elements
    )
    save_first(folder / "first", below, golden)
    domain = Domain(
        elements=(1, 6, 7, 8, 9),
        largest_fitted=6,
        max_heavy=14,
        min_seen=1,
        coordinations=count_coordinations(solvents),
        distance_limits=dict.fromkeys((1, 6, 7, 8, 9), 1.0),
        distance_growth=1.1,
    )
    gfn2 = low_values(solvents, [GFN2])[GFN2]
    b3lyp = below.predict(solvents)[B3LYP].to_numpy(zero_copy_only=False)
    prepared = prepare(solvents, (SETTINGS.width,))
    delta = (
        increments(solvents, ELEMENTS)[:, vocabulary(ELEMENTS).block("bonds")].sum(axis=1) / 10.0
    )

    def fit(base: np.ndarray) -> CrossFit:
        targets, known = gfn2 / 0.97 + delta - base, np.isfinite(base)
        folds = np.arange(len(base)) % 4
        return cross_fit(
            prepared, targets, targets, SETTINGS, fit=known, counted=known, folds=folds
        )[0]

    ways = [
        Route(fit((gfn2 + b3lyp) / 2), CALIBRATION, 0.5, None),
        Route(fit(gfn2), CALIBRATION, 0.0, domain),
    ]
    ladder = LadderPredictor(
        ways, below.predictor, LadderColumns(VALUE, B3LYP, GFN2), geometry_level="mmff94"
    )
    write_ladder(folder / "ladder", ladder, folder / "first", golden)

    last = [Route(fit(gfn2 / 0.97), CALIBRATION, 1.0, domain)]
    rung = LadderPredictor(last, None, LadderColumns(VALUE, B3LYP, B3LYP), geometry_level="mmff94")
    given = {B3LYP: gfn2 / 0.97}
    golden_low = low_values(golden, [GFN2])[GFN2] / 0.97
    card = ladder_card(
        rung, None, name="last", n_conformers=1, metrics=METRICS,
        golden=golden_rows(rung.predict(golden, {B3LYP: golden_low})), **TEXTS,
    )  # fmt: skip
    write_bundle(folder / "rung", card, ladder_to_arrays(rung, golden, golden_low))
    return SimpleNamespace(folder=folder, ladder=ladder, rung=rung, given=given, below=below)


@pytest.fixture
def copies(made, tmp_path) -> Path:
    """All three, to be broken; the ladder stands on the first rung beside it."""
    shutil.copytree(made.folder, tmp_path / "bundles")
    first = json.loads((made.folder / "ladder" / CARD).read_text())["first"]
    edit(
        tmp_path / "bundles" / "ladder",
        first=first | {"bundle": str(tmp_path / "bundles" / "first")},
    )
    return tmp_path / "bundles"


def test_a_ladder_read_again_predicts_the_same_bytes(made, solvents):
    bundle = load_bundle(made.folder / "ladder")
    table = made.ladder.predict(solvents)
    assert set(table["in_domain"].to_pylist()) == {True}
    assert bundle.predict(solvents).equals(table)
    assert bundle.predict([]).equals(made.ladder.predict([]))


def test_a_rung_read_again_predicts_the_same_bytes(made, solvents):
    bundle = load_bundle(made.folder / "rung")
    table = made.rung.predict(solvents, made.given)
    assert bundle.predict(solvents, made.given).equals(table)


def test_cards_say_what_leads_where(made):
    ladder, rung = (load_bundle(made.folder / name).card for name in ("ladder", "rung"))
    assert (ladder.low, rung.low, ladder.high, rung.high) == ("gfn2", "b3lyp", "g4mp2", "g4mp2")
    assert list(ladder.quantities) == [VALUE, *(each.name for each in DELTA.all)]
    assert list(rung.quantities) == [VALUE]
    assert (ladder.quantities[VALUE].low, rung.quantities[VALUE].low) == (GFN2, B3LYP)
    assert [route.share for route in ladder.routes] == [0.5, 0.0]
    assert [route.domain is None for route in ladder.routes] == [True, False]
    assert ladder.domain == ladder.routes[-1].domain
    assert ladder.n_conformers == 3
    assert rung.first is None
    assert ladder.first is not None
    below = load_bundle(made.folder / "first").card
    assert ladder.first.model_sha256 == below.model_sha256
    assert ladder.quantities["homo_b3lyp_ev"] == below.quantities["homo_b3lyp_ev"]


def test_a_first_rung_that_was_trained_again_is_refused(copies, made, solvents):
    assert load_bundle(copies / "ladder").predict(solvents[:1]).num_rows == 1
    save_first(copies / "first", made.below, solvents[5:7])
    edit(copies / "ladder", name="read anew")
    with pytest.raises(SchemaError, match="read anew stands on another"):
        load_bundle(copies / "ladder")


def test_a_first_rung_that_is_not_there_is_refused(copies):
    shutil.rmtree(copies / "first")
    with pytest.raises(SchemaError, match="there is no bundle"):
        load_bundle(copies / "ladder")


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("ladder", "route0.cross.kernel"),
        ("ladder", "route0.cross.n_atoms"),
        ("ladder", "route1.cross.score_folds"),
        ("ladder", "golden.positions"),
        ("rung", "route0.cross.weights"),
        ("rung", "golden.n_atoms"),
    ],
)
def test_a_missing_array_is_refused(copies, name, array):
    arrays = load_file(copies / name / MODEL)
    del arrays[array]
    edit_arrays(copies / name, arrays)
    with pytest.raises(SchemaError, match=f"no array {re.escape(array)}"):
        load_bundle(copies / name)


@pytest.mark.parametrize("name", ["ladder", "rung"])
def test_golden_predictions_must_come_out(copies, name):
    card = json.loads((copies / name / CARD).read_text())
    card["golden"][2][VALUE] += 0.1
    edit(copies / name, golden=card["golden"])
    with pytest.raises(SchemaError, match=f"{VALUE} of molecule 2"):
        load_bundle(copies / name)


@pytest.mark.parametrize(
    ("name", "array"),
    [("ladder", "route1.cross.weights"), ("rung", "route0.cross.weights"), ("rung", "golden.low")],
)
def test_arrays_that_give_other_golden_predictions_are_refused(copies, name, array):
    arrays = load_file(copies / name / MODEL)
    edit_arrays(copies / name, arrays | {array: arrays[array] + 0.1})
    with pytest.raises(SchemaError, match="golden predictions"):
        load_bundle(copies / name)


def test_low_values_belong_to_rungs_alone(made, solvents):
    first, ladder, rung = (load_bundle(made.folder / n) for n in ("first", "ladder", "rung"))
    with pytest.raises(ConfigError, match="bundle below is not given low values"):
        first.predict(solvents, made.given)
    with pytest.raises(ConfigError, match="give no low values"):
        ladder.predict(solvents, made.given)
    with pytest.raises(ConfigError, match=f"needs {B3LYP}"):
        rung.predict(solvents)


def test_another_geometry_level_is_refused(made, copies):
    bundle = load_bundle(made.folder / "ladder")
    bundle.require_geometry("mmff94")
    with pytest.raises(ConfigError, match="geometry level mmff94, not gfn2-opt"):
        bundle.require_geometry("gfn2-opt")
    edit(copies / "ladder", geometry_level="gfn2-opt")
    with pytest.raises(SchemaError, match="one geometry level throughout"):
        load_bundle(copies / "ladder")
