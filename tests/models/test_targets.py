"""What a model predicts, from any columns of the registry."""

import numpy as np
import pytest
from model_fixtures import DELTA, DIRECT

from screener.errors import ConfigError
from screener.models.low_values import LowValues
from screener.models.targets import targets_of
from screener.registry.columns import column


def test_differences_stand_behind_their_parts():
    assert [each.name for each in DIRECT.all] == [
        "ae0_b3lyp_kcal", "homo_b3lyp_ev", "lumo_b3lyp_ev", "gap_b3lyp_ev", "dipole_b3lyp_debye",
    ]  # fmt: skip
    assert DIRECT.extensive == (True, False, False, False)
    turned = targets_of([column("lumo_b3lyp_ev"), column("homo_b3lyp_ev")])
    assert turned.all[-1].difference == ("lumo_b3lyp_ev", "homo_b3lyp_ev")
    alone = targets_of([column("lumo_b3lyp_ev"), column("homo_gfn2_ev")])
    assert [each.name for each in alone.all] == ["lumo_b3lyp_ev", "homo_gfn2_ev"]


def test_values_and_stds_of_differences_follow_from_their_parts():
    fitted = np.array([[1000.0, -7.0, 1.0, 2.0]])
    assert DIRECT.values(fitted)["gap_b3lyp_ev"][0] == 8.0
    assert DIRECT.stds(np.array([[1.0, 3.0, 4.0, 1.0]]))["gap_b3lyp_ev"][0] == 5.0


def test_low_columns_are_those_of_the_lower_level():
    low = LowValues(DELTA.low_columns)
    assert low.columns == (
        "de_gfn2_kcal", "homo_gfn2_ev", "lumo_gfn2_ev", "gap_gfn2_ev", "dipole_gfn2_debye",
        "energy_gfn2_ha",
    )  # fmt: skip
    assert set(low.read) == {
        "energy_gfn2_ha", "homo_gfn2_ev", "lumo_gfn2_ev", "dipole_gfn2_debye",
    }  # fmt: skip
    assert (DIRECT.kind, DELTA.kind) == ("direct", "delta")
    assert DIRECT.low_columns == ()


@pytest.mark.parametrize(
    ("names", "low", "message"),
    [
        (["gap_b3lyp_ev"], None, "never fitted: it follows from lumo and homo"),
        (["ae0_b3lyp_kcal_per_atom"], None, "fit the value of the whole molecule"),
        (["homo_b3lyp_ev", "homo_b3lyp_ev"], None, "each once"),
        ([], None, "needs columns"),
    ],
)
def test_what_cannot_be_fitted_is_refused(names, low, message):
    with pytest.raises(ConfigError, match=message):
        targets_of([column(name) for name in names], low)


def test_low_values_that_no_level_computes_are_refused():
    with pytest.raises(ConfigError, match="no level computes that"):
        LowValues(["nonsense_k"])
