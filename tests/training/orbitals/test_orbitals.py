"""Orbital energies and dipole moments of ten elements: labels, folds, and the whole training."""

import os
from importlib.resources import files

import numpy as np
import pytest
import torch
from rdkit import Chem
from rdkit.Chem.rdMolDescriptors import CalcMolFormula

from screener.chemistry.b3lyp import ELEMENTS
from screener.models.baseline import Scale
from screener.models.bundle import load_bundle
from screener.models.readout.inputs import Inputs
from screener.models.readout.network import Readout, ReadoutSettings
from screener.registry.elements import symbol_of
from screener.stores.files import from_parquet
from screener.training.orbitals import train
from screener.training.orbitals.held import Held, half_widths
from screener.training.orbitals.molecules import BATTERY, COLUMNS, PPE


def battery() -> list[dict]:
    data = (files("screener.data") / "b3lyp" / "battery.parquet").read_bytes()
    return from_parquet(data).to_pylist()


def test_battery_labels_are_of_the_molecules_that_their_smiles_name():
    labelled = [row for row in battery() if not row["code"]]
    assert len(labelled) >= 30
    assert {number for row in labelled for number in row["atomic_numbers"]} <= ELEMENTS
    for row in labelled:
        molecule = Chem.AddHs(Chem.MolFromSmiles(row["smiles"]))
        symbols = sorted(map(symbol_of, row["atomic_numbers"]))
        assert symbols == sorted(atom.GetSymbol() for atom in molecule.GetAtoms())
        assert len(row["positions"]) == 3 * len(symbols), CalcMolFormula(molecule)
        assert -13.0 < row["homo_b3lyp_ev"] < row["lumo_b3lyp_ev"] < 4.0
        assert 0.0 <= row["dipole_b3lyp_debye"] < 15.0


def test_orbitals_are_added_to_those_of_gfn2_and_the_dipole_is_one_of_charges():
    low = {each.name: each.low for each in train.orbital_targets().all}
    assert low == {
        "homo_b3lyp_ev": "homo_gfn2_ev",
        "lumo_b3lyp_ev": "lumo_gfn2_ev",
        "gap_b3lyp_ev": "gap_gfn2_ev",
        "dipole_b3lyp_debye": None,
    }


def test_no_group_of_networks_learns_its_own_fold():
    folds = np.array([0, 3, 3, 1])
    seen = train._seen(2, folds).reshape(6, train.N_FOLDS, train.PER_FOLD)
    assert (seen[:2] == 1.0).all()
    for row, fold in zip(seen[2:], folds, strict=True):
        assert (row[fold] == 0.0).all()
        assert row.sum() == pytest.approx(train.N_FOLDS * train.PER_FOLD)


@pytest.fixture
def inputs(solvents) -> Inputs:
    generator = np.random.default_rng(0)
    few = solvents[:60]
    drawn = [generator.normal(size=(each.n_atoms, 6)).astype(np.float32) for each in few]
    return Inputs(few, drawn, [np.zeros(each.n_atoms, np.float32) for each in few])


@pytest.fixture
def network() -> Readout:
    settings = ReadoutSettings(
        kinds=("mean", "mean", "moment"), n_inputs=6, n_members=4, n_groups=2, n_hidden=8
    )
    made = Readout(settings)
    with torch.no_grad():
        made.last.normal_(0.0, 0.5, generator=torch.Generator().manual_seed(0))
    return made


SCALE = Scale((1, 6, 7, 8, 9), np.zeros((3, 6)), np.ones(3))


def test_a_molecule_is_judged_by_the_group_that_has_not_seen_it(inputs, network):
    groups = np.arange(60) % 2
    wanted = np.zeros((60, 3))
    before = Held.of(network, SCALE, inputs, wanted, groups)
    with torch.no_grad():
        network.last_bias[:2, :2] += 1.0  # the first group
    after = Held.of(network, SCALE, inputs, wanted, groups)
    np.testing.assert_allclose((after.values - before.values)[groups == 0, :2], 1.0, atol=1e-6)
    np.testing.assert_array_equal(after.values[groups == 1], before.values[groups == 1])


def test_intervals_of_others_hold_what_they_say(inputs, network):
    """Errors drawn from one distribution, a third of them asked for."""
    held = Held.of(network, SCALE, inputs, np.zeros((60, 3)), np.arange(60) % 2)
    errors = np.random.default_rng(1).laplace(0.0, held.stds)
    held = Held(held.structures, held.values, held.values - errors, held.stds, held.told)
    asked = np.arange(60) % 3 == 0
    rest = held.rows(np.flatnonzero(~asked))
    widths = half_widths(rest, rest, held.rows(np.flatnonzero(asked)), train.orbital_targets())
    assert list(widths) == [each.name for each in train.orbital_targets().all]
    covered = np.abs(errors[asked, 0]) <= widths["homo_b3lyp_ev"]
    assert 0.75 <= covered.mean() <= 1.0


@pytest.mark.slow
@pytest.mark.skipif("SCREENER_REFERENCE_DATA" not in os.environ, reason="no reference data")
def test_the_whole_training_writes_a_bundle(tmp_path, monkeypatch):
    """With few molecules of QM9, of which those from SMILES stand at QM9's geometries here."""
    monkeypatch.setattr(
        train, "N_QM9", {"fit": 300, "selection": 80, "calibration": 80, "test": 500}
    )
    monkeypatch.setattr(train, "SETTINGS", train.SETTINGS.model_copy(update={"n_epochs": 1}))
    monkeypatch.setattr(train, "N_COPIES", 1)
    of_qm9 = train.qm9_molecules
    monkeypatch.setattr(
        train,
        "qm9_molecules",
        lambda part, n, kind=None, besides=(): of_qm9(part, min(n, 500), besides=besides),
    )
    judged = train.train_orbitals(tmp_path)
    assert judged["homo_b3lyp_ev"]["n"] >= 30
    card = load_bundle(str(tmp_path)).card
    assert tuple(card.quantities) == (*COLUMNS[:2], "gap_b3lyp_ev", COLUMNS[2])
    assert {f"{train.OUT_OF_FOLD}: {name}" for name in (BATTERY, PPE)} <= set(card.metrics)
    assert set(card.elements) == set(map(symbol_of, ELEMENTS))
