"""`screener train CONFIG.toml`: from labels to a bundle, resumed, and how mistakes end."""

import json
import logging
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from screener.models.bundle import load_bundle
from screener.models.card import Card
from screener.stores.frozen_toml import to_toml
from screener.training.qm9.train import recipe

LABELS = {
    "ae0_b3lyp_kcal": "energy",
    "homo_b3lyp_ev": "homo",
    "lumo_b3lyp_ev": "lumo",
    "dipole_b3lyp_debye": "dipole",
}
SETTINGS = {
    "n_inducing": 120, "n_components": 16, "widths": [4.0], "n_leading": 20,
    "ridges": [1e-4, 1e-2], "min_seen": 1, "seed": 3,
}  # fmt: skip


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Shared by the tests here, so that identities and structures are made once."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(autouse=True)
def _home(home, tmp_path, monkeypatch):
    monkeypatch.setenv("SCREENER_HOME", str(home))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def train(screener, write_table, client, tmp_path):
    """Write data and configuration, and train."""

    def run(columns, **changes):
        write_table(columns)
        values = {
            "name": "mine",
            "out": str(tmp_path / "mine"),
            "kind": "direct",
            "geometry": "mmff94",
            "data": {"path": "labels.parquet", "smiles": "smiles", "labels": LABELS},
            "split": {
                "fractions": {"fit": 0.4, "selection": 0.2, "calibration": 0.2, "test": 0.2},
                "seed": 1,
            },
            "settings": SETTINGS,
        }
        for key, change in changes.items():
            merge = isinstance(change, dict) and key in values and key not in ("split", "settings")
            values[key] = {**values[key], **change} if merge else change
        (tmp_path / "config.toml").write_text(
            to_toml({key: value for key, value in values.items() if value is not None})
        )
        return screener("train", "config.toml", "--scheduler", client.scheduler.address)

    return run


GIVEN = {"positions": "nested", "atomic_numbers": "numbers", "geometry": "mmff94"}


@pytest.mark.slow
def test_an_interrupted_training_goes_on_and_ends_the_same(
    train, outside_columns, tmp_path, monkeypatch, caplog
):
    columns = {name: list(values) for name, values in outside_columns.items()}
    columns["energy"][0] = float("nan")
    columns["smiles"][1] = "nonsense"
    with monkeypatch.context() as patch:

        def interrupted(*_, **__):
            raise KeyboardInterrupt

        patch.setattr("screener.training.fit.sparse_gp.calibrated", interrupted)
        code, _, _ = train(columns)
        assert code not in (0, 2)
    assert not (tmp_path / "mine" / "card.json").exists()
    assert list((tmp_path / "mine" / "run" / "checkpoints").glob("*.safetensors"))

    caplog.set_level(logging.INFO, "screener")
    code, out, err = train(columns)
    assert code == 0, err
    assert "going on from checkpoint" in caplog.text
    assert "mine: test" in out
    assert not list((tmp_path / "mine" / "run" / "checkpoints").iterdir())
    resumed = (tmp_path / "mine" / "model.safetensors").read_bytes()

    code, _, err = train(columns)
    assert code == 2
    assert "there is a bundle in" in err

    code, _, err = train(columns, out="other")
    assert code == 0, err
    assert (tmp_path / "other" / "model.safetensors").read_bytes() == resumed

    card = load_bundle(str(tmp_path / "mine")).card
    assert (card.name, card.kind, card.geometry_level) == ("mine", "direct", "mmff94")
    n = len(columns["smiles"])
    assert card.data["rows"] == n
    assert card.data["quarantined"] == {"invalid_smiles": 1, "no_label": 1}
    parts = [card.data[part]["n"] for part in ("fit", "selection", "calibration", "test")]
    assert sum(parts) == n - 2
    assert card.seeds == {"split": 1, "fit": 3}
    assert card.metrics["test"]["homo_b3lyp_ev"]["mae"] > 0
    # 22 molecules are too few for an energy, and that is told
    assert "ae0_b3lyp_kcal" not in card.metrics["test"]
    assert "gets an answer for ae0_b3lyp_kcal: they are outside the domain" in caplog.text
    set_aside = pq.read_table(tmp_path / "mine" / "run" / "quarantine.parquet").to_pylist()
    assert {each["row"]: each["code"] for each in set_aside} == {0: "no_label", 1: "invalid_smiles"}


@pytest.mark.slow
def test_a_network_is_trained_by_the_same_command(train, outside_columns, tmp_path):
    settings = {
        "n_features": 16, "n_interactions": 2, "n_gaussians": 10, "n_head": 8, "n_epochs": 2,
        "min_seen": 1, "seed": 3,
    }  # fmt: skip
    code, out, err = train(outside_columns, model="schnet", settings=settings)
    assert code == 0, err
    assert "mine: test" in out
    card = load_bundle(str(tmp_path / "mine")).card
    assert card.model == "schnet"
    assert card.fit["settings"]["n_features"] == 16
    assert card.seeds == {"split": 1, "fit": 3}


def test_a_run_folder_belongs_to_one_configuration(train, outside_columns, tmp_path):
    (tmp_path / "mine" / "run").mkdir(parents=True)
    code, _, _ = train(outside_columns, model="absent")
    assert code == 2
    frozen = tmp_path / "mine" / "run" / "config.json"
    frozen.write_text(json.dumps({"name": "mine"}))
    checkpoints = tmp_path / "mine" / "run" / "checkpoints"
    checkpoints.mkdir()
    (checkpoints / "fit.safetensors").touch()
    code, _, err = train(outside_columns)
    assert code == 2
    assert "a training with other" in err
    assert "geometry" in err
    (checkpoints / "fit.safetensors").unlink()  # of a run that was refused before it fitted
    code, _, err = train(outside_columns, data={"labels": {**LABELS, "homo_b3lyp_ev": "absent"}})
    assert code == 2
    assert "absent" in err
    assert json.loads(frozen.read_text())["geometry"] == "mmff94"


@pytest.mark.slow
def test_delta_on_given_geometries_split_by_a_column(train, outside_columns, tmp_path):
    n = len(outside_columns["smiles"])
    parts = ["fit", "selection", "calibration", "test", "fit"] * n
    columns = {**outside_columns, "part": [*parts[: n - 1], None]}
    few = {name: values[-55:] for name, values in columns.items()}
    code, _, err = train(few, kind="delta", data=GIVEN, split={"column": "part"}, name="given")
    assert code == 0, err
    card: Card = load_bundle(str(tmp_path / "mine")).card
    assert (card.kind, card.low) == ("delta", "gfn2")
    assert card.data["fit"]["n"] == sum(part == "fit" for part in few["part"])
    assert card.splits["by"] == "column part of the file"


BOILING = "boiling_point_k"
MEASURED = {
    "kind": None,
    "quantities": {"boiling_point": {"unit": "K", "lower": 0.0, "label": "boiling point"}},
}


def with_boiling_points(columns):
    """Made up from the size and the polar atoms, degrees Celsius."""
    heavy = np.array([sum(z > 1 for z in atoms) for atoms in columns["numbers"]])
    polar = np.array([sum(z in (7, 8) for z in atoms) for atoms in columns["numbers"]])
    return {**columns, "tb": (20.0 * heavy + 15.0 * polar - 60.0).tolist()}


def test_a_measured_quantity_is_learned_from_drawings_alone(
    train, screener, outside_columns, tmp_path, client
):
    columns = with_boiling_points(outside_columns)
    data = {"labels": {BOILING: "tb"}, "units": {BOILING: "degC"}}
    code, out, err = train(
        columns, **MEASURED, model="morgan-gp", geometry=None, data=data, settings={"min_seen": 1}
    )
    assert code == 0, err
    assert BOILING in out
    card = load_bundle(str(tmp_path / "mine")).card
    assert (card.reads, card.geometry_level, card.kind) == ("drawings", "drawing", "direct")
    assert card.metrics["test"][BOILING]["mae"] < 25.0
    # of a bundle alone: the configuration that named the quantity is not at hand
    code, out, err = screener(
        "evaluate", "mine", "labels.parquet", "--smiles", "smiles", "--label", f"{BOILING}=tb",
        "--unit", f"{BOILING}=degC", "--json", "--scheduler", client.scheduler.address,
    )  # fmt: skip
    assert code == 0, err
    (found,) = json.loads(out)
    assert found["unit"] == "K"
    assert found["n"] > 40
    assert found["mae"] < 15.0
    code, _, err = screener("models", "info", "mine")
    assert code == 0, err


@pytest.mark.slow
def test_a_measured_quantity_is_learned_from_structures_in_a_unit_of_ones_own(
    train, outside_columns, tmp_path
):
    columns = with_boiling_points(outside_columns)
    columns["tb"] = [1.8 * celsius + 32.0 for celsius in columns["tb"]]
    data = {**GIVEN, "labels": {BOILING: "tb"}, "units": {BOILING: "degF"}}
    units = {"degF": {"of": "degC", "factor": 5 / 9, "offset": -160 / 9}}
    code, _, err = train(columns, **MEASURED, units=units, data=data)
    assert code == 0, err
    bundle = load_bundle(str(tmp_path / "mine"))
    assert bundle.card.model == "sparse-fchl"
    assert list(bundle.card.quantities) == [BOILING]
    assert bundle.card.zero_point == ""
    values = [each[BOILING] for each in bundle.card.golden if each[BOILING] is not None]
    assert len(values) > len(bundle.card.golden) // 2
    assert all(200.0 < value < 500.0 for value in values)  # kelvin


def scaled(name, factor):
    return lambda columns: {**columns, name: [factor * value for value in columns[name]]}


def without_zero_point(columns):
    atoms = [(sum(z == 1 for z in m), sum(z > 1 for z in m)) for m in columns["numbers"]]
    zero_point = [7.2 * h + 3.0 * heavy for h, heavy in atoms]
    return {**columns, "energy": list(np.add(columns["energy"], zero_point))}


def over_the_split(columns):
    n = len(columns["smiles"])
    names = (["fit"] * 2 + ["selection", "calibration", "test"]) * n
    twice = {name: [*values, *values[:1]] for name, values in columns.items()}
    return {**twice, "part": [*names[:n], "test"]}


def fluorine_in_the_test_part(columns):
    n = len(columns["smiles"])
    names = (["fit"] * 2 + ["selection", "calibration", "test"]) * n
    smiles = list(columns["smiles"])
    place = names.index("test")
    smiles[place] = "FC(F)F"
    return {**columns, "smiles": smiles, "part": names[:n]}


COLUMN = {"split": {"column": "part"}}
WRONG = {
    "hartree": (scaled("energy", 1 / 627.5), {}, "look like hartree, not kcal/mol"),
    "eV": (scaled("energy", 1 / 23.06), {}, "look like eV, not kcal/mol"),
    "kJ/mol": (scaled("energy", 4.184), {}, "look like kJ/mol, not kcal/mol"),
    "sign": (scaled("energy", -1), {}, "wrong sign: say sign bound-negative"),
    "De": (without_zero_point, {}, "do not seem to contain the zero-point energy"),
    "no zpe": (dict, {"data": {"zpe": "none"}}, "contains the zero-point energy"),
    "HOMO": (scaled("homo", 1 / 27.2), {}, "homo_b3lyp_ev: the labels look like hartree"),
    "NaN": (scaled("energy", float("nan")), {}, "column energy has no number"),
    "duplicates": (over_the_split, COLUMN, "are in two parts of the split"),
    "unseen": (fluorine_in_the_test_part, COLUMN, "in no molecule of the fit part: F"),
    "part": (lambda c: {**c, "part": c["smiles"]}, COLUMN, "names the part"),
    "few": (lambda c: {k: v[:20] for k, v in c.items()}, {}, "needs at least 10"),
    "key": (dict, {"nonsense": 1}, "nonsense: Extra inputs are not permitted"),
    "setting": (dict, {"settings": {"nonsense": 1}}, "settings: nonsense: Extra inputs"),
    "label": (dict, {"data": {"labels": {"tb_k": "energy"}}}, "'tb_k' is no column of a quantity"),
    "gap": (dict, {"data": {"labels": {"gap_b3lyp_ev": "lumo"}}}, "never fitted: it follows from"),
    "unit": (dict, {"data": {"units": {"homo_b3lyp_ev": "furlong"}}}, "there is no unit 'furlong'"),
    "dimension": (dict, {"data": {"units": {"homo_b3lyp_ev": "K"}}}, "labels in K cannot be that"),
    "bound": (scaled("dipole", -1), {}, "labels are below 0 D, and no dipole moment is"),
    "no low": (
        lambda c: {**c, "tb": c["homo"]},
        {
            "kind": "delta",
            "data": {"labels": {"boiling_point_k": "tb"}},
            "quantities": {"boiling_point": {"unit": "K"}},
        },
        "no level computes that",
    ),
    "drawings": (
        dict,
        {"model": "morgan-gp", "settings": {}},
        "morgan-gp reads drawings: it has no geometry",
    ),
    "level": (dict, {"geometry": "b3lyp-opt"}, "not made from SMILES"),
    "model": (dict, {"model": "magic"}, "no 'magic'; there are"),
    "fractions": (dict, {"split": {"fractions": {"fit": 1.0}}}, "adding up to 1"),
    "nothing": (dict, {"data": None}, "give either [data]"),
    "low": (dict, {"data": {"low": "energy"}}, "low level of a delta is computed here"),
}


@pytest.mark.parametrize("case", WRONG)
def test_mistakes_end_with_one_message(case, train, outside_columns):
    change, options, message = WRONG[case]
    code, _, err = train(change(outside_columns), **options)
    assert code == 2, err
    assert err.count("error:") == 1
    assert message in err


def test_the_built_in_labels_are_named_in_a_file_too(screener, tmp_path, monkeypatch):
    wanted = recipe("qm9-mmff94-direct")
    values = {
        "name": wanted.name,
        "out": "direct",
        "model": wanted.model,
        "kind": wanted.targets.kind,
        "geometry": wanted.geometry_level,
        "qm9": {
            "fitted_on": wanted.fitted_on,
            "met": wanted.met,
            "fit": wanted.n_fit,
            "selection": wanted.n_selection,
            "calibration": wanted.n_calibration,
            "test": wanted.n_test,
        },
        "settings": wanted.settings.model_dump(mode="json"),
    }
    (tmp_path / "qm9.toml").write_text(to_toml(values))
    trained = []
    monkeypatch.setattr("screener.training.qm9.train.train", lambda *found: trained.append(found))
    code, _, err = screener("train", "qm9.toml")
    assert code == 2  # nothing was trained, so there is no bundle to show
    assert "there is no bundle direct" in err
    assert trained == [(wanted, Path("direct"))]
    (tmp_path / "qm9.toml").write_text(to_toml({**values, "split": {"seed": 1}}))
    code, _, err = screener("train", "qm9.toml")
    assert code == 2
    assert "QM9 has its stored split" in err


def test_names_that_are_neither_recipe_nor_file(screener, tmp_path):
    code, _, err = screener("train", "nonsense")
    assert code == 2
    assert "qm9-mmff94-direct" in err
    code, _, err = screener("train", "absent.toml")
    assert code == 2
    assert "cannot read absent.toml" in err
    (tmp_path / "broken.toml").write_text("name = ")
    code, _, err = screener("train", "broken.toml")
    assert code == 2
    assert "cannot read broken.toml" in err
