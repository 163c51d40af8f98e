"""Models answer for SMILES and structures alike, and drop nothing."""

import numpy as np
import pytest

from screener.chemistry.identity import mol_id
from screener.chemistry.structures import make_structure
from screener.errors import ConfigError
from screener.inference.model import Model

SMILES = ["CC#N", "not a molecule", "COC(C)=O", "CC1([C@H]2CC[C@]1(C(=O)C2)C)C", "O=C1OCC(F)O1"]


@pytest.fixture(scope="module")
def model(tiny_bundles) -> Model:
    return Model(tiny_bundles.direct)


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
