"""Morgan fingerprints of radius 2 and 2,048 bits, by which molecules are compared.

Rogers and Hahn, J. Chem. Inf. Model. 50, 742 (2010).
"""

from functools import lru_cache
from typing import Any

from rdkit import Chem
from rdkit.Chem import rdFingerprintGenerator


def fingerprint(molecule: Chem.Mol) -> Any:
    """RDKit's bit vector of a molecule."""
    return _generator().GetFingerprint(molecule)


@lru_cache(maxsize=1)
def _generator() -> Any:
    return rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=2048)
