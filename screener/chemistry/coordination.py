"""What each atom of a drawing is bonded to."""

from rdkit import Chem


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
    found = {f"H:{symbol}" for symbol, hidden in zip(symbols, around, strict=True) if hidden}
    for i in range(mol.GetNumBonds()):
        bond = mol.GetBondWithIdx(i)
        one, other = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()
        around[one].append(symbols[other])
        around[other].append(symbols[one])
    found.update(
        f"{symbol}:{','.join(sorted(each))}" for symbol, each in zip(symbols, around, strict=True)
    )
    return found
