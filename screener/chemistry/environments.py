"""What chemists call an atom in its molecule, such as `carbonyl carbon` or `ether oxygen`.

Geometries have no bond orders, so names rest on who is bonded to whom, hydrogens included: an
oxygen with one neighbour on a carbon with three is that of a carbonyl group.
"""

from collections import Counter

import numpy as np

from screener.chemistry.geometry import bonded
from screener.records import Structure
from screener.registry.elements import name_of, symbol_of


def atom_name(structure: Structure, atom: int) -> str:
    """What an atom is called.

    Args:
        structure: bonds are those of `geometry.bonded`.
        atom: its number, from 0.
    Returns:
        a name without article; the same for atoms of one kind.
    """
    return _Bonds(structure).name(atom)


class _Bonds:
    def __init__(self, structure: Structure) -> None:
        self._numbers = structure.atomic_numbers.tolist()
        self._symbols = [symbol_of(number) for number in self._numbers]
        self._around = [np.flatnonzero(row).tolist() for row in bonded(structure)]

    def name(self, atom: int) -> str:
        symbol = self._symbols[atom]
        if symbol == "H":
            on = [name_of(self._numbers[other]) for other in self._around[atom]]
            return f"hydrogen on {on[0]}" if len(on) == 1 else "hydrogen"
        known = {"C": self._carbon, "N": self._nitrogen, "O": self._oxygen, "S": self._sulfur}
        return known[symbol](atom) if symbol in known else name_of(self._numbers[atom])

    def _carbon(self, atom: int) -> str:
        around, n_bonds = self._bonded_to(atom), len(self._around[atom])
        if self._is_carbonyl(atom):
            return "carbonyl carbon"
        if n_bonds == 2:
            return "nitrile carbon" if self._has_end(atom, "N") else "sp carbon"
        if around["F"] == 3:
            return "carbon of a CF3 group"
        kinds = {0: "quaternary", 1: "CH", 2: "CH2", 3: "methyl"}
        kind = "sp2" if n_bonds == 3 else kinds.get(around["H"], "") if n_bonds == 4 else ""
        others = [each for each in ("N", "O", "F", "P", "S", "Cl", "Br") if around[each]]
        beside = f" bonded to {' and '.join(others)}" if others else ""
        return f"{kind} carbon{beside}".lstrip()

    def _nitrogen(self, atom: int) -> str:
        around = self._around[atom]
        if len(around) == 1:
            return "nitrile nitrogen" if len(self._around[around[0]]) == 2 else "end nitrogen"
        if len(around) == 2:
            return "nitrogen with two neighbours"
        if sum(self._is_end(other, "O") for other in around) == 2:
            return "nitro nitrogen"
        if any(map(self._is_carbonyl, around)):
            return "amide nitrogen"
        return "amine nitrogen" if len(around) == 3 else "nitrogen"

    def _oxygen(self, atom: int) -> str:
        around = self._around[atom]
        if len(around) == 1:
            if self._is_carbonyl(around[0]):
                return "carbonyl oxygen"
            return f"oxygen at the end of a bond to {name_of(self._numbers[around[0]])}"
        if self._bonded_to(atom)["H"]:
            return "hydroxyl oxygen"
        if any(map(self._is_carbonyl, around)):
            return "oxygen beside a carbonyl group"
        return "ether oxygen" if self._bonded_to(atom)["C"] == 2 else "oxygen"

    def _sulfur(self, atom: int) -> str:
        ends = sum(self._is_end(other, "O") for other in self._around[atom])
        if not ends and len(self._around[atom]) == 2:
            return "sulfide sulfur"
        return {1: "sulfinyl sulfur", 2: "sulfonyl sulfur"}.get(ends, "sulfur")

    def _bonded_to(self, atom: int) -> Counter[str]:
        return Counter(self._symbols[other] for other in self._around[atom])

    def _is_end(self, atom: int, symbol: str) -> bool:
        return self._symbols[atom] == symbol and len(self._around[atom]) == 1

    def _has_end(self, atom: int, symbol: str) -> bool:
        return any(self._is_end(other, symbol) for other in self._around[atom])

    def _is_carbonyl(self, atom: int) -> bool:
        is_planar = self._symbols[atom] == "C" and len(self._around[atom]) == 3
        return is_planar and self._has_end(atom, "O")
