"""What each atom of a drawing or of a geometry is bonded to, such as `C:C,F,F,F`."""

from collections.abc import Iterable, Mapping
from itertools import combinations_with_replacement

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem

from screener.chemistry.geometry import bonded
from screener.records import Structure
from screener.registry.elements import symbol_of


def coordination_of(atom: Chem.Atom) -> str:
    """Element and sorted bonded elements, hydrogens included, such as `C:C,F,F,F`."""
    around = [other.GetSymbol() for other in atom.GetNeighbors()] + ["H"] * atom.GetTotalNumHs()
    return f"{atom.GetSymbol()}:{','.join(sorted(around))}"


def drawn_coordinations(mol: Chem.Mol) -> set[str]:
    """The coordinations of all atoms, see `coordination_of`.

    Args:
        mol: with or without explicit hydrogens.
    """
    # by index: loops over GetAtoms() and GetNeighbors() take twice the time
    atoms = [mol.GetAtomWithIdx(i) for i in range(mol.GetNumAtoms())]
    symbols = [atom.GetSymbol() for atom in atoms]
    around = [["H"] * atom.GetTotalNumHs() for atom in atoms]
    kinds = {f"H:{symbol}" for symbol, hidden in zip(symbols, around, strict=True) if hidden}
    for i in range(mol.GetNumBonds()):
        bond = mol.GetBondWithIdx(i)
        one, other = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()
        around[one].append(symbols[other])
        around[other].append(symbols[one])
    kinds.update(
        f"{symbol}:{','.join(sorted(each))}" for symbol, each in zip(symbols, around, strict=True)
    )
    return kinds


def coordinations(structure: Structure) -> list[str]:
    """The coordination of every atom of a geometry, bonds as of `geometry.bonded`."""
    return bonded_coordinations(structure, bonded(structure))


def bonded_coordinations(structure: Structure, bonds: NDArray[np.bool_]) -> list[str]:
    """The same where bonds are known already.

    Args:
        structure: n_atoms atoms.
        bonds: (n_atoms, n_atoms), of `geometry.bonded`.
    """
    symbols = [symbol_of(number) for number in structure.atomic_numbers.tolist()]
    return [
        f"{symbol}:" + ",".join(sorted(symbols[other] for other in np.flatnonzero(row)))
        for symbol, row in zip(symbols, bonds, strict=True)
    ]


def bond_kinds(kinds: Iterable[str]) -> frozenset[str]:
    """The bonds of coordinations, such as `C4:F`: an atom with four neighbours bonded to fluorine.

    Args:
        kinds: coordinations.
    """
    parts = [(symbol, others.split(",")) for symbol, _, others in (k.partition(":") for k in kinds)]
    return frozenset(f"{symbol}{len(others)}:{each}" for symbol, others in parts for each in others)


def of_bonds(counts: Mapping[str, int]) -> dict[str, int]:
    """All coordinations that bonds can make, sorted by name.

    Args:
        counts: in how many molecules each kind of bond occurs, see `bond_kinds`.
    Returns:
        by coordination the count of the rarest of its bonds.
    """
    neighbours: dict[str, dict[str, int]] = {}
    for kind, count in counts.items():
        centre, _, other = kind.partition(":")
        neighbours.setdefault(centre, {})[other] = count
    made = {}
    for centre, seen in neighbours.items():
        symbol = centre.rstrip("0123456789")
        for others in combinations_with_replacement(sorted(seen), int(centre[len(symbol) :])):
            made[f"{symbol}:{','.join(others)}"] = min(seen[each] for each in others)
    return dict(sorted(made.items()))
