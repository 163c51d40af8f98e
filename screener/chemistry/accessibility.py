"""How easily a molecule is made: the synthetic accessibility score, as RDKit ships it.

From 1 (easy) to 10 (hard): how common its fragments are in PubChem, less what rings, stereocentres
and size cost. Ertl and Schuffenhauer, J. Cheminform. 1, 8 (2009).
"""

from rdkit import Chem
from rdkit.Contrib.SA_Score import sascorer


def sa_score(mol: Chem.Mol) -> float:
    """The score of a molecule, dimensionless, 1 to 10.

    Args:
        mol: sanitised, with at least one heavy atom, hydrogens implicit.
    """
    return float(sascorer.calculateScore(mol))
