"""How often each fragment occurs in a drawing.

Fragments are circular environments of up to two bonds around each atom (Morgan), by their own
numbers and never folded, so that a fragment which no training molecule has is known to be new.
Stereochemistry is not part of them.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem
from rdkit.Chem import rdFingerprintGenerator

FloatArray = NDArray[np.float64]

RADIUS = 2  # bonds
_GENERATOR = rdFingerprintGenerator.GetMorganGenerator(radius=RADIUS)
HYDROGEN = 1


@dataclass(frozen=True, slots=True, eq=False)
class Fragments:
    """Counts of n molecules, row by row, without the zeros, columns ascending in each row.

    Args:
        offsets: int64 (n + 1,), where the entries of each molecule begin.
        columns: int32 (n_entries,), places in a vocabulary.
        counts: float64 (n_entries,), positive.
        totals: float64 (n,), sums of the counts of all fragments, those outside the vocabulary
            included.
    """

    offsets: NDArray[np.int64]
    columns: NDArray[np.int32]
    counts: FloatArray
    totals: FloatArray

    def __len__(self) -> int:
        return len(self.totals)

    def rows(self, rows: NDArray[np.int64]) -> "Fragments":
        """Some of the molecules, in the order asked for."""
        lengths = np.diff(self.offsets)[rows]
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        entries = np.arange(offsets[-1]) + np.repeat(
            self.offsets[:-1][rows] - offsets[:-1], lengths
        )
        return Fragments(offsets, self.columns[entries], self.counts[entries], self.totals[rows])


def fragment_counts(molecule: Chem.Mol) -> dict[int, int]:
    """Number of each fragment by its own number.

    References:
        Rogers and Hahn, J. Chem. Inf. Model. 50, 742 (2010), as RDKit has them.
    """
    counts: dict[int, int] = _GENERATOR.GetSparseCountFingerprint(molecule).GetNonzeroElements()
    return counts


def vocabulary_of(counted: Iterable[dict[int, int]]) -> NDArray[np.uint64]:
    """Numbers of all fragments that occur, ascending, uint64."""
    numbers: set[int] = set()
    for each in counted:
        numbers.update(each)
    return np.array(sorted(numbers), dtype=np.uint64)


class Vocabulary:
    """Looks up fragments; made once for a model.

    Args:
        numbers: uint64 (n_fragments,), ascending.
    """

    def __init__(self, numbers: NDArray[np.uint64]) -> None:
        self._place = {int(number): place for place, number in enumerate(numbers)}

    def __call__(self, counted: Iterable[dict[int, int]]) -> Fragments:
        """The counts of molecules in terms of the vocabulary."""
        offsets, columns, counts, totals = [0], [], [], []
        for each in counted:
            known = sorted(
                (self._place[number], count)
                for number, count in each.items()
                if number in self._place
            )
            columns += [place for place, _ in known]
            counts += [count for _, count in known]
            offsets.append(len(columns))
            totals.append(sum(each.values()))
        return Fragments(
            np.array(offsets, dtype=np.int64),
            np.array(columns, dtype=np.int32),
            np.array(counts, dtype=np.float64),
            np.array(totals, dtype=np.float64),
        )


def drawn_composition(molecules: Iterable[Chem.Mol], elements: tuple[int, ...]) -> FloatArray:
    """Numbers of atoms of each element, hydrogens included, float64 (n, n_elements).

    Args:
        molecules: as RDKit reads them from SMILES.
        elements: atomic numbers; atoms of others are not counted.
    """
    place = {number: column for column, number in enumerate(elements)}
    rows = []
    for molecule in molecules:
        row = [0.0] * len(elements)
        n_hydrogen = 0
        for atom in map(molecule.GetAtomWithIdx, range(molecule.GetNumAtoms())):
            number = atom.GetAtomicNum()
            if number in place:
                row[place[number]] += 1.0
            n_hydrogen += atom.GetTotalNumHs()
        if HYDROGEN in place:
            row[place[HYDROGEN]] += n_hydrogen
        rows.append(row)
    return np.array(rows, dtype=np.float64).reshape(len(rows), len(elements))
