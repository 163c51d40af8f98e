from itertools import pairwise

import numpy as np
import pytest
from model_fixtures import DELTA, DIRECT, ELEMENTS
from scipy.stats import binom, spearmanr

from screener.errors import ConfigError
from screener.models.baseline import baseline, composition
from screener.models.low_values import low_values
from screener.records import Structure
from screener.training.fit.calibrate import FittedModel
from screener.training.fit.data import FitData, FitSets, FitSettings
from screener.training.fit.sparse_gp import fit_model

SETTINGS = FitSettings(
    n_inducing=900, n_components=96, widths=(4.0,), ridges=(1e-6, 1e-5, 1e-4, 1e-3), n_leading=200,
    n_difficulty=600,
)  # fmt: skip


def parts(data: FitData, n_train: int) -> list[FitData]:
    """Train, selection, calibration and test; all but train are the same whatever `n_train`."""
    edges = [0, 150, 450, 850]
    rest = [data.subset(np.arange(*pair)) for pair in pairwise(edges)]
    return [data.subset(np.arange(850, 850 + n_train)), *rest]


@pytest.fixture(scope="module")
def models(qm9) -> dict[int, FittedModel]:
    return {
        n: fit_model(FitSets(*parts(qm9, n)[:3], DIRECT, "b3lyp-opt"), SETTINGS)
        for n in (200, 1000)
    }


def errors(model: FittedModel, data: FitData, name: str) -> np.ndarray:
    """Absolute, of the molecules inside the domain."""
    found = model.predict(data.structures)[name].to_numpy(zero_copy_only=False)
    inside = ~np.isnan(found)
    return np.abs(found[inside] - data.high[name][inside])


@pytest.mark.slow
def test_more_molecules_give_smaller_errors(qm9, models):
    test = parts(qm9, 0)[3]
    limits = {"ae0_b3lyp_kcal": 4.0, "homo_b3lyp_ev": 0.3, "lumo_b3lyp_ev": 0.4}
    for name, limit in limits.items():
        few, many = (errors(models[n], test, name).mean() for n in (200, 1000))
        assert many < (0.85 if name == "ae0_b3lyp_kcal" else 1.0) * few, name
        assert many < limit, name


@pytest.mark.slow
def test_a_model_beats_composition_by_far(qm9, models):
    test = parts(qm9, 0)[3]
    model = models[1000].predictor.model
    simple = baseline(composition(test.structures, ELEMENTS), model.baselines[0])
    alone = np.abs(simple - test.high["ae0_b3lyp_kcal"]).mean()
    assert errors(models[1000], test, "ae0_b3lyp_kcal").mean() < 0.3 * alone


@pytest.mark.slow
def test_intervals_cover_molecules_that_were_never_seen(qm9, models):
    test = parts(qm9, 0)[3]
    truth = DIRECT.with_differences(test.high)
    assert "gap_b3lyp_ev" in truth
    table = models[1000].predict(test.structures)
    inside = np.array(table["in_domain"].to_pylist())
    assert inside.mean() > 0.9
    # with 300 calibration molecules the coverage itself varies, on top of the test's own draw
    spread = 3 * np.sqrt(0.09 / 300)
    for quantity in DIRECT.all:
        told = table[quantity.name].is_valid().to_numpy()
        assert told[inside].mean() > 0.5  # the others are too uncertain
        low, high = (
            table[quantity.name + end].to_numpy(zero_copy_only=False)[told]
            for end in ("_lo90", "_hi90")
        )
        values = truth[quantity.name][told]
        covered = int(((low <= values) & (values <= high)).sum())
        least = binom.ppf(0.001, told.sum(), 0.9 - spread)
        most = binom.ppf(0.999, told.sum(), 0.9 + spread)
        assert least <= covered <= most, quantity.name
        if quantity.column.quantity.lower is not None:
            assert (low >= quantity.column.quantity.lower).all()
        limit = models[1000].predictor.calibration[quantity.name].max_width90
        assert (high - low <= limit).all()


@pytest.mark.slow
def test_stds_order_the_errors(qm9, models):
    test = parts(qm9, 0)[3]
    table = models[1000].predict(test.structures)
    inside = np.array(table["in_domain"].to_pylist())
    stds = table["ae0_b3lyp_kcal_std"].to_numpy(zero_copy_only=False)[inside]
    found = spearmanr(stds, errors(models[1000], test, "ae0_b3lyp_kcal"))
    assert found.statistic > 0.1
    assert found.pvalue < 0.05


@pytest.mark.slow
def test_the_size_experiment_never_narrows(models):
    predictor = models[1000].predictor
    assert predictor.domain.largest_fitted == 9
    assert predictor.domain.distance_growth >= 1.0
    assert all(c.growth >= 1.0 for c in predictor.calibration.values())


@pytest.mark.slow
def test_a_fit_repeats(qm9, models):
    again = fit_model(FitSets(*parts(qm9, 200)[:3], DIRECT, "b3lyp-opt"), SETTINGS)
    test = parts(qm9, 0)[3].structures[:50]
    assert again.predict(test).equals(models[200].predict(test))


def test_labels_are_needed_for_every_structure(qm9):
    structures = qm9.structures[:3]
    values = {name: np.zeros(3) for name in DIRECT.names}
    few = FitData(structures, {n: v for n, v in values.items() if n != "homo_b3lyp_ev"})
    with pytest.raises(ConfigError, match="no labels of homo_b3lyp_ev"):
        few.targets(DIRECT)
    with pytest.raises(ConfigError, match="3 molecules"):
        FitData(structures, {**values, "lumo_b3lyp_ev": np.zeros(2)})
    with pytest.raises(ConfigError, match="not finite"):
        FitData(structures, {**values, "lumo_b3lyp_ev": np.array([0, np.nan, 0])})


def test_an_empty_set_or_a_delta_without_low_values_cannot_start(qm9):
    some, none = qm9.subset(np.arange(30)), qm9.subset(np.arange(0))
    with pytest.raises(ConfigError, match="selection set is empty"):
        FitSets(some, none, some, DIRECT, "b3lyp-opt")
    with pytest.raises(ConfigError, match=r"energy_gfn2_ha.*gfn2-opt"):
        fit_model(FitSets(some, some, some, DELTA, "b3lyp-opt"), SETTINGS)


def test_low_values_are_free_atoms_minus_molecule(solvents):
    water = Structure(np.array([8, 1, 1], dtype=np.uint8), np.eye(3, dtype=np.float32),
                      solvents[0].values)  # fmt: skip
    low = low_values([water], DELTA.low_columns)
    free = -3.767606950369 - 2 * 0.393482763932
    expected = (free - water.values["energy_gfn2_ha"]) * 627.5094740631
    assert low["de_gfn2_kcal"][0] == pytest.approx(expected, abs=1e-6)
    assert low["gap_gfn2_ev"][0] == water.values["lumo_gfn2_ev"] - water.values["homo_gfn2_ev"]
