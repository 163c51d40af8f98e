"""What a molecule's energy is a sum over: atoms, bonds, rings, contacts.

Numbers read off one geometry, each a sum over parts of the molecule, so that whatever is linear in
them is size extensive. The errors of density functionals are to a large part of this kind: so much
per bond of a kind, per small ring, and the dispersion between atoms that no bond joins. The
vocabulary is fixed; what a fit has not seen gets no weight there.
"""

from collections import Counter
from collections.abc import Sequence
from itertools import combinations_with_replacement

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem

from screener.models.fchl.representation import ELEMENTS
from screener.models.uncertainty.domain import atom_distances, bonded
from screener.records import Structure
from screener.units import SYMBOLS

FloatArray = NDArray[np.float64]

DAMPING = 4.0  # angstrom; contacts nearer than this weigh hardly more, as in damped dispersion
LARGEST_RING = 8  # larger ones count as this
_MOST_BONDS = {"H": 1, "C": 4, "N": 4, "O": 3, "F": 1}

_TYPES = [f"{symbol}{count}" for symbol, most in _MOST_BONDS.items() for count in range(most + 1)]
_PAIRS = [
    f"{one}-{other}"
    for one, other in combinations_with_replacement(sorted(SYMBOLS[z] for z in ELEMENTS), 2)
]
BLOCKS = {
    "composition": [SYMBOLS[number] for number in ELEMENTS],
    "bonds": [
        *(f"atom {kind}" for kind in _TYPES),
        *(f"bond {a}-{b}" for a, b in combinations_with_replacement(sorted(_TYPES), 2)),
        *(f"length {pair}" for pair in _PAIRS),  # angstrom
    ],
    "contacts": [f"contact {pair}" for pair in _PAIRS],  # angstrom^-6
    "rings": [f"ring {size}" for size in range(3, LARGEST_RING + 1)],
}
NAMES = [name for names in BLOCKS.values() for name in names]
_PLACE = {name: place for place, name in enumerate(NAMES)}


def block(name: str) -> NDArray[np.int64]:
    """Columns of one of `BLOCKS`."""
    return np.array([_PLACE[each] for each in BLOCKS[name]], dtype=np.int64)


def increments(structures: Sequence[Structure]) -> FloatArray:
    """Increments of every structure.

    Args:
        structures: of the representation's elements, no two atoms at one place.
    Returns:
        float64 (n, len(NAMES)): numbers of atoms by element; numbers of atoms by element and
        coordination, of bonds by what they join, and sums of bond lengths (angstrom); over pairs of
        atoms more than two bonds apart, sums of 1 / (r^6 + DAMPING^6) by elements; numbers of
        rings of the smallest set by size.
    """
    result = np.zeros((len(structures), len(NAMES)))
    for row, structure in enumerate(structures):
        for name, value in _of(structure).items():
            result[row, _PLACE[name]] = value
    return result


def _of(structure: Structure) -> Counter[str]:
    numbers = structure.atomic_numbers.tolist()
    distances, bonds = atom_distances(structure), bonded(structure)
    coordination = bonds.sum(axis=1)
    near = bonds | (bonds.astype(np.int64) @ bonds.astype(np.int64) > 0)
    symbols = [SYMBOLS[number] for number in numbers]
    kinds = [
        f"{s}{min(int(c), _MOST_BONDS[s])}" for s, c in zip(symbols, coordination, strict=True)
    ]

    found: Counter[str] = Counter(symbols)
    found.update(f"atom {kind}" for kind in kinds)
    for i, j in zip(*np.nonzero(np.triu(bonds)), strict=True):
        found["bond " + "-".join(sorted((kinds[i], kinds[j])))] += 1
    damped = 1.0 / (distances**6 + DAMPING**6)
    members = {symbol: np.array([s == symbol for s in symbols]) for symbol in set(symbols)}
    for pair in _PAIRS:
        one, other = pair.split("-")
        if one in members and other in members:
            # each pair once: i < j, whichever of the two elements comes first
            both = np.outer(members[one], members[other]) | np.outer(members[other], members[one])
            both = np.triu(both, 1)
            found[f"length {pair}"] = float(distances[both & bonds].sum())  # type: ignore[assignment]
            found[f"contact {pair}"] = float(damped[both & ~near].sum())  # type: ignore[assignment]
    found.update(f"ring {min(size, LARGEST_RING)}" for size in _ring_sizes(numbers, bonds))
    return found


def _ring_sizes(numbers: list[int], bonds: NDArray[np.bool_]) -> list[int]:
    graph = Chem.RWMol()
    for number in numbers:
        graph.AddAtom(Chem.Atom(number))
    for i, j in zip(*np.nonzero(np.triu(bonds)), strict=True):
        graph.AddBond(int(i), int(j), Chem.BondType.SINGLE)
    return [len(ring) for ring in Chem.GetSymmSSSR(graph)]
