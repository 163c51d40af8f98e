import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from screener.errors import ConfigError
from screener.training.splits import PARTS
from screener.training.tables.partition import by_connectivity, require_apart

FRACTIONS = {"fit": 0.5, "selection": 0.1, "calibration": 0.1, "test": 0.3}


@given(
    connectivity=st.lists(st.sampled_from([f"B{n}" for n in range(40)]), min_size=1, max_size=300),
    seed=st.integers(0, 2**32 - 1),
)
def test_connectivities_never_part_and_order_does_not_matter(connectivity, seed):
    parts = by_connectivity(connectivity, FRACTIONS, seed)
    of = dict(zip(connectivity, parts.tolist(), strict=True))
    assert [of[block] for block in connectivity] == parts.tolist()
    again = by_connectivity(connectivity[::-1], FRACTIONS, seed)
    assert again.tolist() == parts.tolist()[::-1]


def test_shares_are_those_asked_for():
    connectivity = [f"B{n // 3}" for n in range(3000)]
    parts = by_connectivity(connectivity, FRACTIONS, 7)
    for part in PARTS:
        assert (parts == part).sum() == pytest.approx(3000 * FRACTIONS[part], abs=3)
    assert (by_connectivity(connectivity, FRACTIONS, 8) != parts).any()


def test_stereoisomers_in_two_parts_are_refused_and_named():
    parts = np.array(["fit", "test", ""])
    with pytest.raises(ConfigError, match=r"^1 molecules .*: RS and SR in fit and"):
        require_apart(parts, ["A", "A", "A"], ["SR", "RS", "RR"])
