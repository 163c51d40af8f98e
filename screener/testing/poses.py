"""The same molecule written in one way, and in another pose and order of its atoms."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem

from screener.records import Structure


def canonical_smiles(text: str) -> str:
    """The SMILES that RDKit writes of a molecule."""
    return Chem.MolToSmiles(Chem.MolFromSmiles(text))


def order_of_another_pose(n_atoms: int) -> NDArray[np.int64]:
    """Which atom stands in which place there, int64 (n_atoms,)."""
    return np.random.default_rng(0).permutation(n_atoms)


def in_another_pose(molecule: Structure | str) -> Structure | str:
    """A structure turned, moved and with its atoms in another order; SMILES written another way."""
    if isinstance(molecule, str):
        drawing = Chem.MolFromSmiles(molecule)
        renumbered = order_of_another_pose(drawing.GetNumAtoms()).tolist()
        return Chem.MolToSmiles(Chem.RenumberAtoms(drawing, renumbered), canonical=False)
    order = order_of_another_pose(molecule.n_atoms)
    turn, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))
    turn[0] *= np.sign(np.linalg.det(turn))
    return replace(
        molecule,
        atomic_numbers=molecule.atomic_numbers[order],
        positions=(molecule.positions[order].astype(np.float64) @ turn + 3.0).astype(np.float32),
        atom_values={name: each[order] for name, each in molecule.atom_values.items()},
    )
