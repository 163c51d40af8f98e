"""Open stereochemistry: the isomers of a molecule with undefined stereo elements, in a fixed order.

Everything is a function of the canonical SMILES: elements are numbered in its atom order and bits
come from its hash, so neither the caller's atom order nor the machine matters. Nothing is embedded.
Isomers that strain forbids are avoided by topology: where two small rings share a bond or a bridge,
the two ends of what they share must have opposite handedness seen from outside (cis-fused rings,
bridgeheads that point outwards), and a double bond in a small ring is cis. RDKit's own enumerator
would need a 3D embedding per isomer to know that.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

from rdkit import Chem

from screener.chemistry.identity import is_inverting, settle

# In,out-isomers need more atoms in the bridges than this: trans-bicyclo[4.3.0] (hydrindane) is at
# ease, trans-[3.3.0] strained by 6 kcal/mol; with three bridges the smallest known ones are of the
# size of in,out-bicyclo[4.4.1].
MAX_FUSED_BRIDGES = 6
MAX_BRIDGED_BRIDGES = 8
MAX_CIS_RING = 9  # trans-cyclooctene exists but must be asked for
MAX_ROUNDS = 4  # defining some centres can make others stereogenic, which the next round defines
NO_ATOM = 2**32 - 1  # RDKit's mark for an implicit neighbour


@dataclass(frozen=True, slots=True)
class _Element:
    """One stereo element; its bit is 0 for CCW or cis with respect to `neighbours`."""

    index: int  # of the atom, or of the bond
    is_bond: bool
    neighbours: tuple[int, ...]  # tetrahedral: in bond order; bond: one substituent of either end
    bit: int | None  # None where undefined
    forced: int | None = None  # what strain demands, whatever the others are
    kept: bool = True  # False: takes part in the bookkeeping of strain only (inverting nitrogen)

    @property
    def is_open(self) -> bool:
        return self.kept and self.bit is None


def isomers(mol: Chem.Mol, limit: int) -> Iterator[tuple[str, Chem.Mol, int]]:
    """Fully defined isomers of a molecule, the picked one first.

    Args:
        mol: sanitised; what is defined in it stays.
        limit: how many isomers at most, at least 1.
    Yields:
        canonical SMILES, all different; the molecule parsed from it; how many elements were
        defined here.
    Raises:
        MoleculeError: `unstable_smiles`, RDKit cannot read what it has written.
    """
    smiles, mol = settle(mol)
    elements = _elements(mol)
    n_given = _n_defined(elements)
    seen: set[str] = set()
    for isomer, defined, all_elements in _expand(smiles, mol, elements, limit, MAX_ROUNDS):
        if isomer not in seen:
            seen.add(isomer)
            yield isomer, defined, max(_n_defined(all_elements) - n_given, 0)
            if len(seen) == limit:
                return


def _n_defined(elements: list[_Element]) -> int:
    return sum(element.kept and element.bit is not None for element in elements)


def _expand(
    smiles: str, mol: Chem.Mol, elements: list[_Element], limit: int, rounds: int
) -> Iterator[tuple[str, Chem.Mol, list[_Element]]]:
    if rounds == 0 or not any(element.is_open for element in elements):
        yield smiles, mol, elements
        return
    for bits in _assignments(smiles, mol, elements, limit):
        next_smiles, next_mol = settle(_defined(mol, elements, bits))
        if next_smiles == smiles:  # the open elements are none after all: RDKit does not keep them
            yield smiles, mol, elements
            return
        yield from _expand(next_smiles, next_mol, _elements(next_mol), limit, rounds - 1)


def _elements(mol: Chem.Mol) -> list[_Element]:
    elements = []
    for info in Chem.FindPotentialStereo(mol, cleanIt=False, flagPossible=True):
        specified = info.specified == Chem.StereoSpecified.Specified
        if info.type == Chem.StereoType.Atom_Tetrahedral:
            atom = mol.GetAtomWithIdx(info.centeredOn)
            neighbours = tuple(other.GetIdx() for other in atom.GetNeighbors())
            bit = (
                int(atom.GetChiralTag() == Chem.ChiralType.CHI_TETRAHEDRAL_CW)
                if specified
                else None
            )
            kept = not is_inverting(atom)
            elements.append(_Element(info.centeredOn, False, neighbours, bit, kept=kept))
        elif info.type == Chem.StereoType.Bond_Double:
            element = _double_bond(mol, info.centeredOn, list(info.controllingAtoms), specified)
            if element is not None:
                elements.append(element)
    return sorted(elements, key=lambda element: not element.kept)  # what is kept chooses first


def _double_bond(
    mol: Chem.Mol, index: int, controlling: list[int], specified: bool
) -> _Element | None:
    bond = mol.GetBondWithIdx(index)
    for end in (bond.GetBeginAtom(), bond.GetEndAtom()):
        if sum(other.GetBondType() == Chem.BondType.DOUBLE for other in end.GetBonds()) > 1:
            return None  # cumulenes twist about an axis, which SMILES in RDKit cannot say
    if specified:
        return _Element(index, True, (), 0)
    sides = [
        [a for a in controlling[:2] if a != NO_ATOM],
        [a for a in controlling[2:] if a != NO_ATOM],
    ]
    sizes = [len(ring) for ring in mol.GetRingInfo().BondRings() if index in ring]
    if sizes and min(sizes) <= MAX_CIS_RING:
        ring = next(
            set(atoms)
            for atoms, bonds in zip(
                mol.GetRingInfo().AtomRings(), mol.GetRingInfo().BondRings(), strict=True
            )
            if index in bonds and len(bonds) == min(sizes)
        )
        inside = [[a for a in side if a in ring] for side in sides]
        return _Element(index, True, (inside[0][0], inside[1][0]), None, forced=0)
    # NO_ATOM: the hydrogen of an imine, which becomes an atom of its own when the bond is defined
    return _Element(index, True, tuple(side[0] if side else NO_ATOM for side in sides), None)


def _assignments(
    smiles: str, mol: Chem.Mol, elements: list[_Element], limit: int
) -> Iterator[list[int]]:
    """Bits for all elements: the picked assignment, then those that differ in free elements."""
    hashed = int.from_bytes(hashlib.sha256(smiles.encode()).digest(), "big")
    picked = [(hashed >> (k % 256)) & 1 for k in range(len(elements))]
    links = _strain_links(mol, elements)
    bits, free = _propagated(elements, links, picked)
    yield bits
    # symmetric molecules give the same isomer more than once, so a few more than `limit` are tried
    for flips in range(1, min(2 ** len(free), 4 * limit) if limit > 1 else 1):
        trial = list(picked)
        for position, k in enumerate(free):
            trial[k] ^= (flips >> position) & 1
        yield _propagated(elements, links, trial)[0]


def _propagated(
    elements: list[_Element], links: dict[int, list[tuple[int, int]]], wanted: list[int]
) -> tuple[list[int], list[int]]:
    """Bits that keep what is given and what strain demands, and the elements free to choose."""
    bits: dict[int, int] = {}
    leaders = []

    def spread(start: int, bit: int) -> None:
        waiting = [(start, bit)]
        while waiting:
            k, value = waiting.pop()
            if k in bits:
                continue
            bits[k] = value
            waiting.extend((other, value ^ parity) for other, parity in links.get(k, ()))

    for k, element in enumerate(elements):
        if element.bit is not None:
            bits[k] = element.bit
    for k in list(bits):
        for other, parity in links.get(k, ()):
            spread(other, bits[k] ^ parity)
    for k, element in enumerate(elements):
        if k not in bits:
            if element.forced is None and element.kept:
                leaders.append(k)
            spread(k, wanted[k] if element.forced is None else element.forced)
    return [bits[k] for k in range(len(elements))], leaders


def _strain_links(mol: Chem.Mol, elements: list[_Element]) -> dict[int, list[tuple[int, int]]]:
    """For each element, those that small rings tie to it, each with 1 where their bits differ."""
    centres = {element.index: k for k, element in enumerate(elements) if not element.is_bond}
    links: dict[int, list[tuple[int, int]]] = {}
    rings = mol.GetRingInfo().AtomRings()
    for first, second in combinations(rings, 2):
        shared = set(first) & set(second)
        if len(shared) < 2:
            continue
        bridges = (len(shared) - 2, len(first) - len(shared), len(second) - len(shared))
        if sum(bridges) > (MAX_FUSED_BRIDGES if 0 in bridges else MAX_BRIDGED_BRIDGES):
            continue
        ends = [
            (atom, *around)
            for atom in shared
            if (around := _three_bridges(atom, first, second, shared)) is not None
        ]
        if len(ends) != 2 or any(end[0] not in centres for end in ends):
            continue
        one, other = (centres[end[0]] for end in ends)
        parity = 1 ^ _turn(elements[one], ends[0][1:]) ^ _turn(elements[other], ends[1][1:])
        links.setdefault(one, []).append((other, parity))
        links.setdefault(other, []).append((one, parity))
    return links


def _three_bridges(
    atom: int, first: tuple[int, ...], second: tuple[int, ...], shared: set[int]
) -> tuple[int, int, int] | None:
    """Neighbours of `atom` on what the rings share, in the first and in the second ring.

    None where `atom` is not an end of what they share.
    """
    along: list[int] = []
    outward: list[int] = []
    for ring in (first, second):
        at = ring.index(atom)
        sides = (ring[at - 1], ring[(at + 1) % len(ring)])
        inside = [side for side in sides if side in shared]
        outside = [side for side in sides if side not in shared]
        if len(inside) != 1 or len(outside) != 1:
            return None
        along.append(inside[0])
        outward.append(outside[0])
    if along[0] != along[1] or outward[0] == outward[1]:
        return None
    return along[0], outward[0], outward[1]


def _turn(element: _Element, bridges: tuple[int, ...]) -> int:
    """Parity between RDKit's neighbour order and (substituent, bridge, bridge, bridge).

    With three neighbours RDKit counts the implicit hydrogen (or lone pair) as the last.
    """
    order = [*element.neighbours, NO_ATOM][:4]
    outside = next(atom for atom in order if atom not in bridges)
    wanted = [outside, *bridges]
    positions = [wanted.index(atom) for atom in order]
    return sum(a > b for a, b in combinations(positions, 2)) % 2


def _defined(mol: Chem.Mol, elements: list[_Element], bits: list[int]) -> Chem.Mol:
    mol = Chem.RWMol(mol)
    for element, bit in zip(elements, bits, strict=True):
        if element.bit is not None:
            continue
        if not element.is_bond:
            tag = Chem.ChiralType.CHI_TETRAHEDRAL_CW if bit else Chem.ChiralType.CHI_TETRAHEDRAL_CCW
            mol.GetAtomWithIdx(element.index).SetChiralTag(tag)
            continue
        bond = mol.GetBondWithIdx(element.index)
        ends = (bond.GetBeginAtomIdx(), bond.GetEndAtomIdx())
        substituents = [
            _explicit_hydrogen(mol, end) if neighbour == NO_ATOM else neighbour
            for end, neighbour in zip(ends, element.neighbours, strict=True)
        ]
        bond.SetStereoAtoms(*substituents)
        bond.SetStereo(Chem.BondStereo.STEREOTRANS if bit else Chem.BondStereo.STEREOCIS)
    return mol.GetMol()


def _explicit_hydrogen(mol: Chem.RWMol, atom: int) -> int:
    """Turn one implicit hydrogen of the atom into an atom; returns its index."""
    hydrogen = int(mol.AddAtom(Chem.Atom(1)))
    mol.AddBond(atom, hydrogen, Chem.BondType.SINGLE)
    owner = mol.GetAtomWithIdx(atom)
    owner.SetNumExplicitHs(max(owner.GetNumExplicitHs() - 1, 0))
    owner.SetNoImplicit(False)
    mol.UpdatePropertyCache(strict=False)
    return hydrogen
