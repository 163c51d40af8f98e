import numpy as np
import pytest

from screener.chemistry.identity import mol_id
from screener.chemistry.structures import StructureSettings, make_structure
from screener.errors import MoleculeError
from screener.records import Molecule, Structure
from screener.structures.identities import identities, identity_of
from screener.structures.recipe import Item
from screener.structures.site import Site


@pytest.mark.parametrize("smiles", ["C[C@@H]1COC(=O)O1", "CC(=O)N(C)C", "N#CCCC#N", "C1CCOC1"])
def test_a_geometry_tells_who_its_molecule_is(smiles):
    structure = make_structure(smiles, mol_id(smiles), StructureSettings())
    order = np.random.default_rng(0).permutation(structure.n_atoms)
    moved = Structure(structure.atomic_numbers[order], structure.positions[order] + np.float32(3))
    assert identity_of(Item("", None, moved)) == identity_of(Item("", smiles))


def test_a_geometry_without_bonds_tells_nothing():
    apart = np.array([[0, 0, 0], [9, 0, 0], [0, 9, 0]], dtype=np.float32)
    with pytest.raises(MoleculeError) as found:
        identity_of(Item("", None, Structure(np.array([6, 8, 8], np.uint8), apart)))
    assert found.value.code in ("no_connectivity", "radical", "charged", "mixture")


def test_identities_are_found_once(tmp_path, monkeypatch):
    monkeypatch.setenv("SCREENER_HOME", str(tmp_path))
    told = []
    site = Site(None, lambda *each: told.append(each))
    items = [Item("", "OCC"), Item("", "nonsense"), Item("", "CO")]
    ethanol, error, methanol = identities(items, site)
    assert isinstance(ethanol, Molecule)
    assert ethanol.smiles == "CCO"
    assert isinstance(error, MoleculeError)
    assert methanol.mol_id == mol_id("CO")
    assert told[-1] == ("identities", 3, 3)
    told.clear()
    assert identities(items, site)[0] == ethanol
    assert told == [("identities", 3, 3)]
