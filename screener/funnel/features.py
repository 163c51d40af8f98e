"""What the surrogate sees of a molecule: how often each fragment occurs, computed once and kept.

Counts of circular environments (Morgan, radius 3), of atom pairs and of bond paths up to four
bonds, each folded to a fixed width, and a few descriptors that are counts themselves. A molecule
has some eighty that are not zero, and only those are kept: three bytes each, two for the column
and one for the count. Stereochemistry is not part of them: stereoisomers have equal rows.

`screener.funnel.projection` makes short vectors of them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem, rdBase
from rdkit.Chem import rdFingerprintGenerator, rdMolDescriptors

from screener.errors import MoleculeError, SchemaError

if TYPE_CHECKING:
    from scipy import sparse

ELEMENT_COLUMNS = (1, 5, 6, 7, 8, 9, 14, 15, 16, 17, 35, 53)  # atomic numbers that are counted
_N_OTHERS = 6
_GENERATORS = (
    (rdFingerprintGenerator.GetMorganGenerator(radius=3, fpSize=2048), 2048),
    (rdFingerprintGenerator.GetAtomPairGenerator(fpSize=1024, countSimulation=False), 1024),
    (
        rdFingerprintGenerator.GetRDKitFPGenerator(
            maxPath=4, fpSize=1024, countSimulation=False, numBitsPerFeature=1
        ),
        1024,
    ),
)
N_COLUMNS = sum(width for _, width in _GENERATORS) + len(ELEMENT_COLUMNS) + _N_OTHERS
LARGEST_COUNT = 255
VERSION = 1  # of what the columns mean; kept features of another one are not read


@dataclass(frozen=True, slots=True, eq=False)
class Bits:
    """Counts of many molecules, row by row, without the zeros.

    Args:
        offsets: int64 (n + 1,), where each molecule's entries begin, the total at the end.
        columns: uint16 (n_entries,), below `N_COLUMNS`.
        counts: uint8 (n_entries,), positive; what exceeds 255 counts as 255.
    Raises:
        SchemaError: the three do not fit each other.
    """

    offsets: NDArray[np.int64]
    columns: NDArray[np.uint16]
    counts: NDArray[np.uint8]

    def __post_init__(self) -> None:
        n_entries = len(self.columns)
        if (
            len(self.offsets) == 0
            or self.offsets[0] != 0
            or self.offsets[-1] != n_entries
            or (np.diff(self.offsets) < 0).any()
        ):
            raise SchemaError("features: the offsets do not divide the columns into molecules")
        if len(self.counts) != n_entries:
            raise SchemaError(f"features: {n_entries} columns with {len(self.counts)} counts")
        if n_entries and self.columns.max() >= N_COLUMNS:
            raise SchemaError(
                f"features: column {self.columns.max()}, but there are {N_COLUMNS}; "
                "they were made by another version, make them again"
            )

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def n_bytes(self) -> int:
        """What is kept, in bytes; some 260 a molecule of nine heavy atoms."""
        return self.offsets.nbytes + self.columns.nbytes + self.counts.nbytes

    def take(self, rows: NDArray[np.int64]) -> "Bits":
        """Some of the molecules, in the order asked for."""
        lengths = np.diff(self.offsets)[rows]
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        entries = np.arange(offsets[-1]) + np.repeat(
            self.offsets[:-1][rows] - offsets[:-1], lengths
        )
        return Bits(offsets, self.columns[entries], self.counts[entries])

    def logarithms(self) -> "sparse.csr_matrix":
        """log(1 + count), float32 (n, N_COLUMNS), sparse: the second of a kind says less."""
        values = np.log1p(self.counts.astype(np.float32))
        from scipy import sparse  # who plans a campaign or looks at one reads no features

        return sparse.csr_matrix(
            (values, self.columns.astype(np.int32), self.offsets), shape=(len(self), N_COLUMNS)
        )


def joined(parts: Sequence[Bits]) -> Bits:
    """The molecules of all parts, in order."""
    lengths = [np.diff(part.offsets) for part in parts]
    return Bits(
        np.concatenate([[0], np.cumsum(np.concatenate([np.zeros(0, np.int64), *lengths]))]).astype(
            np.int64
        ),
        np.concatenate([np.zeros(0, np.uint16), *(part.columns for part in parts)]),
        np.concatenate([np.zeros(0, np.uint8), *(part.counts for part in parts)]),
    )


def bits_of(smiles: Iterable[str]) -> Bits:
    """The features of molecules.

    Args:
        smiles: each one a molecule that RDKit reads.
    Raises:
        MoleculeError: `invalid_smiles`, names it.
    """
    return bits_of_mols(map(_parsed, smiles))


def bits_of_mols(mols: Iterable[Chem.Mol]) -> Bits:
    """The features of molecules.

    References:
        Rogers and Hahn, J. Chem. Inf. Model. 50, 742 (2010); Carhart, Smith and Venkataraghavan,
        J. Chem. Inf. Comput. Sci. 25, 64 (1985).
    """
    rows = [_counts(each) for each in mols]
    lengths = [len(row) for row in rows]
    return Bits(
        np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        np.fromiter(chain.from_iterable(row.keys() for row in rows), dtype=np.uint16),
        np.fromiter(chain.from_iterable(row.values() for row in rows), dtype=np.uint8),
    )


def _parsed(smiles: str) -> Chem.Mol:
    with rdBase.BlockLogs():
        mol = Chem.MolFromSmiles(smiles)
    if mol is None:
        raise MoleculeError("invalid_smiles", f"RDKit cannot read {smiles[:200]!r}")
    return mol


def _counts(mol: Chem.Mol) -> dict[int, int]:
    counts: dict[int, int] = {}
    start = 0
    for generator, width in _GENERATORS:
        counted = generator.GetCountFingerprint(mol).GetNonzeroElements()
        counts.update((start + column, n) for column, n in sorted(counted.items()))
        start += width
    counts.update((start + i, n) for i, n in enumerate(_descriptors(mol)) if n)
    return {column: min(n, LARGEST_COUNT) for column, n in counts.items()}


def _descriptors(mol: Chem.Mol) -> list[int]:
    """Atoms of each element, rings, aromatic rings, H-bond donors and acceptors, charges."""
    elements = dict.fromkeys(ELEMENT_COLUMNS, 0)
    n_charged = n_unsaturated = 0
    for i in range(mol.GetNumAtoms()):  # in half the time of a loop over GetAtoms()
        atom = mol.GetAtomWithIdx(i)
        number = atom.GetAtomicNum()
        if number in elements:
            elements[number] += 1
        elements[1] += atom.GetTotalNumHs()
        n_charged += atom.GetFormalCharge() != 0
        n_unsaturated += atom.GetHybridization() in _FLAT
    others = [
        rdMolDescriptors.CalcNumRings(mol),
        rdMolDescriptors.CalcNumAromaticRings(mol),
        rdMolDescriptors.CalcNumLipinskiHBD(mol),
        rdMolDescriptors.CalcNumLipinskiHBA(mol),
        n_charged,
        n_unsaturated,
    ]
    return [*elements.values(), *others]


_FLAT = (Chem.HybridizationType.SP, Chem.HybridizationType.SP2)
