"""Stereochemistry that is known only relative to itself: groups of centres "and" (both hands are
there) or "or" (one of them, nobody knows which), from CXSMILES or V3000.

A group of one centre says no more than a centre that is left open, and becomes one. A group of
several keeps what they are to one another: the molecule or its mirror image in these centres.
Whether both hands are there is as little asked as of a molecule without any stereochemistry.
"""

from itertools import product

from rdkit import Chem

from screener.errors import MoleculeError

MAX_GROUPS = 4  # each doubles the molecules to choose from
_TAG = Chem.ChiralType
_MIRRORED = {
    _TAG.CHI_TETRAHEDRAL_CW: _TAG.CHI_TETRAHEDRAL_CCW,
    _TAG.CHI_TETRAHEDRAL_CCW: _TAG.CHI_TETRAHEDRAL_CW,
}


def hands(mol: Chem.Mol) -> list[Chem.Mol]:
    """What a molecule may be by its groups of relative stereochemistry.

    Args:
        mol: sanitised; it is not changed.
    Returns:
        The molecule itself where it has no such group; otherwise copies without groups, two for
        each group of several centres.
    Raises:
        MoleculeError: `relative_stereo`, more than `MAX_GROUPS` groups of several centres.
    """
    if not mol.GetStereoGroups():
        return [mol]
    groups = [
        [atom.GetIdx() for atom in group.GetAtoms()]
        for group in mol.GetStereoGroups()
        if group.GetGroupType() != Chem.StereoGroupType.STEREO_ABSOLUTE
    ]
    several = [atoms for atoms in groups if len(atoms) > 1]
    if len(several) > MAX_GROUPS:
        raise MoleculeError(
            "relative_stereo",
            f"{len(several)} groups of relative stereocentres, at most {MAX_GROUPS} are read: draw "
            "the isomer that is meant",
        )
    found = []
    for mirrored in product((False, True), repeat=len(several)):
        hand = Chem.RWMol(mol)
        hand.SetStereoGroups([])
        for atoms in groups:
            if len(atoms) == 1:
                hand.GetAtomWithIdx(atoms[0]).SetChiralTag(_TAG.CHI_UNSPECIFIED)
        for atoms, is_mirrored in zip(several, mirrored, strict=True):
            for atom in map(hand.GetAtomWithIdx, atoms if is_mirrored else ()):
                atom.SetChiralTag(_MIRRORED.get(atom.GetChiralTag(), atom.GetChiralTag()))
        Chem.AssignStereochemistry(hand, cleanIt=True, force=True)
        found.append(hand.GetMol())
    return found
