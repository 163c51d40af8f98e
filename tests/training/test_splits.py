import numpy as np
import pandas as pd
import pytest

from screener.training import splits
from screener.training.qm9.dataset import committed_splits


def molecules(n: int, seed: int = 3) -> tuple[list[int], list[str]]:
    rng = np.random.default_rng(seed)
    return list(range(1, n + 1)), [f"BLOCK{block:08d}" for block in rng.integers(0, 3 * n, n)]


def test_connectivities_never_part(monkeypatch):
    monkeypatch.setattr(splits, "N_FIT_AND_SELECTION", 700)
    monkeypatch.setattr(splits, "N_SELECTION", 100)
    monkeypatch.setattr(splits, "N_CALIBRATION", 100)
    index, blocks = molecules(1000)
    seen = set(blocks[:40])
    made = splits.make_splits(index, blocks, seen).set_index("qm9_index")
    made["block"] = pd.Series(blocks, index=index)
    assert made.groupby("block")["part"].nunique().max() == 1
    assert set(made.loc[made["block"].isin(seen), "part"]) == {"test"}
    assert (made["reserved"] == made["block"].isin(seen)).all()
    counts = made["part"].value_counts()
    assert (counts["fit"], counts["selection"], counts["calibration"]) == (600, 100, 100)
    assert counts["test"] == 200


def test_does_not_depend_on_the_order_of_the_molecules(monkeypatch):
    monkeypatch.setattr(splits, "N_FIT_AND_SELECTION", 50)
    monkeypatch.setattr(splits, "N_SELECTION", 10)
    monkeypatch.setattr(splits, "N_CALIBRATION", 10)
    index, blocks = molecules(100)
    made = splits.make_splits(index, blocks, set())
    turned = splits.make_splits(index[::-1], blocks[::-1], set())
    assert made.equals(turned)


def test_the_committed_split_is_the_protocol_of_the_reference():
    committed = committed_splits()
    counts = committed["part"].value_counts().to_dict()
    assert counts["fit"] + counts["selection"] == 117_232
    assert counts["calibration"] == 5_000
    assert counts["test"] >= 5_000
    assert committed["qm9_index"].is_unique


def test_first_of_each_part_are_a_fair_sample():
    committed = committed_splits()
    for part in splits.PARTS:
        of_part = committed[committed["part"] == part].sort_values("order")
        drawn = of_part.loc[~of_part["reserved"], "qm9_index"]  # QM9 is sorted by size
        assert drawn[:500].mean() == pytest.approx(drawn.mean(), rel=0.15)
