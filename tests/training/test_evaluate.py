import numpy as np
import pytest
from model_fixtures import DIRECT, ELEMENTS

from screener.chemistry.identity import mol_id
from screener.chemistry.structures import StructureSettings, make_structure
from screener.models.baseline import composition
from screener.models.bundle import load_bundle
from screener.models.predictor import Predictor
from screener.models.uncertainty.conformal import Tail
from screener.training.evaluate import composition_baseline, held_out, outside
from screener.training.fit.data import FitData

SOLVENTS = ["COC(=O)OC", "O=C1OCCO1", "COCC", "CC#N", "COC=O", "CC(C)=O", "CCOC(C)=O", "CCO"]
OUTSIDE = "CNN"  # of nitrogen bonded to nitrogen the bundles know nothing


@pytest.fixture(scope="module")
def structures():
    return [make_structure(s, mol_id(s), StructureSettings()) for s in [*SOLVENTS, OUTSIDE]]


def test_held_out_counts_what_is_inside_and_measures_what_is_wrong(tiny_bundles, structures):
    bundle = load_bundle(tiny_bundles.direct)
    table = bundle.predict(structures)
    inside = np.array(table["in_domain"].to_pylist())
    assert inside[:-1].all()
    assert not inside[-1]
    error = np.array([0.5, -0.5, 1.0, -1.0, 0.0, 0.0, 0.0, 0.0, 99.0])  # the last is outside
    value = {
        name: np.nan_to_num(table[name].to_numpy(zero_copy_only=False)) for name in DIRECT.names
    }
    high = {name: values - error for name, values in value.items()}
    high["homo_b3lyp_ev"] = value["homo_b3lyp_ev"] - 0.5 * error
    metrics = held_out(bundle.predictor, FitData(structures, high))
    assert metrics["domain"] == {"n": 9.0, "inside": pytest.approx(8 / 9)}
    dipole = metrics["dipole_b3lyp_debye"]
    assert dipole["n"] == 8
    assert dipole["mae"] == pytest.approx(3 / 8)
    assert dipole["rmse"] == pytest.approx(np.sqrt(2.5 / 8))
    assert dipole["bias"] == pytest.approx(0.0, abs=1e-9)
    assert metrics["gap_b3lyp_ev"]["mae"] == pytest.approx(1.5 / 8)  # LUMO's less HOMO's
    middle, high90 = (
        table[name].to_numpy(zero_copy_only=False)[:-1]
        for name in ("dipole_b3lyp_debye", "dipole_b3lyp_debye_hi90")
    )
    half = high90 - middle
    assert dipole["coverage90"] == pytest.approx((np.abs(error[:-1]) <= half).mean())


def test_coverage_is_told_by_size_and_among_the_best_ranked(tiny_bundles, structures, monkeypatch):
    monkeypatch.setattr("screener.training.evaluate.FEWEST", 2)
    monkeypatch.setattr("screener.training.evaluate.SHORTLIST", 0.25)  # two of eight
    bundle = load_bundle(tiny_bundles.direct)
    inside = structures[:-1]
    table = bundle.predict(inside)
    value = {name: table[name].to_numpy(zero_copy_only=False) for name in DIRECT.names}
    high = dict(value)
    homo = value["homo_b3lyp_ev"]
    high["homo_b3lyp_ev"] = np.where(homo >= np.sort(homo)[-2], homo + 99.0, homo)
    found = held_out(bundle.predictor, FitData(inside, high))["homo_b3lyp_ev"]
    assert found["coverage90"] == pytest.approx(6 / 8)
    assert (found["coverage90_least"], found["coverage90_most"]) == (1.0, 0.0)
    sizes = [int((s.atomic_numbers > 1).sum()) for s in inside]
    counts = {str(size): sizes.count(size) for size in sorted(set(sizes)) if sizes.count(size) > 1}
    assert {size: each["n"] for size, each in found["by_n_heavy"].items()} == counts
    covered = sum(each["coverage90"] * each["n"] for each in found["by_n_heavy"].values())
    assert covered <= 6


def test_molecules_outside_are_judged_as_if_they_were_inside(tiny_bundles, structures):
    predictor = load_bundle(tiny_bundles.direct).predictor
    high = {name: np.zeros(len(structures)) for name in DIRECT.names}
    found = outside(predictor, FitData(structures, high))
    assert found["domain"] == {"n": 1.0, "inside": 1.0}
    assert found["ae0_b3lyp_kcal"]["n"] == 1
    assert found["ae0_b3lyp_kcal"]["mae"] > 100.0
    assert outside(predictor, FitData(structures[:-1], {n: v[:-1] for n, v in high.items()})) == {}


def test_composition_baseline_is_perfect_where_composition_is_all(structures):
    weights = np.array([95.0, 110.0, 80.0, 85.0, 70.0])
    high = {name: composition(structures, ELEMENTS) @ weights + 3.0 for name in DIRECT.names}
    data = FitData(structures, high)
    found = composition_baseline(data, data, DIRECT)
    assert found["ae0_b3lyp_kcal"]["mae"] == pytest.approx(0.0, abs=1e-6)
    shape = np.array([s.positions.std() for s in structures])
    spoiled = FitData(structures, {name: values + shape for name, values in high.items()})
    assert composition_baseline(data, spoiled, DIRECT)["homo_b3lyp_ev"]["mae"] > 0.1


def test_intervals_are_wider_at_the_ends_of_the_range(tiny_bundles, structures):
    plain = load_bundle(tiny_bundles.direct).predictor
    inside = structures[:-1]
    before = plain.predict(inside).to_pandas()
    least, most = before["homo_b3lyp_ev"].min(), before["homo_b3lyp_ev"].max()
    ends = (Tail(limit=least, widening=1.5), Tail(limit=most, widening=3.0))
    changed = plain.calibration["homo_b3lyp_ev"].model_copy(update={"tails": ends})
    widened = Predictor(
        plain.model_type,
        plain.model,
        plain.targets,
        {**plain.calibration, "homo_b3lyp_ev": changed},
        plain.domain,
        geometry_level=plain.geometry_level,
    )
    after = widened.predict(inside).to_pandas()
    assert after["homo_b3lyp_ev"].equals(before["homo_b3lyp_ev"])
    assert after["lumo_b3lyp_ev_hi90"].equals(before["lumo_b3lyp_ev_hi90"])
    factors = np.ones(len(inside))
    factors[before["homo_b3lyp_ev"].argmin()], factors[before["homo_b3lyp_ev"].argmax()] = 1.5, 3.0
    for table, expected in ((before, 1.0), (after, factors)):
        half = table["homo_b3lyp_ev_hi90"] - table["homo_b3lyp_ev"]
        std = before["homo_b3lyp_ev_std"]
        np.testing.assert_allclose(
            half / std, expected * changed.quantile / changed.std_scale, rtol=1e-6
        )
