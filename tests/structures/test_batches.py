import numpy as np
import pytest

from screener.chemistry.identity import mol_id
from screener.chemistry.structures import StructureSettings, make_structure
from screener.errors import MoleculeError
from screener.records import Structure
from screener.structures.batches import How, entry, identity_of, structure_of


@pytest.mark.parametrize("smiles", ["C[C@@H]1COC(=O)O1", "CC(=O)N(C)C", "N#CCCC#N", "C1CCOC1"])
def test_a_geometry_tells_who_its_molecule_is(smiles):
    structure = make_structure(smiles, mol_id(smiles), StructureSettings())
    order = np.random.default_rng(0).permutation(structure.n_atoms)
    moved = Structure(structure.atomic_numbers[order], structure.positions[order] + np.float32(3))
    assert identity_of(entry(None, "", moved)) == identity_of(entry(smiles, "", None))


def test_a_geometry_without_bonds_tells_nothing():
    apart = np.array([[0, 0, 0], [9, 0, 0], [0, 9, 0]], dtype=np.float32)
    with pytest.raises(MoleculeError) as found:
        identity_of(entry(None, "", Structure(np.array([6, 8, 8], np.uint8), apart)))
    assert found.value.code in ("no_connectivity", "radical", "charged", "mixture")


def test_given_geometries_stay_and_get_gfn2_values_where_needed():
    methanol = make_structure("CO", mol_id("CO"), StructureSettings())
    for gfn2 in (False, True):
        made = structure_of(entry(None, "", methanol), How(geometry=None, gfn2=gfn2))
        assert made.positions.tobytes() == methanol.positions.tobytes()
        assert ("energy_gfn2_ha" in made.values) == gfn2
    made = structure_of(
        entry("CO", mol_id("CO"), None), How(geometry=StructureSettings(), gfn2=True)
    )
    assert "energy_gfn2_ha" in made.values
    assert made.positions.tobytes() == methanol.positions.tobytes()
