import hashlib
import json
import pickle
import shutil
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from model_fixtures import DIRECT
from safetensors.numpy import load_file, save_file

from screener.errors import ConfigError, SchemaError, StoreError
from screener.models.bundle import load_bundle, read_bundle
from screener.models.bundle_files import CARD, MODEL
from screener.models.card import SCHEMA_VERSION
from screener.models.predictor import Predictor
from screener.models.shipped import shipped_bundles
from screener.records import Structure
from screener.training.fit.calibrate import FittedModel
from screener.training.fit.save import save_bundle


@pytest.fixture(scope="module")
def saved(fitted, solvents, tmp_path_factory) -> dict[str, Path]:
    paths = {}
    for kind, model in fitted.items():
        paths[kind] = tmp_path_factory.mktemp("bundles") / kind
        save_bundle(
            paths[kind],
            model,
            name=f"test-{kind}",
            n_conformers=1,
            data={"labels": "made up"},
            splits={"train": len(solvents)},
            seeds={"fit": 0},
            metrics={"test": {"ae0_b3lyp_kcal": {"mae": 1.0}}},
            golden=solvents[:3],
        )
    return paths


@pytest.fixture
def copy(saved, tmp_path) -> Path:
    return Path(shutil.copytree(saved["delta"], tmp_path / "copy"))


def edit(folder: Path, **changes: object) -> None:
    card = json.loads((folder / CARD).read_text())
    (folder / CARD).write_text(json.dumps(card | changes))


@pytest.mark.parametrize(
    ("name", "form", "kind"),
    [
        ("direct", "sparse-fchl", "direct"),
        ("delta", "sparse-fchl", "delta"),
        ("schnet", "schnet", "delta"),
    ],
)
def test_a_round_trip_keeps_every_byte_of_the_predictions(
    saved, fitted, solvents, name, form, kind
):
    bundle = load_bundle(saved[name])
    assert bundle.predict(solvents).equals(fitted[name].predict(solvents))
    assert (bundle.card.model, bundle.card.kind) == (form, kind)
    assert bundle.card.quantities["ae0_b3lyp_kcal"].extensive
    parts = bundle.card.quantities["gap_b3lyp_ev"].difference
    assert parts == ("lumo_b3lyp_ev", "homo_b3lyp_ev")
    low = bundle.card.quantities["dipole_b3lyp_debye"].low
    assert low == ("dipole_gfn2_debye" if kind == "delta" else None)


def test_arrays_are_stored_whatever_their_order_in_memory(fitted, solvents, tmp_path):
    old = fitted["direct"]
    turned = replace(old.predictor.model, weights=np.asfortranarray(old.predictor.model.weights))
    predictor = Predictor(
        "sparse-fchl", turned, DIRECT, old.predictor.calibration, old.predictor.domain,
        geometry_level="mmff94",
    )  # fmt: skip
    save_bundle(
        tmp_path, FittedModel(predictor, old.report, old.elements), name="x", n_conformers=1,
        data={}, splits={}, seeds={}, metrics={}, golden=solvents[:3],
    )  # fmt: skip
    stored = load_file(tmp_path / MODEL)["weights"]
    np.testing.assert_array_equal(stored, old.predictor.model.weights)


def test_a_form_that_is_not_known_is_refused(copy):
    edit(copy, model="crystal-ball")
    with pytest.raises(SchemaError, match=r"crystal-ball.*sparse-fchl"):
        load_bundle(copy)


def test_it_is_loaded_once_and_known_by_its_digest(saved, copy):
    assert load_bundle(saved["delta"]) is load_bundle(str(saved["delta"]))
    assert load_bundle(copy).digest == load_bundle(saved["delta"]).digest
    edit(copy, name="another")
    assert load_bundle(copy).digest != load_bundle(saved["delta"]).digest
    assert load_bundle(copy).card.name == "another"


def test_another_geometry_level_is_refused(saved):
    bundle = load_bundle(saved["direct"])
    bundle.require_geometry("mmff94")
    with pytest.raises(ConfigError, match="geometry level mmff94, not gfn2-opt"):
        bundle.require_geometry("gfn2-opt")


def test_a_delta_needs_low_values(saved, solvents):
    bare = [Structure(s.atomic_numbers, s.positions) for s in solvents[:2]]
    assert load_bundle(saved["direct"]).predict(bare).num_rows == 2
    with pytest.raises(ConfigError, match="gfn2-opt"):
        load_bundle(saved["delta"]).predict(bare)


def test_low_values_stay_where_the_delta_is_unknown(saved, solvents):
    gfn2 = solvents[0].values
    silicon = Structure(np.array([14], dtype=np.uint8), np.zeros((1, 3), np.float32), gfn2)
    row = load_bundle(saved["delta"]).predict([silicon]).to_pylist()[0]
    assert row["homo_gfn2_ev"] == gfn2["homo_gfn2_ev"]
    assert row["energy_gfn2_ha"] == gfn2["energy_gfn2_ha"]
    assert row["de_gfn2_kcal"] is None  # no free atom of silicon
    assert row["homo_b3lyp_ev"] is None
    assert row["homo_b3lyp_ev_delta"] is None
    assert not row["in_domain"]


def test_an_unknown_name_lists_what_is_shipped():
    with pytest.raises(ConfigError, match=r"there is no bundle nonsense: shipped are"):
        load_bundle("nonsense")


@pytest.mark.parametrize("version", [SCHEMA_VERSION + 1, "1", None])
def test_another_schema_version_is_refused(copy, version):
    edit(copy, schema_version=version)
    with pytest.raises(SchemaError, match="schema version"):
        load_bundle(copy)


def test_golden_predictions_must_come_out(copy):
    card = json.loads((copy / CARD).read_text())
    card["golden"][1]["ae0_b3lyp_kcal"] += 0.1
    edit(copy, golden=card["golden"])
    with pytest.raises(SchemaError, match="ae0_b3lyp_kcal of molecule 1"):
        load_bundle(copy)


@pytest.mark.slow
def test_the_card_tells_the_columns_before_the_model_is_made(saved, copy):
    for folder in [*saved.values(), *shipped_bundles()]:
        bundle = read_bundle(folder)
        low = bundle.card.given_low
        given = None if low is None else {low: np.empty(0)}
        assert bundle.columns == bundle.predict([], given).schema
    card = json.loads((copy / CARD).read_text())
    card["golden"][1]["ae0_b3lyp_kcal"] += 0.1
    edit(copy, golden=card["golden"])
    bundle = read_bundle(copy)
    assert bundle.columns == read_bundle(saved["delta"]).columns
    with pytest.raises(SchemaError, match="ae0_b3lyp_kcal of molecule 1"):
        bundle.predict([])


def test_missing_golden_predictions_are_refused(copy):
    card = json.loads((copy / CARD).read_text())
    edit(copy, golden=card["golden"][:-1])
    with pytest.raises(SchemaError, match="golden"):
        load_bundle(copy)


def test_changed_arrays_are_refused(copy):
    arrays = load_file(copy / MODEL)
    arrays["weights"][0, 0] += 1.0
    save_file(arrays, copy / MODEL)
    with pytest.raises(SchemaError, match="not the file that card"):
        load_bundle(copy)


def test_a_cut_file_is_refused(copy):
    data = (copy / MODEL).read_bytes()
    (copy / MODEL).write_bytes(data[: len(data) // 2])
    with pytest.raises(SchemaError):
        load_bundle(copy)


def test_a_missing_array_is_refused(copy):
    arrays = load_file(copy / MODEL)
    del arrays["difficulty"]
    save_file(arrays, copy / MODEL)
    edit(copy, model_sha256=hashlib.sha256((copy / MODEL).read_bytes()).hexdigest())
    with pytest.raises(SchemaError, match="difficulty"):
        load_bundle(copy)


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"schema_version": 1}'])
def test_a_broken_card_is_refused(copy, text):
    (copy / CARD).write_text(text)
    with pytest.raises(SchemaError):
        load_bundle(copy)


def test_a_misspelt_key_of_the_card_is_refused(copy):
    edit(copy, qauntities={})
    with pytest.raises(SchemaError, match="qauntities"):
        load_bundle(copy)


def test_a_missing_model_is_refused(copy):
    (copy / MODEL).unlink()
    with pytest.raises(SchemaError, match="incomplete"):
        load_bundle(copy)


def test_a_pickle_is_never_read(copy):
    class Trap:
        def __reduce__(self):
            return (pytest.fail, ("a pickle was loaded",))

    data = pickle.dumps(Trap())
    (copy / MODEL).write_bytes(data)
    edit(copy, model_sha256=hashlib.sha256(data).hexdigest())
    with pytest.raises(SchemaError, match="safetensors"):
        load_bundle(copy)


def test_an_unwritable_folder_is_an_error(fitted, solvents, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError):
        save_bundle(
            tmp_path / "file" / "bundle", fitted["direct"], name="x", n_conformers=1, data={},
            splits={}, seeds={}, metrics={}, golden=solvents[:1],
        )  # fmt: skip


@pytest.mark.parametrize("name", ["qm9-mmff94-direct", "qm9-gfn2opt-delta"])
def test_a_shipped_bundle_knows_what_it_knows(name, structure_of):
    bundle = load_bundle(name)
    assert bundle.card.name == name
    known = ["O=C1OCCO1", "CC#N", "C1CCOC1", "COCCOC"]
    strange = ["O=C1OCC(F)O1", "FCCOC", "C" * 15]
    table = bundle.predict([structure_of(smiles) for smiles in known + strange])
    inside = table["in_domain"].to_pylist()
    assert inside == [True] * len(known) + [False] * len(strange), table["domain_reasons"]
    assert table["ae0_b3lyp_kcal"].null_count == len(strange)


def test_shipped_bundles_are_small():
    root = files("screener") / "data" / "bundles"
    paths = [root / name / file for name in shipped_bundles() for file in (MODEL, CARD)]
    assert sum(len(path.read_bytes()) for path in paths) <= 40 * 2**20
