import importlib.util
from itertools import islice

import numpy as np
import pandas as pd
import pytest

from screener.chemistry.gfn2 import with_gfn2
from screener.chemistry.identity import identify
from screener.chemistry.placing import restore
from screener.errors import ConfigError
from screener.records import Structure
from screener.structures.recipe import GEOMETRY, Item, Recipe
from screener.training.qm9 import committed, dataset, labels
from screener.training.qm9 import molecules as qm9

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("qm9pack") is None, reason="qm9pack is not installed"
    ),
]

N = 12  # the first molecules of QM9 are tiny: methane, ammonia, water, acetylene, ...


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("SCREENER_HOME", str(tmp_path))
    first = list(islice(qm9.entries(), N))
    monkeypatch.setattr(qm9, "entries", lambda: iter(first))
    monkeypatch.setattr(Recipe, "unit_rows", property(lambda self: 2))
    parts = [labels_part for labels_part in ("fit", "test") for _ in range(N // 2)]
    splits = pd.DataFrame({"qm9_index": [e.index for e in first], "part": parts, "order": range(N)})
    monkeypatch.setattr(dataset, "committed_splits", lambda: splits)
    wanted = {kind: {"fit": 3, "test": 2} for kind in labels.KINDS}
    monkeypatch.setattr(labels, "WANTED", wanted)
    committed.entries.cache_clear()
    yield splits
    committed.entries.cache_clear()


def test_labels_are_made_once_resumed_and_joined(home, client):
    seen = []
    molecules = labels.restore_all(client, seen.append)
    assert sum(seen) == N
    assert (molecules["aside"] == "").all()
    assert molecules["smiles"].tolist()[:4] == ["C", "N", "O", "C#C"]

    for kind in labels.KINDS:
        made = []
        labels.make_structures(client, kind, molecules, home, made.append)
        assert sum(made) == 5
        units = sorted(labels.own_root().sizes("", ".zip"))
        labels.make_structures(client, kind, molecules, home, made.append)
        assert made[-1] == 5  # all there at once: nothing is made again
        assert sorted(labels.own_root().sizes("", ".zip")) == units

    for kind in labels.KINDS:  # the first kinds from what is committed, the others as just made
        set_ = dataset.load(kind, {"fit": 3})
        assert set_.qm9_index.tolist() == [1, 2, 3]
        assert set_.n_failed == 0
        assert all("energy_gfn2_ha" in structure.values for structure in set_.data.structures)
        assert set_.data.high["ae0_b3lyp_kcal"][0] == pytest.approx(395.999, abs=0.01)

    again = []
    labels.restore_all(client, again.append)
    assert again == []  # the blocks are there
    with pytest.raises(ConfigError, match="not made yet"):
        dataset.load("mmff94-gfn2", {"fit": 6})


def test_only_keeps_its_own_order():
    structures = [
        Structure(np.array([1], np.uint8), np.full((1, 3), float(i), np.float32)) for i in range(4)
    ]
    high = {name: np.arange(4.0) for name in dataset.HIGH}
    data = dataset.FitData(structures, high)
    kept = dataset.Labelled(np.array([9, 4, 7, 1]), data, 0).only(np.array([1, 9, 7]))
    assert kept.qm9_index.tolist() == [9, 7, 1]
    assert kept.data.high["lumo_b3lyp_ev"].tolist() == [0.0, 2.0, 3.0]


@pytest.mark.parametrize("kind", labels.KINDS)
def test_committed_scalars_come_out_again(kind):
    known = committed.scalars(kind)
    entries = [entry for entry in islice(qm9.entries(), 400) if entry.index in known.index]
    for entry in entries[:4]:
        restored = identify(restore(entry.smiles, entry.atomic_numbers, entry.positions))
        geometry = Structure(entry.atomic_numbers, entry.positions.astype(np.float32))
        recipe = labels.recipe_of(kind)
        smiles = entry.smiles if recipe.start == GEOMETRY else restored.smiles
        made = recipe.make(Item(restored.mol_id, smiles, geometry))
        # other processors round differently, and a walk downhill can end a little elsewhere
        assert made.values["energy_gfn2_ha"] == pytest.approx(
            known.loc[entry.index, "energy_gfn2_ha"], abs=2e-4
        )


@pytest.mark.parametrize("kind", committed.KINDS)
def test_committed_structures_have_the_energies_of_their_labels(home, kind):
    rows = np.intersect1d(home["qm9_index"], committed.scalars(kind).index)
    assert len(rows) > 0
    for structure in committed.structures(kind, rows).values():
        again = with_gfn2(structure).values
        # minima are stored to a thousandth of an angstrom
        assert again["energy_gfn2_ha"] == pytest.approx(
            structure.values["energy_gfn2_ha"], abs=2e-5
        )
        assert again["homo_gfn2_ev"] == pytest.approx(structure.values["homo_gfn2_ev"], abs=0.02)


def test_what_is_not_committed_is_an_error():
    with pytest.raises(ConfigError, match="1 of 2 labels of kind b3lyp-gfn2 are not committed"):
        committed.structures("b3lyp-gfn2", np.array([1, 999_999]))
