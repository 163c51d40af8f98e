import numpy as np
import pytest

from screener.errors import ConfigError
from screener.training.tables.conventions import parse_quantity, stored

METHANE_D0_HA = 395.999 / 627.5094740631


@pytest.mark.parametrize(
    ("unit", "value"),
    [("kcal/mol", 395.999), ("kJ/mol", 1656.860), ("eV", 17.17200), ("hartree", METHANE_D0_HA)],
)
def test_one_energy_in_every_unit_and_sign_is_stored_as_the_same_number(unit, value):
    quantity = parse_quantity("ae0_b3lyp_kcal")
    for sign, factor in (("bound-positive", 1.0), ("bound-negative", -1.0)):
        found = stored(np.array([factor * value]), quantity, unit, sign)
        assert found[0] == pytest.approx(395.999, abs=1e-2)


def test_sign_is_of_atomization_energies_alone():
    values = np.array([-0.25])
    found = stored(values, parse_quantity("homo_b3lyp_ev"), "hartree", "bound-negative")
    assert found[0] == pytest.approx(-6.80285, abs=1e-4)
    dipole = stored(np.array([1.0]), parse_quantity("dipole_x_debye"), "atomic", "bound-negative")
    assert dipole[0] == pytest.approx(2.541746)


def test_names_say_what_a_quantity_is():
    assert parse_quantity("ae0_g4mp2_kcal").has_zero_point
    assert not parse_quantity("de_gfn2_kcal").has_zero_point
    assert not parse_quantity("homo_b3lyp_ev").is_atomization
    for name in ("ae0", "ae0_b3lyp", "ae0_b3lyp_furlong", "ae0__kcal"):
        with pytest.raises(ConfigError, match="is no quantity"):
            parse_quantity(name)
    with pytest.raises(ConfigError, match="labels in debye cannot be that"):
        parse_quantity("ae0_b3lyp_kcal").given_in("debye")
