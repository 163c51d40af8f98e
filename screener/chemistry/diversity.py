"""Molecules that differ from one another, chosen from a list in its order.

Sphere exclusion: a molecule is passed over where a better one that was chosen is too much like it,
by the Tanimoto similarity of Morgan fingerprints, or where its scaffold has been chosen often
enough. Hudson et al., Quant. Struct.-Act. Relat. 15, 285 (1996); scaffolds of Bemis and Murcko,
J. Med. Chem. 39, 2887 (1996).
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from rdkit import Chem
from rdkit.Chem.Scaffolds.MurckoScaffold import MurckoScaffoldSmiles
from rdkit.DataStructs import BulkTanimotoSimilarity

from screener.chemistry.fingerprints import fingerprint


def choose_diverse(
    smiles: Sequence[str], n: int, max_similarity: float | None, per_scaffold: int | None
) -> list[int]:
    """Places of the molecules that are chosen, ascending.

    Args:
        smiles: best first, each one a molecule that RDKit reads.
        n: how many at most.
        max_similarity: two chosen ones are at most as similar as this, 0 to 1; None for any.
        per_scaffold: chosen ones of one scaffold at most; None for any. Molecules without rings
            have none, and are not limited by it.
    Returns:
        places in `smiles`, from 0, ascending.
    """
    chosen: list[int] = []
    prints: list[Any] = []
    scaffolds: Counter[str] = Counter()
    for place, text in enumerate(smiles):
        if len(chosen) == n:
            break
        molecule = Chem.MolFromSmiles(text)
        scaffold = ""
        if per_scaffold is not None:
            scaffold = MurckoScaffoldSmiles(mol=molecule)  # type: ignore[no-untyped-call]
            if scaffold and scaffolds[scaffold] == per_scaffold:
                continue
        if max_similarity is not None:
            own = fingerprint(molecule)
            if max(BulkTanimotoSimilarity(own, prints), default=0.0) > max_similarity:
                continue
            prints.append(own)
        scaffolds[scaffold] += 1
        chosen.append(place)
    return chosen
