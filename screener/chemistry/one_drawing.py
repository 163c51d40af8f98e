"""One drawing for molecules that chemists draw in several ways, besides those that RDKit settles.

RDKit's clean-up gives nitro groups, amine oxides, sulfones and sulfoxides one drawing each. It
leaves P=O and P+-O-, both azides, diazo compounds, ylides and others as they were drawn. The table
here brings each to the drawing that is most usual, which is RDKit's own wherever it has one. The
charges of ions are moved only between atoms that share them; none is added or taken away.
"""

import threading

from rdkit import Chem
from rdkit.Chem.MolStandardize import rdMolStandardize

# Name, and the change: atoms keep their numbers. Charges next to each other of opposite sign become
# a double bond, except at nitrogen, which has no room for it, and at sulfur with three neighbours
# and no oxygen beyond, where RDKit draws sulfoxides with charges.
_CHANGES = """
nitrogen with two charges\t[N;+2;X3:1](-[O;-1:2])-[O;-1:3]>>[N;+1:1](=[O;+0:2])-[O;-1:3]
phosphorus\t[P,As;+1;X4:1]-[O,S,Se,N,C;-1:2]>>[*+0:1]=[*+0:2]
sulfur with four neighbours, two charges\t[S,Se;+2;X4:1]-[O,S,N,C;-1:2]>>[*+1:1]=[*+0:2]
sulfur with four neighbours\t[S,Se;+1;X4:1]-[O,S,N,C;-1:2]>>[*+0:1]=[*+0:2]
sulfur with two neighbours, two charges\t[S,Se;+2;X2:1]-[O,S,N,C;-1:2]>>[*+1:1]=[*+0:2]
sulfur with two neighbours\t[S,Se;+1;X2:1](=[*:3])-[O,S,N,C;-1:2]>>[*+0:1](=[*:3])=[*+0:2]
sulfur with a double bond\t[S,Se;+1;X3:1](=[*:3])-[O,S,N,C;-1:2]>>[*+0:1](=[*:3])=[*+0:2]
sulfites and sulfinic acids\t[S;+1;X3:1](-[O;+0:3])-[O;-1:2]>>[S+0:1](-[O:3])=[O+0:2]
selenium\t[Se,Te;+1;X3:1]-[O,N,C;-1:2]>>[*+0:1]=[*+0:2]
sulfur and nitrogen or carbon\t[S;+1;X3:1]-[N,C;-1:2]>>[S+0:1]=[*+0:2]
carbon\t[C;+1;X3:1]-[O,S,N,C;-1:2]>>[C+0:1]=[*+0:2]
azides and diazo compounds\t[N,C;-1:1]-[N;+1:2]#[N;+0:3]>>[*+0:1]=[N+1:2]=[N-1:3]
azide ion\t[N;-2:1]-[N;+1:2]#[N;+0:3]>>[N-1:1]=[N+1:2]=[N-1:3]
rings of P and N\t[P;+1;X4:1]-[N;+0:2]=[P;+0:3]-[N;-1:4]>>[P+0:1]=[N:2]-[P:3]=[N+0:4]
P ylides of ketones\t[O;-1:1]-[C;+0:2]=[C;+0:3]-[P,As;+1;X4:4]>>[O+0:1]=[C:2]-[C:3]=[*+0:4]
S ylides of ketones\t[O;-1:1]-[C;+0:2]=[C;+0:3]-[S;+1;X3,X4:4]>>[O+0:1]=[C:2]-[C:3]=[S+0:4]
diazo ketones\t[O;-1:1]-[C;+0:2]=[C;+0:3]-[N;+1:4]#[N;+0:5]>>[O+0:1]=[C:2]-[C:3]=[N+1:4]=[N-1:5]
nitrile oxides\t[N,C;-1:1]=[N;+1:2]=[O;+0:3]>>[*+0:1]#[N+1:2]-[O-1:3]
nitrones, azoxy compounds\t[N,C;-1:1]-[N;+1;!$([N][O;-1]):2]=[O;+0:3]>>[*+0:1]=[N+1:2]-[O-1:3]
cyanates, cyanamides\t[N;-1;X1:1]=[C;X2:2]=[O,S,Se,N,C;+0:3]>>[N+0:1]#[C:2]-[*-1:3]
sulfonamide ions\t[O;-1:1]-[S;+0;X4:2]=[N;+0:3]>>[O+0:1]=[S:2]-[N-1:3]
"""
# One of these is in every molecule that the table changes.
_MAY_CHANGE = Chem.MolFromSmarts(
    "[$([P,As,S,Se,Te,C;+,+2]-[-,-2]),$([P,As,S;+]-C=C-[O-]),$([N;+]~[C,N;-,-2]),$([N;+2]-[O;-]),$([N;+]#N),"
    "$([N;-;X1]=[C;X2]=*),$([O;-]S=N)]"
)
# A positive charge that two nitrogens share, as in imidazolium and amidinium.
_SHARED = Chem.MolFromSmarts("[#7;+1;X3]=,:[#6;+0]-,:[#7;+0;X3]")
_MAX_DRAWINGS = 64  # compared at most; an ion with five such charges has 32
_local = threading.local()


def with_one_drawing(mol: Chem.Mol) -> Chem.Mol:
    """The molecule in the drawing of the table, or itself where it is drawn so already.

    Args:
        mol: sanitised, without explicit hydrogens.
    Returns:
        a sanitised molecule with its stereochemistry.
    """
    if mol.HasSubstructMatch(_MAY_CHANGE):
        mol = _normalizer().normalize(mol)
        Chem.AssignStereochemistry(mol, cleanIt=True, force=True)
    return _with_settled_charges(mol) if mol.HasSubstructMatch(_SHARED) else mol


def _normalizer() -> rdMolStandardize.Normalizer:
    if not hasattr(_local, "normalizer"):
        _local.normalizer = rdMolStandardize.NormalizerFromData(
            _CHANGES.strip() + "\n", rdMolStandardize.CleanupParameters()
        )
    normalizer: rdMolStandardize.Normalizer = _local.normalizer
    return normalizer


def _with_settled_charges(mol: Chem.Mol) -> Chem.Mol:
    """Of all places that a positive charge may take, those whose SMILES comes first."""
    found = {Chem.MolToSmiles(mol): mol}
    waiting = [mol]
    while waiting and len(found) < _MAX_DRAWINGS:
        drawing = waiting.pop()
        for match in drawing.GetSubstructMatches(_SHARED):
            moved = _with_moved_charge(drawing, *match)
            if moved is not None and (smiles := Chem.MolToSmiles(moved)) not in found:
                found[smiles] = moved
                waiting.append(moved)
    return found[min(found)]


def _with_moved_charge(mol: Chem.Mol, charged: int, carbon: int, neutral: int) -> Chem.Mol | None:
    """`[N+]=C-N` as `N-C=[N+]`; None where that is no molecule."""
    moved = Chem.RWMol(mol)
    moved.GetAtomWithIdx(charged).SetFormalCharge(0)
    moved.GetAtomWithIdx(neutral).SetFormalCharge(1)
    double = moved.GetBondBetweenAtoms(charged, carbon)
    if not double.GetIsAromatic():
        double.SetStereo(Chem.BondStereo.STEREONONE)
        double.SetBondType(Chem.BondType.SINGLE)
        moved.GetBondBetweenAtoms(carbon, neutral).SetBondType(Chem.BondType.DOUBLE)
    try:
        Chem.SanitizeMol(moved)
    except Chem.MolSanitizeException:
        return None
    Chem.AssignStereochemistry(moved, cleanIt=True, force=True)
    return moved.GetMol()
