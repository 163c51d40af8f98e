"""Which structures a model may speak about.

Inside are structures of the training elements, at most `max_heavy` heavy atoms, in which every
atom's coordination (its element and the elements bonded to it, by covalent radii) is in several
training molecules, and no atom's environment is further from the nearest inducing one than a limit
that about 1 % of the calibration molecules exceed. Coordination catches what distances cannot: a
fluorine in the place of a hydrogen hardly moves a representation.

Ions and radicals are outside as well. A structure does not show them, so whoever knows the molecule
asks for `electron_reasons`.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from screener.records import Structure
from screener.units import SYMBOLS

# Single-bond covalent radii, angstrom: Cordero et al., Dalton Trans. 2832 (2008).
COVALENT_RADII = {1: 0.31, 5: 0.84, 6: 0.76, 7: 0.71, 8: 0.66, 9: 0.57, 14: 1.11, 15: 1.07,
                  16: 1.05,
                  17: 1.02, 35: 1.20}  # fmt: skip
BOND_TOLERANCE = 1.25  # bonded when closer than this many sums of radii
COINCIDENT = 0.5  # angstrom; no two atoms of a molecule are closer
NAMES = {1: "hydrogen", 6: "carbon", 7: "nitrogen", 8: "oxygen", 9: "fluorine"}


class Domain(BaseModel):
    """Limits found in the training and calibration molecules."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    elements: tuple[int, ...]
    largest_fitted: int  # heavy atoms of the largest training molecule
    max_heavy: int  # beyond it nothing is predicted
    min_seen: int  # training molecules that must have a coordination
    coordinations: dict[str, int]  # such as "C:C,F,F,F" -> number of training molecules
    distance_limits: dict[int, float]  # by element, up to `largest_fitted`
    distance_growth: float  # factor on the limits per heavy atom beyond it

    def reasons(self, structure: Structure) -> list[str]:
        """Why the structure is outside as far as its atoms and bonds say; empty when they do not.

        Only a structure without such a reason can be given to the representation.
        """
        numbers = structure.atomic_numbers
        if not np.isfinite(structure.positions).all():
            return ["positions are not finite"]
        found = self.composition_reasons(set(numbers.tolist()), heavy_atoms(structure))
        if found:
            return found
        if _closest(structure) < COINCIDENT:
            return [f"two atoms are less than {COINCIDENT} angstrom apart"]
        return self.coordination_reasons(coordinations(structure))

    @property
    def known_coordinations(self) -> frozenset[str]:
        """What an atom may be bonded to."""
        return frozenset(each for each, seen in self.coordinations.items() if seen >= self.min_seen)

    def coordination_reasons(self, coordinations: Iterable[str]) -> list[str]:
        """Why a molecule is outside as far as what its atoms are bonded to says."""
        counts = {each: self.coordinations.get(each, 0) for each in sorted(set(coordinations))}
        return [_describe(each, seen) for each, seen in counts.items() if seen < self.min_seen]

    def composition_reasons(self, elements: Collection[int], n_heavy: int) -> list[str]:
        """Why a molecule is outside as far as its elements and its size say.

        Args:
            elements: atomic numbers that occur.
            n_heavy: atoms but hydrogen.
        """
        found = []
        known = ", ".join(SYMBOLS[number] for number in self.elements)
        for number in sorted(set(elements) - set(self.elements)):
            symbol = SYMBOLS.get(number, f"number {number}")
            found.append(f"element {symbol} is not among {known}")
        if n_heavy > self.max_heavy:
            found.append(f"{n_heavy} heavy atoms are more than {self.max_heavy}")
        return found

    def distance_reasons(self, structure: Structure, distances: NDArray[np.float64]) -> list[str]:
        """Why the structure is outside as far as distances (n_atoms,) to known environments say."""
        beyond = max(0, heavy_atoms(structure) - self.largest_fitted)
        factor = self.distance_growth**beyond
        found = []
        for number in sorted(set(structure.atomic_numbers.tolist())):
            limit = self.distance_limits.get(number, 0.0) * factor
            furthest = float(distances[structure.atomic_numbers == number].max())
            if not furthest <= limit:
                name = NAMES.get(number, SYMBOLS[number])
                found.append(
                    f"surroundings of a {name} atom are unlike the training molecules'"
                    f" (distance {furthest:.2f}, limit {limit:.2f})"
                )
        return found


def electron_reasons(charge: int, n_unpaired: int) -> list[str]:
    """Why a molecule of this charge and number of unpaired electrons is outside every domain."""
    found = []
    if charge:
        found.append(f"charge {charge:+d}: the models know neutral molecules")
    if n_unpaired:
        found.append("unpaired electrons: the models know closed-shell molecules")
    return found


def heavy_atoms(structure: Structure) -> int:
    """Number of atoms but hydrogen."""
    return int(np.count_nonzero(structure.atomic_numbers > 1))


def bonded(structure: Structure) -> NDArray[np.bool_]:
    """Which atoms are bonded, (n_atoms, n_atoms), symmetric.

    Two are when closer than `BOND_TOLERANCE` times the sum of their covalent radii.
    """
    radii = np.array([COVALENT_RADII[number] for number in structure.atomic_numbers.tolist()])
    found: NDArray[np.bool_] = atom_distances(structure) < BOND_TOLERANCE * np.add.outer(
        radii, radii
    )
    np.fill_diagonal(found, False)
    return found


def coordinations(structure: Structure) -> list[str]:
    """Element and sorted bonded elements of every atom, such as `C:C,F,F,F`."""
    symbols = [SYMBOLS[number] for number in structure.atomic_numbers.tolist()]
    return [
        f"{symbol}:" + ",".join(sorted(symbols[other] for other in np.flatnonzero(row)))
        for symbol, row in zip(symbols, bonded(structure), strict=True)
    ]


def count_coordinations(structures: Sequence[Structure]) -> dict[str, int]:
    """In how many of `structures` each coordination occurs, sorted by name."""
    counts: Counter[str] = Counter()
    for structure in structures:
        counts.update(set(coordinations(structure)))
    return dict(sorted(counts.items()))


def distance_limits(
    numbers: Sequence[NDArray[np.uint8]],
    distances: Sequence[NDArray[np.float64]],
    outside: float,
) -> dict[int, float]:
    """Limits per element that a share `outside` of molecules exceeds with at least one atom.

    Args:
        numbers: atomic numbers of each calibration molecule.
        distances: of its atoms to the nearest inducing environment of their element.
        outside: share, such as 0.01.
    Returns:
        limits in units of the representation: one shape over the elements (their own high
        quantiles), scaled as a whole.
    """
    all_numbers, all_distances = np.concatenate(numbers), np.concatenate(distances)
    shape = {
        int(number): max(
            1e-6, float(np.quantile(all_distances[all_numbers == number], 1.0 - outside / 10))
        )
        for number in np.unique(all_numbers)
    }
    scores = [
        max(d / shape[int(n)] for n, d in zip(molecule, far, strict=True))
        for molecule, far in zip(numbers, distances, strict=True)
    ]
    factor = float(np.quantile(scores, 1.0 - outside))
    return {number: limit * factor for number, limit in shape.items()}


def atom_distances(structure: Structure) -> NDArray[np.float64]:
    """Between all atoms, (n_atoms, n_atoms), angstrom."""
    positions = structure.positions.astype(np.float64)
    result: NDArray[np.float64] = np.linalg.norm(positions[:, None] - positions[None, :], axis=2)
    return result


def _closest(structure: Structure) -> float:
    distances = atom_distances(structure)
    np.fill_diagonal(distances, np.inf)
    return float(distances.min(initial=np.inf))


def _describe(coordination: str, seen: int) -> str:
    symbol, bonded = coordination.split(":")
    number = next(n for n, s in SYMBOLS.items() if s == symbol)
    around = f"bonded to {', '.join(bonded.split(','))}" if bonded else "bonded to nothing"
    where = "in no training molecule" if seen == 0 else f"in only {seen} training molecules"
    if seen == 1:
        where = "in only one training molecule"
    return f"{NAMES.get(number, symbol)} {around} is {where}"
