"""The known electrolyte molecule that is most like another one.

The list is `screener/data/examples/known-molecules.csv`; likeness is the Tanimoto similarity of
Morgan fingerprints.
"""

import csv
from functools import lru_cache
from importlib.resources import files
from typing import Any

from rdkit import Chem
from rdkit.DataStructs import BulkTanimotoSimilarity

from screener.chemistry.fingerprints import fingerprint


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
    text = (files("screener.data") / "examples/known-molecules.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(text.splitlines()))
    return [row["known_as"] for row in rows], [_print(row["smiles"]) for row in rows]


def _print(smiles: str) -> Any:
    return fingerprint(Chem.MolFromSmiles(smiles))
