import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import rdForceFieldHelpers as fields

from screener.chemistry.conformers import embed, molecule_with_hydrogens
from screener.chemistry.geometry import require_same_molecule, with_positions
from screener.chemistry.gfn2 import Gfn2
from screener.chemistry.identity import mol_id
from screener.chemistry.structures import StructureSettings, make_structure
from screener.errors import MoleculeError
from screener.records import Structure
from screener.units import ANGSTROM_PER_BOHR

MOLECULES = [
    "O=C1OCCO1",
    "C[C@@H]1COC(=O)O1",
    "FC1COC(=O)O1",
    "COCCOCCOC",
    "C/C=C/C(=O)OC",
    "N#CCCC#N",
    "CS(C)(=O)=O",
    "COP(=O)(OC)OC",
    "C1CB1",
]


@pytest.mark.parametrize(
    ("level", "smiles"),
    [("mmff94", smiles) for smiles in MOLECULES]
    + [("gfn2-opt", smiles) for smiles in ("C[C@@H]1COC(=O)O1", "C/C=C/C#N", "CS(C)(=O)=O")],
)
def test_structure_is_the_molecule_asked_for(level, smiles):
    smiles = Chem.CanonSmiles(smiles)
    structure = make_structure(smiles, mol_id(smiles), StructureSettings(level=level))
    molecule = molecule_with_hydrogens(smiles)
    require_same_molecule(molecule, structure)
    assert structure.atomic_numbers.tolist() == [a.GetAtomicNum() for a in molecule.GetAtoms()]
    assert structure.positions.dtype == np.float32
    assert ("energy_gfn2_ha" in structure.values) == (level == "gfn2-opt")


def test_same_input_gives_same_bytes_and_another_identity_another_conformer():
    smiles = "COCCOC"
    settings = StructureSettings(level="gfn2-opt")
    one, two = (make_structure(smiles, mol_id(smiles), settings) for _ in range(2))
    assert one.positions.tobytes() == two.positions.tobytes()
    assert one.values["energy_gfn2_ha"] == two.values["energy_gfn2_ha"]
    other = make_structure(smiles, mol_id("another"), settings)
    assert other.positions.tobytes() != one.positions.tobytes()


@pytest.mark.parametrize(
    ("smiles", "charge", "n_unpaired"),
    [("CC(=O)[O-]", -1, 0), ("C[NH3+]", 1, 0), ("[CH2]CC[CH2]", 0, 2)],
)
def test_gfn2_is_told_the_charge_and_the_unpaired_electrons(smiles, charge, n_unpaired):
    structure = make_structure(smiles, mol_id(smiles), StructureSettings(level="gfn2-opt"))
    assert structure.atom_values["charges_gfn2"].sum() == pytest.approx(charge, abs=1e-4)
    bohr = structure.positions.astype(np.float64) / ANGSTROM_PER_BOHR
    told = Gfn2(structure.atomic_numbers, bohr, charge, n_unpaired)
    assert structure.values["energy_gfn2_ha"] == pytest.approx(
        told.energy_and_gradient(bohr)[0], abs=1e-6
    )
    untold = Gfn2(structure.atomic_numbers, bohr)
    assert abs(structure.values["energy_gfn2_ha"] - untold.energy_and_gradient(bohr)[0]) > 1e-3


def test_more_conformers_never_end_higher_in_the_force_field():
    smiles = "COC(=O)OCCOC"

    def energy(n_conformers):
        molecule = embed(smiles, mol_id(smiles), n_conformers)
        properties = fields.MMFFGetMoleculeProperties(molecule)
        return fields.MMFFGetMoleculeForceField(molecule, properties).CalcEnergy()

    one, many = energy(1), energy(20)
    assert many <= one + 1e-6
    assert many < one - 0.1  # a flexible chain: twenty tries find something better


def test_stereochemistry_decides_what_can_be_made():
    camphor = "CC1([C@@H]2CC[C@]1(C(=O)C2)C)C"
    inside_out = camphor.replace("[C@@H]", "[C@H]")
    require_same_molecule(
        molecule_with_hydrogens(camphor),
        make_structure(camphor, mol_id(camphor), StructureSettings()),
    )
    with pytest.raises(MoleculeError) as caught:
        make_structure(inside_out, mol_id(inside_out), StructureSettings())
    assert caught.value.code in ("embedding_failed", "another_molecule")


@pytest.mark.parametrize(
    "smiles",
    [  # of QM9, each refused by ten tries of ETKDGv3
        "CCO[C@H]1[C@H]2C[C@@H](O)[C@H]21",
        "O=CCO[C@H]1C[C@H]2O[C@@H]12",
        "CCC[C@@H]1[C@@H]2[C@@H]3N[C@@H]3[C@H]12",
        "N#C[C@]12C[C@H]1[C@H]1C[C@H]12",
    ],
)
def test_strained_cages_that_exist_are_made(smiles):
    structure = make_structure(smiles, mol_id(smiles), StructureSettings())
    require_same_molecule(molecule_with_hydrogens(smiles), structure)


def test_unparsable_smiles_is_the_molecules_error():
    with pytest.raises(MoleculeError) as caught:
        make_structure("C1CC", "0" * 32, StructureSettings())
    assert caught.value.code == "invalid_smiles"


class TestRequireSameMolecule:
    smiles = "C[C@@H]1COC(=O)O1"

    def placed(self):
        molecule = embed(self.smiles, mol_id(self.smiles), 1)
        numbers = np.array([a.GetAtomicNum() for a in molecule.GetAtoms()], dtype=np.uint8)
        return molecule, numbers, molecule.GetConformer().GetPositions().astype(np.float32)

    def refused(self, molecule, numbers, positions):
        with pytest.raises(MoleculeError) as caught:
            require_same_molecule(molecule, Structure(numbers, positions))
        assert caught.value.code == "another_molecule"
        return str(caught.value)

    def test_mirror_image_is_another_molecule(self):
        molecule, numbers, positions = self.placed()
        require_same_molecule(molecule, Structure(numbers, positions))
        assert "stereo" in self.refused(molecule, numbers, positions * [-1, 1, 1])

    def test_broken_bond_is_another_molecule(self):
        molecule, numbers, positions = self.placed()
        positions = positions.copy()
        positions[0] += 3.0
        assert "broke" in self.refused(molecule, numbers, positions)

    def test_cis_is_not_trans(self):
        trans = embed("C/C=C/C", mol_id("x"), 1)
        cis = molecule_with_hydrogens("C/C=C\\C")
        numbers = np.array([a.GetAtomicNum() for a in trans.GetAtoms()], dtype=np.uint8)
        positions = trans.GetConformer().GetPositions()
        assert "stereo" in self.refused(cis, numbers, positions.astype(np.float32))


def test_with_positions_leaves_its_argument_alone():
    molecule = embed("CO", mol_id("CO"), 1)
    before = molecule.GetConformer().GetPositions().copy()
    moved = with_positions(molecule, before + 1.0)
    assert (molecule.GetConformer().GetPositions() == before).all()
    assert moved.GetConformer().GetPositions() == pytest.approx(before + 1.0)
