"""SMILES with attachment points, cut into pieces of text that are joined without RDKit.

`[*:1]`, `[*:2]`, ... are the sites of a pattern, where a part is put; `[*]` is the open end of a
part, by which it is attached. The text of a part begins at its attached atom, so it can take the
place of the site in the pattern's text: the order of neighbours in the text does not change, and so
neither does the meaning of `@`. The ring-closure numbers of a part are raised above those of the
pattern.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from rdkit import Chem, rdBase

from screener.chemistry.coordination import coordination_of, drawn_coordinations
from screener.errors import ConfigError

_SITE = re.compile(r"(\()?([/\\]?)\[\*:(\d+)\](?(1)\))")  # a leaf: a branch or the end of one
_TOKEN = re.compile(r"\[[^\]]*\]|%\d\d|\d")
_FLIPPED = str.maketrans("/\\", "\\/")
_MARK = "/\\"
_ASTATINE, _RADON = 85, 86  # stand for sites and open ends while symmetries are looked for


@dataclass(frozen=True, slots=True)
class Composition:
    """What limits need to know about a piece; sites and open ends are not counted."""

    n_heavy: int
    n_rings: int
    elements: frozenset[str]
    coordinations: frozenset[str]  # with `*` for what goes to a site or an open end


@dataclass(frozen=True, slots=True)
class Part:
    """A substituent that can be put on a site.

    Args:
        smiles: canonical SMILES with its open end `[*]`.
        text: SMILES that begins at the attached atom; empty for hydrogen.
        composition: its atoms, rings, elements and coordinations.
        attached: coordination of the attached atom, with `*` for the atom at the open end.
    """

    smiles: str
    text: str
    composition: Composition
    attached: str


class Pattern:
    """A molecule with sites, or a substituent with sites and an open end.

    Args:
        smiles: SMILES with the sites `[*:1]`, ...; a substituent has one `[*]` besides.
        is_substituent: whether it is a substituent with an open end.
    Raises:
        ConfigError: the text is not SMILES, or its attachment points are wrong.
    """

    def __init__(self, smiles: str, *, is_substituent: bool = False) -> None:
        molecule = _parsed(smiles)
        self.smiles = smiles
        self.sites = _checked_sites(smiles, molecule, is_substituent)
        self.composition = _composition(molecule)
        self.attached = _attached(molecule, self.sites)
        # every site is a leaf when writing begins at another atom
        root = next(
            (a.GetIdx() for a in molecule.GetAtoms() if is_open_end(a))
            if is_substituent
            else (a.GetIdx() for a in molecule.GetAtoms() if a.GetAtomicNum())
        )
        text = Chem.MolToSmiles(molecule, rootedAtAtom=root)
        self._constants, self._slots = _cut(
            text.removeprefix("*") if is_substituent else text, _hydrogen_implied(molecule)
        )
        self._highest_ring = max(_ring_numbers(text), default=0)
        self.symmetries = _symmetries(molecule, self.sites)

    def fragments(self, parts: Sequence[Sequence[Part]]) -> "Fragments":
        """The pieces of text of this pattern and of the parts for its sites.

        Args:
            parts: the parts for each site, in the order of `sites`.
        Returns:
            the pieces, from which each choice of parts is joined.
        """
        texts = []
        for slot in self._slots:
            choice = parts[self.sites.index(slot.site)]
            texts.append([slot.filled(part, self._highest_ring) for part in choice])
        order = [self.sites.index(slot.site) for slot in self._slots]
        return Fragments(self._constants, texts, order)


@dataclass(frozen=True, slots=True)
class Fragments:
    """The text of a pattern between its sites, and the texts of the parts for each site."""

    constants: list[str]  # the text between the sites; one piece more than there are sites
    texts: list[list[str]]  # for each site, in the order in which sites occur in the text
    order: list[int]  # which site that is, as an index into the pattern's `sites`

    def joined(self, choice: Sequence[int]) -> str:
        """SMILES of the pattern with one part on each site.

        Args:
            choice: the index of the part for each site, in the order of the pattern's `sites`.
        """
        pieces = [self.constants[0]]
        for texts, site, constant in zip(self.texts, self.order, self.constants[1:], strict=True):
            pieces.append(texts[choice[site]])
            pieces.append(constant)
        return "".join(pieces)


@dataclass(frozen=True, slots=True)
class _Slot:
    site: int
    mark: str  # `/` or `\` of a double bond beside the site
    is_branch: bool  # in parentheses
    can_stay_empty: bool  # nothing has to be written for a hydrogen there

    def filled(self, part: Part, highest_ring: int) -> str:
        text = _renumbered(part.text, highest_ring)
        if not text:
            if self.can_stay_empty:
                return ""
            text = "[H]"
        if self.mark:
            if text[0] in _MARK and text[0] != self.mark:
                text = text.translate(_FLIPPED)  # all marks together: they are relative
            text = self.mark + text.lstrip(_MARK)
        return f"({text})" if self.is_branch else text


def part_of(smiles: str) -> Part:
    """A substituent without sites of its own.

    Raises:
        ConfigError: the text is not SMILES, or does not have exactly one open end.
    """
    molecule = _parsed(smiles)
    if _checked_sites(smiles, molecule, True):
        raise ConfigError(f"{smiles!r} has sites; say in a table what goes there")
    root = next(atom.GetIdx() for atom in molecule.GetAtoms() if is_open_end(atom))
    text = Chem.MolToSmiles(molecule, rootedAtAtom=root).removeprefix("*")
    composition = _composition(molecule)
    if not composition.n_heavy:  # [*][H]
        text = ""
    (attached,) = _attached(molecule, (0,))
    return Part(Chem.MolToSmiles(molecule), text, composition, attached)


def is_open_end(atom: Chem.Atom) -> bool:
    """Whether this is `[*]`, which stands for the atom that a substituent is attached to."""
    return bool(atom.GetAtomicNum() == 0 and atom.GetAtomMapNum() == 0)


def _parsed(smiles: str) -> Chem.Mol:
    with rdBase.BlockLogs():
        molecule = Chem.MolFromSmiles(smiles) if smiles.strip() else None
    if molecule is None:
        raise ConfigError(f"{smiles!r} is not SMILES that RDKit can read")
    return molecule


def _checked_sites(smiles: str, molecule: Chem.Mol, is_substituent: bool) -> tuple[int, ...]:
    """The sorted numbers of the sites, after checking that all attachment points are valid."""
    ends = [atom for atom in molecule.GetAtoms() if atom.GetAtomicNum() == 0]
    numbers = sorted(atom.GetAtomMapNum() for atom in ends)
    n_open, sites = numbers.count(0), tuple(number for number in numbers if number)
    if is_substituent and n_open != 1:
        raise ConfigError(
            f"{smiles!r} has {n_open} open ends; write one [*] where it is attached, as in [*]CC"
        )
    if not is_substituent and n_open:
        raise ConfigError(f"{smiles!r} has [*] without a number; number its sites: [*:1], [*:2]")
    if not is_substituent and not sites:
        raise ConfigError(f"{smiles!r} has no site; write [*:1] where a substituent goes")
    if len(set(sites)) != len(sites):
        raise ConfigError(f"{smiles!r} has two sites of one number; number them differently")
    if len(Chem.GetMolFrags(molecule)) > 1:
        raise ConfigError(f"{smiles!r} is more than one molecule")
    for atom in ends:
        bonds = atom.GetBonds()
        if len(bonds) != 1 or bonds[0].GetBondType() != Chem.BondType.SINGLE:
            raise ConfigError(f"{smiles!r}: an attachment point needs one single bond")
        if bonds[0].GetOtherAtom(atom).GetAtomicNum() == 0:
            raise ConfigError(f"{smiles!r}: two attachment points are bonded to each other")
    return sites


def _composition(molecule: Chem.Mol) -> Composition:
    heavy = [atom for atom in molecule.GetAtoms() if atom.GetAtomicNum() > 1]
    return Composition(
        n_heavy=len(heavy),
        n_rings=molecule.GetRingInfo().NumRings(),
        elements=frozenset(atom.GetSymbol() for atom in heavy),
        coordinations=frozenset(
            each for each in drawn_coordinations(molecule) if not each.startswith("*")
        ),
    )


def _attached(molecule: Chem.Mol, numbers: tuple[int, ...]) -> tuple[str, ...]:
    """Coordinations of the atoms that carry the attachment points of these numbers."""
    by_number = {
        atom.GetAtomMapNum(): coordination_of(atom.GetNeighbors()[0])
        for atom in molecule.GetAtoms()
        if atom.GetAtomicNum() == 0
    }
    return tuple(by_number[number] for number in numbers)


def _ring_numbers(text: str) -> Iterator[int]:
    for token in _TOKEN.findall(text):
        if token[0] != "[":
            yield int(token.lstrip("%"))


def _renumbered(text: str, offset: int) -> str:
    """The same SMILES with `offset` added to all ring-closure numbers."""

    def moved(match: re.Match[str]) -> str:
        token = match[0]
        if token[0] == "[":
            return token
        number = int(token.lstrip("%")) + offset
        return f"{number}" if number < 10 else f"%{number:02d}"

    return _TOKEN.sub(moved, text)


def _cut(text: str, hydrogen_implied: set[int]) -> tuple[list[str], list[_Slot]]:
    """The text between the sites, and the sites, in the order of the text."""
    matches = list(_SITE.finditer(text))
    bounds = [0, *(place for match in matches for place in match.span()), len(text)]
    constants = [text[start:end] for start, end in list(pairwise(bounds))[::2]]
    slots = [
        _Slot(
            site=int(match[3]),
            mark=match[2],
            is_branch=match[1] is not None,
            can_stay_empty=not match[2] and int(match[3]) in hydrogen_implied,
        )
        for match in matches
    ]
    return constants, slots


def _hydrogen_implied(molecule: Chem.Mol) -> set[int]:
    """The numbers of the sites whose atom gets a hydrogen where nothing is written."""
    numbers = set()
    for site in molecule.GetAtoms():
        if site.GetAtomMapNum():
            atom = site.GetNeighbors()[0]
            is_plain = not atom.GetNoImplicit() and not atom.GetIsAromatic()
            if is_plain and atom.GetSymbol() in ("C", "N", "O"):
                numbers.add(site.GetAtomMapNum())
    return numbers


def _symmetries(molecule: Chem.Mol, sites: tuple[int, ...]) -> list[tuple[int, ...]]:
    """All permutations of the sites, except the identity, that leave the molecule unchanged."""
    blank = Chem.Mol(molecule)
    places = {}
    for atom in blank.GetAtoms():
        if atom.GetAtomMapNum():
            places[atom.GetIdx()] = sites.index(atom.GetAtomMapNum())
            atom.SetAtomMapNum(0)
            atom.SetAtomicNum(_ASTATINE)
        elif atom.GetAtomicNum() == 0:
            atom.SetAtomicNum(_RADON)  # an open end is no site, and RDKit's * would match anything
    matches = blank.GetSubstructMatches(
        blank, uniquify=False, useChirality=True, maxMatches=100_000
    )
    permutations = set()
    for match in matches:
        images = {places[k]: places[match[k]] for k in places}
        permutations.add(tuple(images[site] for site in range(len(sites))))
    return sorted(permutations - {tuple(range(len(sites)))})
