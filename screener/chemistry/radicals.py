"""Unpaired electrons of a drawing."""

from rdkit import Chem


def unpaired_electrons(molecule: Chem.Mol) -> int:
    """Unpaired electrons of all atoms together, taken as parallel."""
    atoms = map(molecule.GetAtomWithIdx, range(molecule.GetNumAtoms()))
    return sum(atom.GetNumRadicalElectrons() for atom in atoms)
