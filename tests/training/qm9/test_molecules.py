import importlib.util
from itertools import islice

import pytest

from screener.errors import ConfigError
from screener.training.qm9 import molecules as qm9

needs_qm9 = pytest.mark.skipif(
    importlib.util.find_spec("qm9pack") is None, reason="qm9pack is not installed"
)


@needs_qm9
def test_entries_have_their_published_values():
    methane, ammonia = islice(qm9.entries(), 2)
    assert methane.atomic_numbers.tolist() == [6, 1, 1, 1, 1]
    assert methane.ae0_b3lyp_kcal == pytest.approx(395.999, abs=0.01)  # Sci. Data 1, 140022
    assert methane.homo_b3lyp_ev == pytest.approx(-10.550, abs=1e-3)
    assert methane.dipole_b3lyp_debye == 0.0
    assert ammonia.dipole_b3lyp_debye == pytest.approx(1.6256)


def test_numbers_of_mathematica_are_read():
    assert qm9._number("1.*^-6") == 1e-6
    assert qm9._number("-2.5E-3") == -2.5e-3


def test_missing_package_says_what_to_install(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="pip install"):
        next(qm9.entries())
