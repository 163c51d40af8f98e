"""`screener evaluate`: what it prints and writes, and how mistakes end."""

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from screener.chemistry.identity import mol_id
from screener.chemistry.structures import StructureSettings, make_structure
from screener.models.bundle import load_bundle
from screener.units import KCAL_PER_HARTREE

SOLVENTS = ["COC(=O)OC", "O=C1OCCO1", "C1CCOC1", "CC#N", "COC=O", "CC(C)=O", "CCOC(C)=O", "CCO"]
AE = "ae0_b3lyp_kcal"
KEYS = {
    "quantity", "unit", "n", "n_quarantined", "mae", "rmse", "bias", "coverage_90", "width_90",
    "by_n_heavy", "in_domain", "note",
}  # fmt: skip


@pytest.fixture(autouse=True)
def _home(tmp_path, monkeypatch):
    monkeypatch.setenv("SCREENER_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def predicted(tiny_bundles):
    """Solvents at `mmff94` with what the tiny direct bundle says of them."""
    structures = [make_structure(text, mol_id(text), StructureSettings()) for text in SOLVENTS]
    table = load_bundle(tiny_bundles.direct).predict(structures)
    assert all(table["in_domain"].to_pylist())
    return {
        "smiles": SOLVENTS,
        "numbers": [each.atomic_numbers.tolist() for each in structures],
        "flat": [each.positions.ravel().astype(float).tolist() for each in structures],
        "nested": [each.positions.astype(float).tolist() for each in structures],
        **{name: table[name].to_pylist() for name in (AE, "homo_b3lyp_ev", "lumo_b3lyp_ev")},
    }


POSITIONS = ("--positions", "flat", "--atomic-numbers", "numbers", "--geometry", "mmff94")


def test_errors_are_those_of_the_labels_whatever_their_convention(
    screener, predicted, tiny_bundles, write_table, tmp_path
):
    error = np.array([1.0, -1.0, 2.0, -2.0, 0.5, -0.5, 3.0, -3.0])
    labels = -(np.array(predicted[AE]) - error) / KCAL_PER_HARTREE  # hartree, negative is bound
    path = write_table({**predicted, "energy": labels.tolist()})
    for positions in ("flat", "nested"):
        code, out, err = screener(
            "evaluate", tiny_bundles.direct, path, "--positions", positions,
            "--atomic-numbers", "numbers", "--geometry", "mmff94", "--label", f"{AE}=energy",
            "--label", "homo_b3lyp_ev=homo_b3lyp_ev", "--unit", "hartree",
            "--sign", "bound-negative", "--json", "--out", "ev",
        )  # fmt: skip
        assert code == 0, err
        energy, homo = json.loads(out)
        assert set(energy) == KEYS
        assert (energy["quantity"], energy["unit"]) == (AE, "kcal/mol")
        assert (energy["n"], energy["n_quarantined"], energy["in_domain"]) == (8, 0, 1.0)
        assert energy["mae"] == pytest.approx(np.abs(error).mean(), abs=1e-3)
        assert energy["rmse"] == pytest.approx(np.sqrt((error**2).mean()), abs=1e-3)
        assert energy["bias"] == pytest.approx(0.0, abs=1e-3)
        by_size = {size: found["n"] for size, found in energy["by_n_heavy"].items()}
        assert by_size == {"3": 2, "4": 2, "5": 1, "6": 3}
        assert homo["mae"] == pytest.approx(0.0, abs=1e-6)
        assert homo["coverage_90"] == 1.0
        assert homo["width_90"] > 0
    picture = (tmp_path / "ev" / f"parity_{AE}.png").read_bytes()
    assert picture.startswith(b"\x89PNG")
    table = pq.read_table(tmp_path / "ev" / "predictions.parquet")
    assert table["row"].to_pylist() == list(range(8))


def test_rows_that_fail_are_set_aside_and_counted(
    screener, predicted, tiny_bundles, write_table, tmp_path
):
    columns = {name: list(values) for name, values in predicted.items()}
    columns[AE][0] = float("nan")
    columns[AE][1] = None
    columns["flat"][2] = columns["flat"][2][:-1]
    columns["flat"][3] = None
    columns["numbers"][4] = [15, *columns["numbers"][4][1:]]  # phosphorus: an odd number besides
    columns["numbers"][5] = [16, *columns["numbers"][5][1:]]
    columns["flat"][6][0] = float("inf")
    path = write_table({**columns, "use": ["yes"] * 8})
    code, out, err = screener(
        "evaluate", tiny_bundles.direct, path, *POSITIONS, "--label", f"{AE}={AE}",
        "--where", "use=yes", "--json",
    )  # fmt: skip
    assert code == 0, err
    (energy,) = json.loads(out)
    assert (energy["n"], energy["n_quarantined"]) == (1, 7)
    set_aside = pq.read_table(tmp_path / "evaluation" / "quarantine.parquet").to_pylist()
    assert {record["row"]: record["code"] for record in set_aside} == {
        0: "no_label",
        1: "no_label",
        2: "broken_geometry",
        3: "no_geometry",
        4: "open_shell",
        5: "unknown_element",
        6: "broken_geometry",
    }


def test_smiles_alone_go_the_whole_way_once(
    screener, predicted, tiny_bundles, write_table, client, monkeypatch
):
    smiles = [*SOLVENTS[:4], "not a molecule", None, "CS(C)=O"]
    labels = [*predicted[AE][:4], 500.0, 500.0, 800.0]
    path = write_table({"smiles": smiles, "energy": labels})
    command = (
        "evaluate", tiny_bundles.direct, path, "--smiles", "smiles", "--label", f"{AE}=energy",
        "--scheduler", client.scheduler.address,
    )  # fmt: skip
    code, out, err = screener(*command)
    assert code == 0, err
    assert "quarantined: 1 blank_in_smiles" in out
    assert "quarantined: 1 empty" in out
    assert "quarantined: 1 unknown_element: element S" in out
    assert "structures" in err

    def not_again(*arguments):
        raise AssertionError("everything is there already")

    monkeypatch.setattr("screener.cluster.factory.connect", not_again)
    code, out, err = screener(*command, "--json")
    assert code == 0, err
    (energy,) = json.loads(out)
    assert (energy["n"], energy["n_quarantined"]) == (4, 3)
    assert energy["mae"] == pytest.approx(0.0, abs=1e-3)


def test_labels_without_zero_point_energy_are_compared_with_a_note(
    screener, predicted, tiny_bundles, write_table
):
    path = write_table(predicted)
    code, out, err = screener(
        "evaluate", tiny_bundles.direct, path, *POSITIONS, "--label", f"{AE}={AE}",
        "--zpe", "none", "--json",
    )  # fmt: skip
    assert code == 0, err
    (energy,) = json.loads(out)
    assert "estimated from composition" in energy["note"]
    assert 25 < energy["bias"] < 80  # these labels had it already


def test_delta_bundles_get_gfn2_values_at_given_minima(screener, tiny_bundles, write_table, client):
    structures = [
        make_structure(text, mol_id(text), StructureSettings(level="gfn2-opt"))
        for text in ["CC#N", "COC=O"]
    ]
    values = load_bundle(tiny_bundles.delta).predict(structures)[AE].to_pylist()
    path = write_table(
        {
            "z": [each.atomic_numbers.tolist() for each in structures],
            "xyz": [each.positions.astype(float).tolist() for each in structures],
            "energy": values,
        }
    )
    code, out, err = screener(
        "evaluate", tiny_bundles.delta, path, "--positions", "xyz", "--atomic-numbers", "z",
        "--geometry", "gfn2-opt", "--label", f"{AE}=energy", "--json",
        "--scheduler", client.scheduler.address,
    )  # fmt: skip
    assert code == 0, err
    (energy,) = json.loads(out)
    assert energy["mae"] < 1e-3


WRONG = {
    "level": (("--geometry", "b3lyp"), "geometry level mmff94, not b3lyp-opt"),
    "no level": (("--geometry", None), "positions need the level"),
    "numbers": (("--atomic-numbers", None), "positions and of atomic numbers together"),
    "low": (("--low", "homo_b3lyp_ev"), "has no low level: leave out --low"),
    "unit": (("--unit", "furlong"), "there is no unit 'furlong'"),
    "sign": (("--sign", "up"), "sign: Input should be 'bound-positive'"),
    "where": (("--where", "smiles=C"), "has no row with smiles=C"),
    "column": (("--label", "homo_b3lyp_ev=absent"), "has no column absent"),
    "no pair": (("--label", "energy"), "write --label NAME=VALUE"),
    "other name": (("--label", "energy=energy"), "'energy' is no column of a quantity"),
    "other quantity": (("--label", f"ae0_g4mp2_kcal={AE}"), "does not predict ae0_g4mp2_kcal"),
    "other unit": (("--label", f"ae0_b3lyp_ha={AE}"), "is no column of a quantity"),
    "text": (("--label", "homo_b3lyp_ev=smiles"), "does not hold numbers"),
    "no lists": (("--positions", "smiles"), "does not hold lists"),
    "hartree": (("--unit", "hartree"), "look like kcal/mol, not hartree"),
    "negative": (("--sign", "bound-negative"), "wrong sign: say sign bound-positive"),
    "orbital": (("--label", f"homo_b3lyp_ev={AE}"), "wrong sign"),
}


@pytest.mark.parametrize("case", WRONG)
def test_mistakes_end_with_one_message(case, screener, predicted, tiny_bundles, write_table):
    (option, value), message = WRONG[case]
    options = dict(zip(POSITIONS[::2], POSITIONS[1::2], strict=True))
    if option in options and value is None:
        del options[option]
    elif value is not None and option != "--label":
        options[option] = value
    extra = ("--label", value) if option == "--label" else ()
    arguments = [text for pair in options.items() for text in pair]
    code, _, err = screener(
        "evaluate", tiny_bundles.direct, write_table(predicted), *arguments,
        "--label", f"{AE}={AE}", *extra,
    )  # fmt: skip
    assert code == 2
    assert err.count("error:") == 1
    assert message in err


def test_nothing_to_compare_says_why(screener, tiny_bundles, write_table, predicted):
    columns = {name: values[:2] for name, values in predicted.items()}
    columns["numbers"] = [[6 if z == 8 else z for z in atoms] for atoms in columns["numbers"]]
    columns[AE] = [900.0, 900.0]
    code, _, err = screener(
        "evaluate", tiny_bundles.direct, write_table(columns), *POSITIONS, "--label", f"{AE}={AE}"
    )
    assert code == 2
    assert "none of 2 rows can be compared" in err
    assert "as in no molecule" in err


def test_truncated_bundles_are_refused(screener, tiny_bundles, write_table, predicted, tmp_path):
    for number, name in enumerate(("model.safetensors", "card.json")):
        broken = tmp_path / f"broken-{number}"
        broken.mkdir()
        for each in ("model.safetensors", "card.json"):
            data = (Path(tiny_bundles.direct) / each).read_bytes()
            (broken / each).write_bytes(data[: len(data) // 2] if each == name else data)
        code, _, err = screener(
            "evaluate", broken, write_table(predicted), *POSITIONS, "--label", f"{AE}={AE}"
        )
        assert code == 2
        assert name in err


def test_files_that_are_no_parquet(screener, tiny_bundles, tmp_path):
    (tmp_path / "text.parquet").write_text("smiles,energy\nC,396\n")
    for name, message in (("text.parquet", "cannot be read"), ("none.parquet", "no file")):
        code, _, err = screener(
            "evaluate", tiny_bundles.direct, name, *POSITIONS, "--label", f"{AE}={AE}"
        )
        assert code == 2
        assert message in err
