"""Which molecules a model may speak about.

Inside are molecules of the training elements, at most `max_heavy` heavy atoms, in which every
atom's coordination (its element and the elements bonded to it) is in several training molecules, or
for some models each bond of it, and which are no further from what the model knows than a limit
that about 1 % of the calibration molecules exceed. Coordination catches what distances cannot: a
fluorine in the place of a hydrogen hardly moves a representation.

`Domain` is that of models that read structures: bonds are told by covalent radii, and every atom
has a distance. `DrawingDomain` is that of models that read drawings: every molecule has one.

Reasons are sentences for chemists, in the form of `stores.domain_reasons`.

Ions and radicals are outside as well. A structure need not show them, so whoever knows the molecule
asks for `electron_reasons`.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from screener.chemistry.coordination import (
    bond_kinds,
    bonded_coordinations,
    coordinations,
    of_bonds,
)
from screener.chemistry.environments import atom_name
from screener.chemistry.geometry import atom_distances, bonded, has_flat_atom
from screener.records import Structure
from screener.registry.elements import name_of, number_of
from screener.stores.domain_reasons import with_numbers

COINCIDENT = 0.5  # angstrom; no two atoms of a molecule are closer


class DomainOfKinds(BaseModel):
    """What a drawing alone tells of a domain: elements, size and coordinations."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    elements: tuple[int, ...]
    largest_fitted: int  # heavy atoms of the largest training molecule
    max_heavy: int  # beyond it nothing is predicted
    min_seen: int  # training molecules that must have a coordination
    coordinations: dict[str, int]  # such as "C:C,F,F,F" -> number of training molecules
    # whether these are all that bonds of training molecules make, counted by the rarest bond
    by_bonds: bool = False

    @property
    def known_coordinations(self) -> frozenset[str]:
        """What an atom may be bonded to."""
        return frozenset(each for each, seen in self.coordinations.items() if seen >= self.min_seen)

    def coordination_reasons(self, coordinations: Iterable[str]) -> list[str]:
        """Why a molecule is outside as far as what its atoms are bonded to says."""
        counts = {each: self.coordinations.get(each, 0) for each in sorted(set(coordinations))}
        return [
            _describe(each, seen, self.by_bonds)
            for each, seen in counts.items()
            if seen < self.min_seen
        ]

    def composition_reasons(self, elements: Collection[int], n_heavy: int) -> list[str]:
        """Why a molecule is outside as far as its elements and its size say.

        Args:
            elements: atomic numbers that occur.
            n_heavy: atoms but hydrogen.
        """
        reasons = [
            f"has {name_of(number)}, which the model never saw"
            for number in sorted(set(elements) - set(self.elements))
        ]
        if n_heavy > self.max_heavy:
            reasons.append(
                f"has {n_heavy} heavy atoms, and the model speaks of at most {self.max_heavy}"
            )
        return reasons


class Domain(DomainOfKinds):
    """Limits found in the training and calibration structures."""

    distance_limits: dict[int, float]  # by element, up to `largest_fitted`
    distance_growth: float  # factor on the limits per heavy atom beyond it

    def reasons(self, structure: Structure) -> list[str]:
        """Why the structure is outside as far as its atoms and bonds say; empty when they do not.

        Only a structure without such a reason can be given to the representation.
        """
        numbers = structure.atomic_numbers
        if not np.isfinite(structure.positions).all():
            return ["positions are not finite"]
        reasons = self.composition_reasons(set(numbers.tolist()), heavy_atoms(structure))
        if reasons:
            return reasons
        if _closest(structure) < COINCIDENT:
            return [f"two atoms are less than {COINCIDENT} angstrom apart"]
        bonds = bonded(structure)
        if has_flat_atom(structure, bonds):
            return ["an atom with four neighbours is flat: the geometry is not at a minimum"]
        return self.coordination_reasons(bonded_coordinations(structure, bonds))

    def distance_reasons(self, structure: Structure, distances: NDArray[np.float64]) -> list[str]:
        """Why the structure is outside as far as distances (n_atoms,) to known environments say."""
        beyond = max(0, heavy_atoms(structure) - self.largest_fitted)
        factor = self.distance_growth**beyond
        reasons = []
        for number in sorted(set(structure.atomic_numbers.tolist())):
            limit = self.distance_limits.get(number, 0.0) * factor
            atoms = np.flatnonzero(structure.atomic_numbers == number)
            atom = int(atoms[np.argmax(distances[atoms])])  # one that is NaN before all others
            if not distances[atom] <= limit:
                sentence = (
                    f"the environment of the {atom_name(structure, atom)} is unlike any that the "
                    "model was fitted to"
                )
                numbers = {"distance": float(distances[atom]), "limit": limit}
                reasons.append(with_numbers(sentence, numbers))
        return reasons


class DrawingDomain(DomainOfKinds):
    """Limits found in the training and calibration drawings."""

    distance_limit: float  # to the nearest known molecule, 0 for the same fragments, 1 for none

    def distance_reasons(self, distance: float) -> list[str]:
        """Why a drawing is outside as far as its distance to the known molecules says."""
        if distance <= self.distance_limit:
            return []
        return [
            with_numbers(
                "its fragments are unlike those of any molecule that the model was fitted to",
                {"distance": distance, "limit": self.distance_limit},
            )
        ]


def electron_reasons(charge: int, n_unpaired: int) -> list[str]:
    """Why a molecule of this charge and number of unpaired electrons is outside every domain."""
    reasons = []
    if charge:
        reasons.append(f"has a charge of {charge:+d}, and the models know only neutral molecules")
    if n_unpaired:
        reasons.append("has unpaired electrons, and the models know only closed shells")
    return reasons


def heavy_atoms(structure: Structure) -> int:
    """Number of atoms but hydrogen."""
    return int(np.count_nonzero(structure.atomic_numbers > 1))


def count_coordinations(
    structures: Sequence[Structure], *, by_bonds: bool = False
) -> dict[str, int]:
    """In how many of `structures` each coordination occurs, sorted by name.

    Args:
        structures: that were fitted to.
        by_bonds: whether to tell all coordinations that their bonds make, each by how many
            molecules have the rarest of its bonds.
    """
    kinds = map(coordinations, structures)
    return of_bonds(count_kinds(map(bond_kinds, kinds))) if by_bonds else count_kinds(kinds)


def count_kinds(molecules: Iterable[Iterable[str]]) -> dict[str, int]:
    """In how many molecules each kind of atom occurs, sorted by name.

    Args:
        molecules: of each the kinds of its atoms.
    """
    counts: Counter[str] = Counter()
    for kinds in molecules:
        counts.update(set(kinds))
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


def _closest(structure: Structure) -> float:
    distances = atom_distances(structure)
    np.fill_diagonal(distances, np.inf)
    return float(distances.min(initial=np.inf))


def _describe(coordination: str, seen: int, by_bonds: bool) -> str:
    symbol, _, bonded = coordination.partition(":")
    *others, last = bonded.split(",")
    around = f"{', '.join(others)} and {last}" if others else last or "nothing"
    name = name_of(number_of(symbol))
    article = "an" if name[0] in "aeiou" else "a"
    where = {0: "no molecule", 1: "only one molecule"}.get(seen, f"only {seen} molecules")
    as_in = "with a bond that is in" if by_bonds else "as in"
    return f"has {article} {name} bonded to {around}, {as_in} {where} that the model was fitted to"
