"""The known electrolyte molecule that is most like another one.

The lists are those of `chemistry.known_names`; likeness is the Tanimoto similarity of Morgan
fingerprints.
"""

from functools import lru_cache
from typing import Any

from rdkit import Chem
from rdkit.DataStructs import BulkTanimotoSimilarity

from screener.chemistry.fingerprints import fingerprint
from screener.chemistry.known_names import known_molecules


def nearest_known(smiles: str) -> tuple[str, float]:
    """Name of the nearest known molecule and the similarity to it, 0 to 1.

    Args:
        smiles: one that RDKit can read.
    """
    names, prints = _known()
    similarities = BulkTanimotoSimilarity(_print(smiles), prints)
    best = max(range(len(names)), key=lambda place: (similarities[place], -place))
    return names[best], float(similarities[best])


@lru_cache(maxsize=1)
def _known() -> tuple[list[str], list[Any]]:
    known = known_molecules()
    return [each.name for each in known], [_print(each.smiles) for each in known]


def _print(smiles: str) -> Any:
    return fingerprint(Chem.MolFromSmiles(smiles))
