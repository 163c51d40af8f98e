"""What a molecule's energy is a sum over: atoms, bonds, rings, contacts.

Numbers read off one geometry, each a sum over parts of the molecule, so that whatever is linear in
them is size extensive. The errors of density functionals are to a large part of this kind: so much
per bond of a kind, per small ring, and the dispersion between atoms that no bond joins. The
vocabulary follows from the elements; what a fit has not seen gets no weight there.
"""

from collections import Counter
from collections.abc import Sequence
from functools import cache
from itertools import combinations_with_replacement

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem

from screener.chemistry.geometry import atom_distances, bonded
from screener.records import Structure
from screener.registry.elements import most_bonds, symbol_of

FloatArray = NDArray[np.float64]

DAMPING = 4.0  # angstrom; contacts nearer than this weigh hardly more, as in damped dispersion
LARGEST_RING = 8  # larger ones count as this


class Vocabulary:
    """The increments of molecules of some elements; made once for them by `vocabulary`.

    Args:
        elements: atomic numbers, ascending.
    """

    def __init__(self, elements: tuple[int, ...]) -> None:
        symbols = [symbol_of(number) for number in elements]
        kinds = [
            f"{symbol}{count}"
            for symbol, number in zip(symbols, elements, strict=True)
            for count in range(most_bonds(number) + 1)
        ]
        self.pairs = [
            f"{one}-{other}" for one, other in combinations_with_replacement(sorted(symbols), 2)
        ]
        bonds = combinations_with_replacement(sorted(kinds), 2)
        self.blocks = {
            "composition": symbols,
            "bonds": [
                *(f"atom {kind}" for kind in kinds),
                *(f"bond {one}-{other}" for one, other in bonds),
                *(f"length {pair}" for pair in self.pairs),  # angstrom
            ],
            "contacts": [f"contact {pair}" for pair in self.pairs],  # angstrom^-6
            "rings": [f"ring {size}" for size in range(3, LARGEST_RING + 1)],
        }
        self.names = [name for names in self.blocks.values() for name in names]
        self.place = {name: place for place, name in enumerate(self.names)}

    def __len__(self) -> int:
        return len(self.names)

    def block(self, name: str) -> NDArray[np.int64]:
        """Columns of one of `blocks`."""
        return np.array([self.place[each] for each in self.blocks[name]], dtype=np.int64)


@cache
def vocabulary(elements: tuple[int, ...]) -> Vocabulary:
    """The increments of molecules of some elements, in their order."""
    return Vocabulary(elements)


def increments(structures: Sequence[Structure], elements: tuple[int, ...]) -> FloatArray:
    """Increments of every structure.

    Args:
        structures: of these elements, no two atoms at one place.
        elements: atomic numbers, ascending.
    Returns:
        float64 (n, len(vocabulary(elements))): numbers of atoms by element; numbers of atoms by
        element and coordination, of bonds by what they join, and sums of bond lengths (angstrom);
        over pairs of atoms more than two bonds apart, sums of 1 / (r^6 + DAMPING^6) by elements;
        numbers of rings of the smallest set by size.
    """
    words = vocabulary(elements)
    result = np.zeros((len(structures), len(words)))
    for row, structure in enumerate(structures):
        for name, value in _of(structure, words).items():
            result[row, words.place[name]] = value
    return result


def _of(structure: Structure, words: Vocabulary) -> dict[str, float]:
    numbers = structure.atomic_numbers.tolist()
    distances, bonds = atom_distances(structure), bonded(structure)
    coordination = bonds.sum(axis=1)
    near = bonds | (bonds.astype(np.int64) @ bonds.astype(np.int64) > 0)
    symbols = [symbol_of(number) for number in numbers]
    kinds = [
        f"{symbol_of(number)}{min(int(count), most_bonds(number))}"
        for number, count in zip(numbers, coordination, strict=True)
    ]

    counts: Counter[str] = Counter(symbols)
    counts.update(f"atom {kind}" for kind in kinds)
    for i, j in zip(*np.nonzero(np.triu(bonds)), strict=True):
        counts["bond " + "-".join(sorted((kinds[i], kinds[j])))] += 1
    counts.update(f"ring {min(size, LARGEST_RING)}" for size in _ring_sizes(numbers, bonds))
    sums: dict[str, float] = dict(counts)
    damped = 1.0 / (distances**6 + DAMPING**6)
    members = {symbol: np.array([s == symbol for s in symbols]) for symbol in set(symbols)}
    for one, other in combinations_with_replacement(sorted(members), 2):
        # each pair once: i < j, whichever of the two elements comes first
        both = np.outer(members[one], members[other]) | np.outer(members[other], members[one])
        both = np.triu(both, 1)
        sums[f"length {one}-{other}"] = float(distances[both & bonds].sum())
        sums[f"contact {one}-{other}"] = float(damped[both & ~near].sum())
    return sums


def _ring_sizes(numbers: list[int], bonds: NDArray[np.bool_]) -> list[int]:
    graph = Chem.RWMol()
    for number in numbers:
        graph.AddAtom(Chem.Atom(number))
    for i, j in zip(*np.nonzero(np.triu(bonds)), strict=True):
        graph.AddBond(int(i), int(j), Chem.BondType.SINGLE)
    return [len(ring) for ring in Chem.GetSymmSSSR(graph)]
