"""Weights of columns in a loss, by the names of columns or of quantities."""

import pytest
from model_fixtures import DIRECT, SMALL_READOUT, labelled

from screener.errors import ConfigError
from screener.training.fit.data import FitSets
from screener.training.fit.loss_weights import loss_weights_of
from screener.training.fit.readout import fit_readout


def test_a_column_goes_before_its_quantity_and_others_weigh_one():
    given = {"homo": 2.0, "lumo": 3.0, "lumo_b3lyp_ev": 0.5}
    assert loss_weights_of(given, DIRECT) == (1.0, 2.0, 0.5, 1.0)


def test_a_weight_of_nothing_that_is_learned_is_refused(solvents):
    settings = SMALL_READOUT.model_copy(update={"loss_weights": {"gap": 2.0}})
    few = labelled(solvents[:20])
    with pytest.raises(ConfigError, match="loss_weights names gap, and the model learns ae0_b3lyp"):
        fit_readout(FitSets(few, few, few, DIRECT, "mmff94"), settings)
