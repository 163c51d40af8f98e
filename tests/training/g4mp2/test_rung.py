from dataclasses import replace

import numpy as np
import pytest

from screener.models.kernel_ridge.additive import AdditiveSettings
from screener.models.kernel_ridge.cross_evaluator import CrossEvaluator
from screener.models.uncertainty.conformal import growth_per_heavy_atom
from screener.records import Structure
from screener.training.g4mp2 import reference
from screener.training.g4mp2 import rung as module
from screener.training.g4mp2.nested import by_size, folds_of, out_of_fold
from screener.training.g4mp2.reference import ReferenceMolecule
from screener.training.g4mp2.rung import (
    N_FOLDS,
    SEED,
    FittedRung,
    RungData,
    fit_rung,
    group_numbers,
    rung_data,
)

SETTINGS = AdditiveSettings(width=8.0)

WATER = ReferenceMolecule(
    name="water",
    origin="test",
    smiles="O",
    block="XLYOFNOQVPJJNP",
    structure=Structure(
        np.array([8, 1, 1], np.uint8),
        np.array([[0.0, 0.0, 0.119], [0.0, 0.761, -0.475], [0.0, -0.761, -0.475]], np.float32),
    ),
    ae0_b3lyp_kcal=218.0,
    ae0_g4mp2_kcal=219.0,
    suspect="",
    n_heavy=1,
    in_ppe=True,
)


@pytest.fixture(scope="module")
def data() -> RungData:
    return rung_data("b3lyp-opt")


@pytest.fixture(scope="module")
def rung(data) -> FittedRung:
    return fit_rung(data.task, SETTINGS)


def test_molecules_of_one_connectivity_have_one_number():
    blocks = ["OKKJLVBELUTLKV", "XLYOFNOQVPJJNP", "ATUOYWHBWRKTHZ", "XLYOFNOQVPJJNP"]
    numbers = group_numbers(tuple(replace(WATER, block=block) for block in blocks))
    assert numbers.shape == (4,)
    assert numbers[1] == numbers[3]
    assert sorted(set(numbers.tolist())) == [0, 1, 2]


@pytest.mark.reference_data
def test_every_molecule_of_the_overlap_is_there_in_order(data):
    task, molecules = data.task, reference.overlap()
    assert data.n_failed == 0
    assert [m.name for m in data.molecules] == [m.name for m in molecules]
    n = len(molecules)
    assert len(task.prepared.structures) == n > 300
    for values in (task.low, task.asked_low, task.high, task.groups, task.n_heavy):
        assert values.shape == (n,)
    for place in (0, n // 2, n - 1):
        structure = task.prepared.structures[place]
        assert structure.positions.tobytes() == molecules[place].structure.positions.tobytes()
        assert task.low[place] == task.asked_low[place] == molecules[place].ae0_b3lyp_kcal
        assert task.high[place] == molecules[place].ae0_g4mp2_kcal
        assert task.n_heavy[place] == (structure.atomic_numbers > 1).sum()
    blocks = [m.block for m in molecules]
    assert len(set(zip(blocks, task.groups.tolist(), strict=True))) == len(set(blocks))


@pytest.mark.reference_data
def test_suspect_rows_are_neither_fitted_on_nor_judged(data):
    suspect = np.array([bool(m.suspect) for m in data.molecules])
    assert 0 < suspect.sum() < 0.05 * len(suspect)
    np.testing.assert_array_equal(data.task.fit, ~suspect)
    np.testing.assert_array_equal(data.task.judged, ~suspect)


@pytest.mark.reference_data
def test_the_rung_is_fitted_on_all_sound_rows_and_no_label_of_another(data, rung):
    sound = np.flatnonzero(data.task.fit)
    assert len(rung.model.structures) == len(sound)
    for found, place in zip(rung.model.structures, sound, strict=True):
        assert found is data.task.prepared.structures[place]
    high = np.where(data.task.fit, data.task.high, np.nan)
    again = fit_rung(replace(data.task, high=high), SETTINGS)
    for one, other in zip(again.model.fits, rung.model.fits, strict=True):
        assert one.weights.tobytes() == other.weights.tobytes()
        assert one.coefficients.tobytes() == other.coefficients.tobytes()
    assert again.model.cvplus.scores.tobytes() == rung.model.cvplus.scores.tobytes()
    assert again.growth == rung.growth


@pytest.mark.reference_data
def test_the_rung_predicts_what_was_left_out_far_better_than_b3lyp_does(data):
    task = data.task
    values, stds = out_of_fold(task, SETTINGS, folds_of(task.groups, 5, seed=0))
    b3lyp = np.abs(task.low - task.high)[task.judged].mean()
    assert 2.5 < b3lyp < 4.0  # kcal/mol
    assert np.abs(values - task.high)[task.judged].mean() < 0.6
    assert (stds > 0).all()


@pytest.mark.reference_data
def test_errors_of_the_rung_are_out_of_fold(data, rung):
    task = data.task
    values, stds = out_of_fold(task, SETTINGS, folds_of(task.groups, N_FOLDS, SEED))
    expected = (values - task.high)[task.judged]
    np.testing.assert_array_equal(np.isnan(rung.errors), ~task.judged)
    np.testing.assert_allclose(rung.errors[task.judged], expected, atol=1e-9)
    np.testing.assert_allclose(
        rung.model.cvplus.scores, np.abs(expected) / stds[task.judged], rtol=1e-6
    )


@pytest.mark.reference_data
def test_growth_is_that_of_the_scores_of_molecules_larger_by_one_atom(data, rung):
    assert 1.0 <= rung.growth < 1.5  # errors are about as large as their stds say
    counted = data.task.n_heavy[data.task.judged]
    largest = int(counted.max())
    assert (counted == largest).sum() > 20
    odd = 20.0 * (data.task.n_heavy == largest)
    task = replace(data.task, high=data.task.high + odd)  # what smaller molecules cannot tell
    found = fit_rung(task, SETTINGS)
    errors, stds = by_size(task, SETTINGS, largest - 1)
    smaller = found.model.cvplus.scores[counted < largest]
    assert found.growth == growth_per_heavy_atom(smaller, np.abs(errors) / stds) > 1.0


@pytest.mark.reference_data
def test_the_fitted_rung_gives_the_difference_between_the_levels(data, rung):
    task = data.task
    some = np.flatnonzero(task.fit)[::10]
    found = CrossEvaluator(rung.model).predict([task.prepared.structures[row] for row in some])
    errors = found.values[0] - (task.high - task.low)[some]
    assert np.abs(errors).mean() < 0.3  # it knows them


@pytest.mark.reference_data
def test_smaller_molecules_predict_larger_ones_better_than_b3lyp_does(data):
    errors = np.abs(by_size(data.task, SETTINGS, 7)[0])
    larger = data.task.judged & (data.task.n_heavy > 7)
    assert 100 < len(errors) == larger.sum()
    assert errors.mean() < 0.25 * np.abs(data.task.low - data.task.high)[larger].mean()


@pytest.mark.reference_data
@pytest.mark.parametrize("turn", [1, -1])
def test_by_default_settings_are_those_that_extrapolate_best_in_size(data, monkeypatch, turn):
    blind = AdditiveSettings(width=4.0, ridge=1e6, tolerance=None)  # sees hardly any label
    monkeypatch.setattr(module, "GRID", (blind, SETTINGS)[::turn])
    assert fit_rung(data.task).model.settings == SETTINGS
