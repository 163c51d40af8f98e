"""Whether a drawing shows one molecule, and no query, no family and no repeat unit.

Molfiles and SMILES can say more than atoms and pairs of electrons: atoms that stand for several
elements, groups given by a name, brackets around repeat units, bonds of an unknown kind. RDKit
reads most of these as something near, such as the monomer of a polymer. Here they are refused in
words that say what to draw instead. Atoms are numbered from 1, as in molfiles.

Looked at is the molecule as it was parsed and before it is sanitised, which loses some of it.
`screener.chemistry.reading` parses.
"""

import re
from collections.abc import Collection

from rdkit import Chem
from rdkit.Chem import rdqueries

from screener.errors import MoleculeError

_BOND = Chem.BondType
_PAIRS = {_BOND.SINGLE, _BOND.DOUBLE, _BOND.TRIPLE, _BOND.AROMATIC}
_POLYMERS = {"SRU", "MON", "MER", "COP", "CRO", "MOD", "GRA", "ANY"}
_MIXTURES = {"COM", "MIX", "FOR"}
_EXPANDED = {"SUP", "MUL"}  # fine if all their atoms are drawn, which `require_molecule` checks
_NO_ELEMENT = rdqueries.AtomNumEqualsQueryAtom(0)
# Where RDKit keeps what an atom is called, in molfiles and in CXSMILES.
_NAMES = ("molFileAlias", "atomLabel", "dummyLabel")
_HAS_NAME = [rdqueries.HasPropQueryAtom(name) for name in _NAMES]
_ATTACHED = rdqueries.HasPropQueryAtom("molAttchpt")
_R_GROUP = re.compile(r"(\*|_?R(#|\d*|'+)|_AP\d*|Pol|Mod)", re.IGNORECASE)
# An atom with its hydrogens on either side: `OH`, `H2N`, `CH3`, `O-`
_ATOM = re.compile(r"(?:H(\d*))??([A-Z][a-z]?)(?:H(\d*))?([+-]?)")
_PAIRS_TO_GIVE = {7: 1, 8: 1, 15: 1, 16: 2}  # N O P S; both of sulfur's in sulfones


def require_molecule(mol: Chem.Mol, aromatic: Collection[int] | None = None) -> None:
    """Refuse what is not one molecule.

    Args:
        mol: as parsed; neither sanitised nor rid of explicit hydrogens.
        aromatic: indices of the bonds that were drawn as aromatic; None for all that are so.
    Raises:
        MoleculeError: `query`, `placeholder`, `abbreviation`, `repeat_unit`, `unusual_bond`,
            `impossible_aromaticity`.
    """
    for atom in mol.GetAtomsMatchingQuery(_NO_ELEMENT):
        mol.UpdatePropertyCache(strict=False)  # a query is written with its valence
        raise _no_element(atom)
    for atom in mol.GetAtomsMatchingQuery(_ATTACHED):
        raise MoleculeError(
            "placeholder",
            f"atom {_number(atom)} is a point of attachment: draw what is attached to it",
        )
    _require_named_atoms(mol)
    _require_bonds(mol, aromatic)
    if mol.HasQuery():
        _require_no_query(mol)
    for group in Chem.GetMolSubstanceGroups(mol):
        _require_group(mol, group)


def require_group_type(kind: str) -> None:
    """Refuse a kind of S-group that no molecule has; `SUP`, `MUL` and `DAT` pass.

    Raises:
        MoleculeError: `repeat_unit`, `mixture`.
    """
    if kind in _POLYMERS:
        raise MoleculeError(
            "repeat_unit",
            f"a repeat unit of a polymer (S-group {kind}): draw the oligomer that is meant, "
            "without brackets",
        )
    if kind in _MIXTURES:
        raise MoleculeError(
            "mixture",
            f"a part of a mixture (S-group {kind}): give each molecule a record of its own",
        )
    if kind not in _EXPANDED and kind != "DAT":
        raise MoleculeError(
            "repeat_unit",
            f"a bracket that may mean a repeat unit (S-group {kind}): draw the molecule without it",
        )


def settle_dative(mol: Chem.Mol) -> Chem.Mol:
    """Dative bonds drawn as a single bond and two charges, where it is clear what they mean.

    That is so where a neutral N, O, P or S gives a pair of electrons to an oxygen with no other
    bond, as in amine oxides, or to a boron with three others, as in adducts of BF3. The number of
    hydrogens of other acceptors depends on who counts.

    Args:
        mol: as parsed.
    Returns:
        The same molecule, or a copy of which the bonds that are clear were changed.
    """
    dative = [bond.GetIdx() for bond in mol.GetBonds() if bond.GetBondType() == _BOND.DATIVE]
    if not dative:
        return mol
    changed = Chem.RWMol(mol)
    for index in dative:
        drawn, bond = mol.GetBondWithIdx(index), changed.GetBondWithIdx(index)
        if not _gives(drawn.GetBeginAtom()) or not _takes(drawn.GetEndAtom()):
            continue
        donor, acceptor = bond.GetBeginAtom(), bond.GetEndAtom()
        bond.SetBondType(_BOND.SINGLE)
        donor.SetFormalCharge(donor.GetFormalCharge() + 1)
        acceptor.SetFormalCharge(-1)
        acceptor.SetNoImplicit(True)
    return changed.GetMol()


def _gives(atom: Chem.Atom) -> bool:
    given = [bond for bond in atom.GetBonds() if bond.GetBondType() == _BOND.DATIVE]
    return atom.GetFormalCharge() == 0 and len(given) <= _PAIRS_TO_GIVE.get(atom.GetAtomicNum(), 0)


def _takes(atom: Chem.Atom) -> bool:
    if atom.GetFormalCharge() or atom.HasQuery():
        return False
    if atom.GetAtomicNum() == 8:
        return atom.GetDegree() == 1 and not atom.GetNumExplicitHs()
    others = [bond for bond in atom.GetBonds() if bond.GetBondType() == _BOND.SINGLE]
    return (
        atom.GetAtomicNum() == 5
        and len(others) == atom.GetDegree() - 1
        and len(others) + atom.GetNumExplicitHs() == 3
    )


def _no_element(atom: Chem.Atom) -> MoleculeError:
    name = _name(atom)
    smarts = atom.GetSmarts() if atom.HasQuery() and name is None else "*"
    if smarts != "*":
        return MoleculeError(
            "query",
            f"atom {_number(atom)} ({atom.GetQueryType() or smarts}) stands for several elements: "
            "draw the one that is meant",
        )
    if name is None or _R_GROUP.fullmatch(name):
        return MoleculeError(
            "placeholder",
            f"atom {_number(atom)} ({name or '*'}) is a place for a group or the end of a repeat "
            "unit: draw the molecule that is meant",
        )
    return MoleculeError(
        "query", f"atom {_number(atom)} ({name}) is no element: draw the atoms that are meant"
    )


def _require_named_atoms(mol: Chem.Mol) -> None:
    named = {
        atom.GetIdx(): atom for query in _HAS_NAME for atom in mol.GetAtomsMatchingQuery(query)
    }
    if named:
        mol.UpdatePropertyCache(strict=False)
    for atom in named.values():
        name = _name(atom) or ""
        if _says_the_same(atom, name):
            continue
        if _R_GROUP.fullmatch(name):
            raise MoleculeError(
                "placeholder", f"atom {_number(atom)} is marked as {name}: draw the group"
            )
        raise MoleculeError(
            "abbreviation",
            f"atom {_number(atom)} is drawn as {atom.GetSymbol()} and named {name!r}: draw the "
            "atoms of the group, or take the name away",
        )


def _name(atom: Chem.Atom) -> str | None:
    names = (atom.GetProp(name).strip() for name in _NAMES if atom.HasProp(name))
    return next(filter(None, names), None)


def _says_the_same(atom: Chem.Atom, name: str) -> bool:
    """Whether a name is the atom itself, with or without its hydrogens: `O`, `OH`, `H2N`."""
    if name in ("", "Me") and not atom.HasQuery():
        return not name or (atom.GetAtomicNum(), _n_hydrogens(atom)) == (6, 3)
    match = _ATOM.fullmatch(name)
    if match is None or match[2] != atom.GetSymbol() or atom.HasQuery():
        return False
    if match[4] and atom.GetFormalCharge() != int(f"{match[4]}1"):
        return False
    counts = [int(count or 1) for count in (match[1], match[3]) if count is not None]
    return not counts or sum(counts) == _n_hydrogens(atom)


def _n_hydrogens(atom: Chem.Atom) -> int:
    return int(atom.GetTotalNumHs(includeNeighbors=True))


def _require_bonds(mol: Chem.Mol, aromatic: Collection[int] | None) -> None:
    drawn: list[Chem.Bond] = []
    for bond in mol.GetBonds():
        kind = bond.GetBondType()
        if kind not in _PAIRS:
            raise _no_pair(bond)
        if kind == _BOND.AROMATIC and (aromatic is None or bond.GetIdx() in aromatic):
            drawn.append(bond)
    if not drawn:
        return
    rings = Chem.RWMol(mol)
    for bond in mol.GetBonds():
        if bond.GetBondType() != _BOND.AROMATIC:
            rings.RemoveBond(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx())
    Chem.FastFindRings(rings)
    for bond in drawn:
        ends = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()
        if not rings.GetBondBetweenAtoms(*ends).IsInRing():
            raise MoleculeError(
                "impossible_aromaticity",
                f"the bond {_ends(bond)} is drawn as aromatic and lies in no aromatic ring: draw "
                "single and double bonds",
            )


def _no_pair(bond: Chem.Bond) -> MoleculeError:
    kind = bond.GetBondType()
    if kind == _BOND.DATIVE:
        what = "a dative bond, whose hydrogens are not certain: draw a single bond and two charges"
    elif kind in (_BOND.HYDROGEN, _BOND.ZERO):
        what = "a hydrogen bond or another weak one: give each molecule a record of its own"
    elif kind == _BOND.QUADRUPLE:
        what = "a quadruple bond: draw at most a triple one"
    else:
        return MoleculeError(
            "query",
            f"the bond {_ends(bond)} is of an unknown kind: draw it as single, double or triple",
        )
    return MoleculeError("unusual_bond", f"the bond {_ends(bond)} is {what}")


def _require_no_query(mol: Chem.Mol) -> None:
    for atom in mol.GetAtoms():
        if atom.HasQuery():
            raise MoleculeError(
                "query",
                f"atom {_number(atom)} has conditions, as in a search (hydrogens, ring bonds, "
                "substitution, unsaturation, a list): draw the one molecule that is meant",
            )
    for bond in mol.GetBonds():
        if bond.HasQuery():
            raise MoleculeError(
                "query",
                f"the bond {_ends(bond)} has conditions, as in a search: draw the one molecule "
                "that is meant",
            )


def _require_group(mol: Chem.Mol, group: Chem.SubstanceGroup) -> None:
    kind = group.GetProp("TYPE")
    require_group_type(kind)
    atoms = list(group.GetAtoms())
    if kind == "MUL":
        times = group.GetProp("MULT") if group.HasProp("MULT") else ""
        n_parents = len(group.GetParentAtoms())
        if not times.isdecimal() or len(atoms) != int(times) * n_parents:
            raise MoleculeError(
                "repeat_unit",
                f"a group that is repeated {times or 'an unknown number of'} times, of which not "
                "every copy is drawn: draw all of them, without brackets",
            )
    if kind == "SUP":
        label = group.GetProp("LABEL").strip() if group.HasProp("LABEL") else ""
        mol.UpdatePropertyCache(strict=False)
        heavy = [mol.GetAtomWithIdx(index) for index in atoms]
        heavy = [atom for atom in heavy if atom.GetAtomicNum() > 1]
        if len(heavy) < 2 and label and not (heavy and _says_the_same(heavy[0], label)):
            raise MoleculeError(
                "abbreviation",
                f"the group {label!r} is drawn as {len(heavy)} atoms: draw the atoms of the group",
            )


def _number(atom: Chem.Atom) -> int:
    return int(atom.GetIdx()) + 1


def _ends(bond: Chem.Bond) -> str:
    return f"between atoms {_number(bond.GetBeginAtom())} and {_number(bond.GetEndAtom())}"
