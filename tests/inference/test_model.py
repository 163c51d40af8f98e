"""Models answer for SMILES and structures alike, and drop nothing."""

import numpy as np
import pytest
from model_fixtures import SOLVENTS
from rdkit import Chem

from screener.chemistry.identity import mol_id
from screener.chemistry.standardise import StandardiseSettings
from screener.chemistry.structures import make_structure
from screener.errors import ConfigError
from screener.inference.model import Model
from screener.models.shipped import ORBITALS_BY_AIMNET2
from screener.models.targets import targets_of
from screener.training.fit.data import FitData, FitSets
from screener.training.fit.morgan_gp import MorganGpSettings, fit_morgan_gp
from screener.training.fit.save import save_bundle
from screener.training.tables.names import QuantityConfig, names_of

SMILES = ["CC#N", "not a molecule", "COC(C)=O", "CC1([C@H]2CC[C@]1(C(=O)C2)C)C", "O=C1OCC(F)O1"]


@pytest.fixture(scope="module")
def model(tiny_bundles) -> Model:
    return Model(tiny_bundles.direct)


@pytest.fixture(scope="module")
def drawing_model(tmp_path_factory) -> Model:
    """A model of a made-up boiling point that reads drawings."""
    column = "boiling_point_k"
    known = [Chem.CanonSmiles(each) for each in SOLVENTS]
    heavy = [Chem.MolFromSmiles(each).GetNumHeavyAtoms() for each in known]
    labels = 150.0 + 60.0 * np.sqrt(np.array(heavy, dtype=float))

    def data(rows: slice) -> FitData:
        return FitData((), {column: labels[rows]}, known[rows])

    names = names_of({}, {"boiling_point": QuantityConfig(unit="K", lower=0.0)})
    fitted = fit_morgan_gp(
        FitSets(
            data(slice(50, None)), data(slice(20)), data(slice(20, 50)),
            targets_of([names.column(column)]), "drawing",
        ),
        MorganGpSettings(min_seen=1, outside=0.0),
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("bundles") / "drawn"
    save_bundle(
        folder, fitted, name="drawn", n_conformers=1, data={}, splits={}, seeds={}, metrics={},
        golden=known[:4],
    )  # fmt: skip
    return Model(str(folder))


def test_every_molecule_has_a_row_in_its_place(model):
    frame = model.predict(SMILES)
    assert frame["smiles_input"].tolist() == SMILES
    assert (frame["code"] != "").tolist() == [False, True, False, True, False]
    assert frame.loc[1, "message"]
    assert frame["homo_b3lyp_ev"].notna().tolist() == [True, False, True, False, False]
    assert frame["in_domain"].tolist() == [True, False, True, False, False]
    assert frame.loc[4, "domain_reasons"]  # fluorine was in no training molecule
    assert frame.loc[0, "mol_id"] == mol_id("CC#N")
    assert frame.loc[1, "mol_id"] is None
    inside = frame[frame["in_domain"]]
    assert (inside["homo_b3lyp_ev_lo90"] < inside["homo_b3lyp_ev"]).all()
    assert inside["ae0_b3lyp_kcal_per_atom"].to_numpy() == pytest.approx(
        (inside["ae0_b3lyp_kcal"] / inside["n_atoms"]).to_numpy(dtype=float)
    )


def test_structures_give_what_their_smiles_give(model):
    structures = [make_structure(text, mol_id(text), model.geometry) for text in ("CC#N", "COC=O")]
    from_structures = model.predict(structures)
    from_smiles = model.predict(["CC#N", "COC=O"])
    for column in ("ae0_b3lyp_kcal", "homo_b3lyp_ev", "dipole_b3lyp_debye_hi90"):
        np.testing.assert_array_equal(from_structures[column], from_smiles[column])


def test_other_ways_to_write_a_molecule_change_nothing(model):
    frame = model.predict(["CC#N", "N#CC", "[CH3]C#N"])
    assert frame["homo_b3lyp_ev"].nunique() == 1
    assert frame["mol_id"].nunique() == 1


def test_one_smiles_is_a_list_of_one_and_none_is_none(model):
    assert len(model.predict("CC#N")) == 1
    assert len(model.predict([])) == 0


def test_mixed_and_foreign_input_is_refused(model):
    structure = make_structure("CC#N", mol_id("CC#N"), model.geometry)
    with pytest.raises(ConfigError, match="not both"):
        model.predict(["CC#N", structure])
    with pytest.raises(ConfigError, match="SMILES or as"):
        model.predict([1.0])


def test_a_delta_model_refuses_structures_without_low_values(tiny_bundles, model):
    structure = make_structure("CC#N", mol_id("CC#N"), model.geometry)
    with pytest.raises(ConfigError, match="energy_gfn2_ha"):
        Model(tiny_bundles.delta).predict([structure])


def test_a_delta_model_has_the_low_values_of_smiles_computed():
    """Also those that the level of its geometries does not make."""
    table = Model(ORBITALS_BY_AIMNET2).predict("CCO")
    told = table.iloc[0]
    assert told["in_domain"]
    assert told["homo_b3lyp_ev"] == pytest.approx(-7.2, abs=0.3)  # QM9 -7.13
    low = told["homo_gfn2_ev"]
    assert told["homo_b3lyp_ev_delta"] == pytest.approx(told["homo_b3lyp_ev"] - low)


def test_a_model_that_reads_drawings_predicts_from_smiles_alone(drawing_model):
    smiles = ["N#CC", "not a molecule", "CCO", "C[N+](C)(C)C", "CCCCl"]
    frame = drawing_model.predict(smiles, StandardiseSettings(allow_charged=True))
    assert frame["smiles_input"].tolist() == smiles
    assert frame["smiles"].tolist() == ["CC#N", None, "CCO", "C[N+](C)(C)C", "CCCCl"]
    assert (frame["code"] != "").tolist() == [False, True, False, False, False]
    assert frame["in_domain"].tolist() == [True, False, True, False, False]
    assert frame["n_atoms"].dropna().tolist() == [6, 9, 17, 11]
    assert set(frame["geometry_level"].dropna()) == {"drawing"}
    assert frame.loc[3, "domain_reasons"].count("charge") == 1
    assert frame.loc[4, "domain_reasons"] == "has chlorine, which the model never saw"
    inside = frame[frame["in_domain"]].reset_index()
    assert inside["boiling_point_k"].between(150.0, 400.0).all()
    assert (inside["boiling_point_k_lo90"] < inside["boiling_point_k"]).all()
    alone = [drawing_model.predict(each).loc[0, "boiling_point_k"] for each in ("CC#N", "CCO")]
    assert inside["boiling_point_k"].tolist() == alone


def test_a_molecule_without_a_structure_has_a_prediction_from_its_drawing(model, drawing_model):
    bridged = "CC1([C@H]2CC[C@]1(C(=O)C2)C)C"  # drawn so that it cannot be embedded
    assert model.predict(bridged).loc[0, "code"] != ""
    assert drawing_model.predict(bridged).loc[0, "code"] == ""


def test_a_model_that_reads_drawings_has_no_geometry_and_takes_no_structures(model, drawing_model):
    with pytest.raises(ConfigError, match="drawn reads drawings: it has no geometry"):
        _ = drawing_model.geometry
    structure = make_structure("CC#N", mol_id("CC#N"), model.geometry)
    with pytest.raises(ConfigError, match="drawn reads drawings: give it SMILES"):
        drawing_model.predict([structure])
    assert len(drawing_model.predict([])) == 0
