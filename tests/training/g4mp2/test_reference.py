from pathlib import Path

import numpy as np
import pytest

from screener.errors import ConfigError, SchemaError
from screener.records import Structure
from screener.training.g4mp2 import reference
from screener.training.g4mp2.reference import VARIABLE, ReferenceMolecule
from screener.training.g4mp2.structures import item_of, recipe_of, reference_structures

WATER = ReferenceMolecule(
    name="water",
    origin="test",
    smiles="O",
    block="XLYOFNOQVPJJNP",
    structure=Structure(
        np.array([8, 1, 1], np.uint8),
        np.array([[0.0, 0.0, 0.119], [0.0, 0.761, -0.475], [0.0, -0.761, -0.475]], np.float32),
    ),
    ae0_b3lyp_kcal=float("nan"),
    ae0_g4mp2_kcal=219.0,
    suspect="",
    n_heavy=1,
    in_ppe=False,
)


def test_a_missing_variable_says_what_to_set(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    with pytest.raises(ConfigError, match=f"set {VARIABLE}"):
        reference.overlap()


def test_a_folder_that_is_none_or_lacks_the_file_is_refused(monkeypatch, tmp_path: Path):
    monkeypatch.setenv(VARIABLE, str(tmp_path / "nowhere"))
    with pytest.raises(ConfigError, match="no folder"):
        reference.ppe()
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    with pytest.raises(SchemaError, match="there is no ppe1694"):
        reference.ppe()


@pytest.mark.reference_data
def test_the_overlap_has_both_levels_near_each_other():
    molecules = reference.overlap()
    low, high = np.array([(m.ae0_b3lyp_kcal, m.ae0_g4mp2_kcal) for m in molecules]).T
    assert 2.0 < np.abs(high - low).mean() < 5.0  # kcal/mol; 3.2 in the complete set
    assert all(len(m.block) == 14 and m.n_heavy == (m.structure.atomic_numbers > 1).sum()
               for m in molecules)  # fmt: skip


@pytest.mark.reference_data
def test_the_wider_set_is_closed_shell_and_has_fluorine_but_no_low_level():
    molecules = reference.ppe()
    assert np.isnan([m.ae0_b3lyp_kcal for m in molecules]).all()
    assert np.isfinite([m.ae0_g4mp2_kcal for m in molecules]).all()
    assert sum(9 in m.structure.atomic_numbers for m in molecules) > 50
    blocks = {m.block for m in molecules}
    assert blocks >= {m.block for m in reference.overlap()}


def test_structures_are_made_once(monkeypatch, tmp_path: Path):
    monkeypatch.setenv("SCREENER_HOME", str(tmp_path))
    broken = ReferenceMolecule(
        "broken", "test", "[Na]", "", WATER.structure, np.nan, 0.0, "", 1, False
    )
    first = reference_structures("gfn2-opt", [WATER, broken])
    assert first[1] is None
    assert first[0] is not None
    assert "energy_gfn2_ha" in first[0].values
    again = reference_structures("gfn2-opt", [broken, WATER])
    assert again[0] is None
    assert again[1] is not None
    assert again[1].positions.tobytes() == first[0].positions.tobytes()
    assert len(list(tmp_path.rglob("units/*/*.zip"))) == 1


@pytest.mark.parametrize("kind", ["b3lyp-opt", "gfn2-opt-from-b3lyp"])
def test_structures_from_a_geometry_are_at_or_below_it(kind):
    made, single = (recipe_of(each).make(item_of(each, WATER)) for each in (kind, "b3lyp-opt"))
    assert "energy_gfn2_ha" in made.values
    assert "energy_gfn2_ha" in single.values
    assert made.values["energy_gfn2_ha"] <= single.values["energy_gfn2_ha"]
    assert made.atomic_numbers.tolist() == [8, 1, 1]
