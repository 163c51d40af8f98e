from collections.abc import Sequence

import numpy as np
import pytest

from screener.errors import ConfigError
from screener.models.ladder import Ladder, Rung
from screener.models.model import RawPredictions
from screener.models.quantities import low_values
from screener.records import Structure

LEVELS = ("gfn2", "b3lyp", "g4mp2")


class PerAtom:
    """Adds so much per atom; its second column is another quantity."""

    def __init__(self, amount: float) -> None:
        self.amount = amount

    def predict(self, structures: Sequence[Structure]) -> RawPredictions:
        sizes = np.array([s.n_atoms for s in structures], dtype=np.float64)
        values = np.stack([sizes * self.amount, np.full(len(sizes), np.nan)], axis=1)
        offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        return RawPredictions(values, np.full(values.shape, 0.5), np.zeros(offsets[-1]), offsets)


def rung(low: str, high: str, amount: float = 1.0, level: str = "gfn2-opt") -> Rung:
    return Rung(low, high, level, PerAtom(amount))


@pytest.fixture(scope="module")
def ladder() -> Ladder:
    return Ladder([rung("gfn2", "b3lyp", -10.0), rung("b3lyp", "g4mp2", 0.5)])


def test_a_ladder_adds_its_rungs_to_the_gfn2_value(ladder, solvents):
    found = ladder.predict(solvents)
    low = low_values(solvents)["de_gfn2_kcal"]
    sizes = np.array([s.n_atoms for s in solvents])
    assert found.values == pytest.approx(low - 9.5 * sizes)
    assert found.levels["b3lyp"] == pytest.approx(low - 10.0 * sizes)
    assert list(found.levels) == list(LEVELS)
    assert found.stds.shape == (2, len(solvents))


def test_it_is_entered_at_a_rung_whose_value_is_given(ladder, solvents):
    low = np.linspace(100.0, 200.0, len(solvents))
    found = ladder.above("b3lyp").predict(solvents, low)
    assert found.values == pytest.approx(low + [0.5 * s.n_atoms for s in solvents])
    with pytest.raises(ConfigError, match="needs the values there"):
        ladder.above("b3lyp").predict(solvents)
    with pytest.raises(ConfigError, match="no rung begins at g4mp2"):
        ladder.above("g4mp2")
    with pytest.raises(ConfigError, match="as many low values"):
        ladder.predict(solvents, low[1:])


def test_rungs_that_do_not_chain_are_refused():
    with pytest.raises(ConfigError, match="cannot stand on one that ends at b3lyp"):
        Ladder([rung("gfn2", "b3lyp"), rung("gfn2", "g4mp2")])
    with pytest.raises(ConfigError, match="one geometry level throughout"):
        Ladder([rung("gfn2", "b3lyp"), rung("b3lyp", "g4mp2", level="b3lyp")])
    with pytest.raises(ConfigError, match="needs a rung"):
        Ladder([])


def test_structures_of_another_geometry_level_are_refused(ladder):
    ladder.require_geometry("gfn2-opt")
    with pytest.raises(ConfigError, match="not mmff94"):
        ladder.require_geometry("mmff94")
