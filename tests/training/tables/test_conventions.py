import numpy as np
import pytest

from screener.errors import ConfigError
from screener.registry.columns import column
from screener.registry.units import units_by_name
from screener.training.tables.conventions import has_zero_point, is_atomization, stored

METHANE_D0_HA = 395.999 / 627.5094740631
UNITS = units_by_name()


@pytest.mark.parametrize(
    ("unit", "value"),
    [("kcal/mol", 395.999), ("kJ/mol", 1656.860), ("eV", 17.17200), ("hartree", METHANE_D0_HA)],
)
def test_one_energy_in_every_unit_and_sign_is_stored_as_the_same_number(unit, value):
    energy = column("ae0_b3lyp_kcal")
    for sign, factor in (("bound-positive", 1.0), ("bound-negative", -1.0)):
        found = stored(np.array([factor * value]), energy, UNITS[unit], sign)
        assert found[0] == pytest.approx(395.999, abs=1e-2)


def test_sign_is_of_atomization_energies_alone():
    homo = stored(np.array([-0.25]), column("homo_b3lyp_ev"), UNITS["hartree"], "bound-negative")
    assert homo[0] == pytest.approx(-6.80285, abs=1e-4)
    dipole = column("dipole_gfn2_debye")
    found = stored(np.array([1.0]), dipole, UNITS["atomic"], "bound-negative")
    assert found[0] == pytest.approx(2.541746)


def test_columns_say_which_conventions_matter():
    assert has_zero_point(column("ae0_g4mp2_kcal"))
    assert is_atomization(column("de_gfn2_kcal"))
    assert not has_zero_point(column("de_gfn2_kcal"))
    assert not is_atomization(column("homo_b3lyp_ev"))
    with pytest.raises(ConfigError, match="debye is a unit of dipole moment"):
        stored(np.ones(1), column("ae0_b3lyp_kcal"), UNITS["debye"], "bound-positive")
