import io
from dataclasses import replace
from importlib.resources import files

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from screener.models.kernel_ridge.additive import AdditiveSettings
from screener.records import Structure
from screener.training.g4mp2 import reference
from screener.training.g4mp2.judged import assess, candidates, climb, route
from screener.training.g4mp2.ladder import (
    N_OUTER,
    VARIANTS,
    LadderRows,
    first_rung,
    ladder_rows,
    ladder_task,
)
from screener.training.g4mp2.nested import folds_of
from screener.training.g4mp2.reference import OVERLAP

SMALL = (
    AdditiveSettings(4.0, 10.0, 1e-3, None, 0.3, 0.0, 0.0),
    AdditiveSettings(8.0, 10.0, 1e-3, None, 0.3, 0.0, 0.0),
)
PROPANOL = Structure(  # heavy atoms and the hydrogens that tell them apart, not a minimum
    np.array([6, 6, 6, 8, 1, 1], np.uint8),
    np.array(
        [[0, 0, 0], [1.5, 0, 0], [2.0, 1.4, 0], [3.4, 1.4, 0.3], [3.7, 0.5, 0.2], [-0.5, 0.9, 0.2]],
        np.float32,
    ),
)


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> LadderRows:
    """Some of the smallest molecules, with fluorine among them and labels of both kinds."""
    labelled = {molecule.name for molecule in reference.overlap()}
    small = [molecule for molecule in reference.ppe() if molecule.n_heavy <= 6]
    alkanes = [molecule for molecule in small if set(molecule.smiles) <= set("CF()")]
    fluorinated = [molecule for molecule in alkanes if "F" in molecule.smiles][:16]
    others = [molecule for molecule in small if "F" not in molecule.smiles]
    with_label = [molecule for molecule in others if molecule.name in labelled][:40]
    without = [molecule for molecule in others if molecule.name not in labelled][:12]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SCREENER_HOME", str(tmp_path_factory.mktemp("home")))
        return ladder_rows(*first_rung(), [*fluorinated, *with_label, *without])


def relabelled(rows: LadderRows, which: np.ndarray, shift: float) -> LadderRows:
    """The same rows with both labels of `which` moved; structures and predictions stay."""
    molecules = tuple(
        replace(m, ae0_g4mp2_kcal=m.ae0_g4mp2_kcal + shift) if moved else m
        for m, moved in zip(rows.molecules, which.tolist(), strict=True)
    )
    return replace(rows, molecules=molecules, b3lyp=np.where(which, rows.b3lyp - shift, rows.b3lyp))


@pytest.mark.reference_data
@pytest.mark.parametrize("variant", VARIANTS)
def test_no_label_reaches_its_own_prediction(rows, variant):
    fold = folds_of(rows.groups, N_OUTER, 0) == 2
    found = climb(rows, variant, SMALL)
    other = climb(relabelled(rows, fold, 30.0), variant, SMALL)
    for name in ("values", "low", "high"):
        assert np.array_equal(getattr(found, name)[fold], getattr(other, name)[fold])
    assert not np.allclose(found.values[~fold], other.values[~fold])


@pytest.mark.reference_data
def test_the_choice_of_the_variant_does_not_see_the_label_either(rows):
    fold = folds_of(rows.groups, N_OUTER, 0) == 2
    changed = relabelled(rows, fold, 30.0)
    found, other = (
        route(some, {name: climb(some, name, SMALL) for name in ("labels", "gfn2")})
        for some in (rows, changed)
    )
    assert (found.inside[2], found.outside[2]) == (other.inside[2], other.outside[2])
    assert np.array_equal(found.nested.values[fold], other.nested.values[fold])
    assert np.isfinite(found.nested.values).all()


@pytest.mark.reference_data
def test_suspect_molecules_are_predicted_but_not_fitted_on(rows):
    suspect = np.arange(len(rows.molecules)) == np.flatnonzero(rows.judged & rows.sound)[3]
    marked = replace(
        rows,
        molecules=tuple(
            replace(m, suspect="odd") if odd else m
            for m, odd in zip(rows.molecules, suspect.tolist(), strict=True)
        ),
    )
    found = climb(marked, "predictions", SMALL)
    other = climb(relabelled(marked, suspect, 30.0), "predictions", SMALL)
    assert np.array_equal(found.values, other.values)
    lines = {line.rows: line for line in assess(marked, found)}
    assert lines["all, suspect ones too"].figure.n == rows.judged.sum()
    assert lines["all but suspect"].figure.n == (rows.judged & rows.sound).sum() - 1


@pytest.mark.reference_data
def test_variants_differ_in_what_they_are_fitted_on(rows):
    n = {variant: int(ladder_task(rows, variant).fit.sum()) for variant in VARIANTS}
    assert n["labels"] < n["predictions"]
    assert n["predictions"] == n["labels, predictions"] == n["halfway"] == n["gfn2"]
    task = ladder_task(rows, "labels")
    assert not np.array_equal(task.low[task.fit], task.asked_low[task.fit])


@pytest.mark.reference_data
def test_the_ladder_beats_its_first_rung(rows):
    counted = rows.judged & rows.sound
    first = np.abs(rows.asked_first - rows.high)[counted].mean()
    (best, *others) = candidates(rows, ("labels", "predictions"), SMALL)
    assert best.everything.mae < first
    assert best.everything.mae <= others[0].everything.mae
    assert 0 < best.sp3.n <= best.fluorinated.n < best.everything.n


@pytest.mark.reference_data
def test_the_first_rung_was_not_fitted_on_any_of_the_molecules():
    split = pd.read_parquet(
        io.BytesIO((files("screener.data") / "qm9" / "splits.parquet").read_bytes())
    )
    table = pq.read_table(
        reference.reference_folder() / f"{OVERLAP}.parquet", columns=["qm9_index"]
    )
    shared = split[split["qm9_index"].isin(table["qm9_index"].to_pylist())]
    assert len(shared) > 200
    assert set(shared["part"]) == {"test"}
