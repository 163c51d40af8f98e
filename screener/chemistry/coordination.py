"""What each atom of a drawing is bonded to."""

from rdkit import Chem


def drawn_coordinations(mol: Chem.Mol) -> set[str]:
    """Element and sorted bonded elements of every atom, such as `C:C,F,F,F`.

    Args:
        mol: with or without explicit hydrogens.
    """
    found = set()
    for atom in mol.GetAtoms():
        n_hidden = atom.GetTotalNumHs()
        around = [each.GetSymbol() for each in atom.GetNeighbors()] + ["H"] * n_hidden
        found.add(f"{atom.GetSymbol()}:{','.join(sorted(around))}")
        if n_hidden:
            found.add(f"H:{atom.GetSymbol()}")
    return found
