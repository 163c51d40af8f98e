"""Models of elements and columns that the shipped ones do not have."""

import numpy as np
import pytest
from model_fixtures import SMALL, SMALL_NETWORK, embed, made_up

from screener.models.bundle import load_bundle
from screener.models.targets import targets_of
from screener.records import Structure
from screener.registry.columns import column
from screener.stores.refused import without_refusals
from screener.training.fit.calibrate import FittedModel
from screener.training.fit.data import FitData, FitSets
from screener.training.fit.save import save_bundle
from screener.training.fit.schnet import fit_schnet_model
from screener.training.fit.sparse_gp import fit_model

SULFUR = ["S", "CS", "CCS", "CSC", "CCSC", "CCSCC", "SCCS", "CS(C)=O", "CS(C)(=O)=O", "C1CCSC1",
          "c1ccsc1", "CC(C)S", "CCCS", "OCCS", "CSCO", "CC(=O)SC", "CSSC", "SC=C", "C1CS1", "COCS",
          "CCO", "CC", "CC=O", "COC", "C1CC1", "OCCO", "CC(C)=O", "CCOC", "C=C", "CO"]  # fmt: skip


@pytest.fixture(scope="module")
def structures() -> list[Structure]:
    return [embed(smiles) for smiles in SULFUR]


def sets_of(structures: list[Structure], names: tuple[str, ...]) -> FitSets:
    values = [made_up(each) for each in structures]
    data = FitData(structures, {name: np.array([each[name] for each in values]) for name in names})
    targets = targets_of([column(name) for name in names])
    return FitSets(data, data.subset(np.arange(0, len(data), 3)), data, targets, "mmff94")


@pytest.fixture(scope="module")
def fitted(structures) -> dict[str, FittedModel]:
    """A model of sums alone, one of means alone, and a network of one column."""
    return {
        "sums": fit_model(sets_of(structures, ("ae0_b3lyp_kcal",)), SMALL),
        "means": fit_model(sets_of(structures, ("lumo_b3lyp_ev", "dipole_b3lyp_debye")), SMALL),
        "network": fit_schnet_model(sets_of(structures, ("dipole_b3lyp_debye",)), SMALL_NETWORK),
    }


@pytest.mark.parametrize("name", ["sums", "means", "network"])
def test_it_knows_its_own_elements_and_columns_alone(name, fitted, structures, tmp_path):
    model = fitted[name]
    bundle = save_bundle(
        tmp_path / name, model, name=name, n_conformers=1, data={}, splits={}, seeds={},
        metrics={}, golden=structures[:3],
    )  # fmt: skip
    assert bundle.card.elements == ("H", "C", "O", "S")
    columns = list(bundle.card.quantities)
    assert columns == list(model.predictor.targets.names)
    again = load_bundle(tmp_path / name)
    table = again.predict(structures)
    assert table.equals(model.predict(structures))
    assert table.column_names[: 4 * len(columns)] == [
        each + ending for each in columns for ending in ("", "_std", "_lo90", "_hi90")
    ]
    # the small network is too uncertain of some, and of none for another reason
    assert {without_refusals(each, columns) for each in table["domain_reasons"].to_pylist()} == {""}
    reasons = again.predict([embed("CF")])["domain_reasons"][0].as_py()
    assert reasons == "has fluorine, which the model never saw"


def test_sums_and_means_are_learned(fitted, structures):
    for name, column_name, limit in (
        ("sums", "ae0_b3lyp_kcal", 5.0),
        ("means", "lumo_b3lyp_ev", 0.05),
    ):
        predicted = np.array(fitted[name].predict(structures)[column_name].to_pylist())
        true = np.array([made_up(each)[column_name] for each in structures])
        assert np.abs(predicted - true).mean() < limit * max(1.0, np.abs(true).mean() / 1000.0)
