"""How many molecules the shipped models can speak about, as far as drawings tell."""

import pytest

from screener.errors import ConfigError
from screener.inference import coverage as covering
from screener.inference.coverage import coverage, sample
from screener.inference.model import Model
from screener.models.shipped import QM9_DELTA, QM9_DIRECT, shipped_bundles

SMILES = ["O=C1OCCO1", "CC#N", "CS(C)=O", "C" * 15, "C[N+](C)(C)C", "C[CH2]", "O=C1OCC(F)O1"]
REASONS = {
    "has a charge of +1, and the models know only neutral molecules",
    "has unpaired electrons, and the models know only closed shells",
    "has sulfur, which the model never saw",
    "has 15 heavy atoms, and the model speaks of at most 14",
    "has a carbon bonded to C, F, H and O, as in no molecule that the model was fitted to",
}


def test_drawings_tell_what_models_know_and_why_not():
    (both,) = coverage(SMILES, [QM9_DIRECT, QM9_DELTA, QM9_DIRECT])
    assert both.bundles == (QM9_DIRECT, QM9_DELTA)
    assert (both.n_inside, both.n_molecules) == (2, 7)
    assert dict.fromkeys(REASONS, 1) == both.reasons


def test_it_is_an_upper_bound_of_what_the_model_itself_says():
    (one,) = coverage(SMILES, [QM9_DIRECT])
    predicted = Model(QM9_DIRECT).predict(SMILES)
    assert predicted["in_domain"].sum() <= one.n_inside


def test_every_shipped_bundle_is_told_once():
    told = coverage(SMILES, shipped_bundles())
    assert sorted(name for each in told for name in each.bundles) == shipped_bundles()
    assert all(each.n_molecules == len(SMILES) for each in told)
    with pytest.raises(ConfigError, match="there is no bundle none"):
        coverage(SMILES, ["none"])


def test_a_small_library_is_looked_at_whole_and_a_large_one_all_over(small_library, monkeypatch):
    whole = sample(small_library)
    assert len(whole) == small_library.n_rows == 22
    monkeypatch.setattr(covering, "MOST", 6)
    monkeypatch.setattr(covering, "_STRETCH", 2)
    some = sample(small_library)
    assert some == [whole[row] for row in (0, 1, 10, 11, 20, 21)]
