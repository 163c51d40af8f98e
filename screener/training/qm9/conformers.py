"""How far two conformers of one molecule lie apart, whatever the order of their atoms."""

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem

from screener.chemistry.geometry import bonded
from screener.records import Structure

SAME_CONFORMER = 0.2  # angstrom, heavy atoms; closer ones count as one
LEVEL = 0.5  # kcal/mol; conformers nearer in GFN2 energy count as level
MOST_MATCHES = 10_000  # orders of like atoms that are tried


def conformer_distance(one: Structure, other: Structure) -> float:
    """Least RMSD of heavy atoms over all orders of like atoms, in either handedness.

    Args:
        one, other: of the same molecule.
    Returns:
        angstrom; infinite where the two do not have the same bonds.
    References:
        Kabsch, Acta Cryst. A 32, 922 (1976), without the sign of the determinant.
    """
    (graph, at), (query, query_at) = _heavy_graph(one), _heavy_graph(other)
    if graph.GetNumAtoms() != query.GetNumAtoms() or graph.GetNumBonds() != query.GetNumBonds():
        return float("inf")
    matches = graph.GetSubstructMatches(query, uniquify=False, maxMatches=MOST_MATCHES)
    if not matches:
        return float("inf")
    centred = at - at.mean(axis=0)
    turned = query_at - query_at.mean(axis=0)
    ordered = centred[np.array(matches)]  # (n_matches, n_heavy, 3)
    overlap = np.linalg.svd(np.einsum("mai,aj->mij", ordered, turned), compute_uv=False)
    squares = (centred**2).sum() + (turned**2).sum() - 2.0 * overlap.sum(axis=1).max()
    return float(np.sqrt(max(squares, 0.0) / len(at)))


def _heavy_graph(structure: Structure) -> tuple[Chem.Mol, NDArray[np.float64]]:
    numbers, bonds = structure.atomic_numbers, bonded(structure)
    heavy = np.flatnonzero(numbers > 1)
    graph = Chem.RWMol()
    for place in heavy:
        atom = Chem.Atom(int(numbers[place]))
        # tells CH2 from CH3: a match asks for equal isotopes
        atom.SetIsotope(1 + int(bonds[place][numbers == 1].sum()))
        graph.AddAtom(atom)
    for i, j in zip(*np.nonzero(np.triu(bonds[np.ix_(heavy, heavy)])), strict=True):
        graph.AddBond(int(i), int(j), Chem.BondType.SINGLE)
    return graph.GetMol(), structure.positions[heavy].astype(np.float64)
