"""Neighbour lists of isolated molecules, and batches of them.

A pair (i, j), i < j, of two atoms of one molecule closer than a cutoff is held once. Molecules are
never periodic. Lists are made once for a set of molecules and cut into batches from there.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from screener.models.compiled import compiled
from screener.records import Structure

ROWS = 512  # atoms of a batch are padded to a multiple: matrix products have few shapes


@dataclass(frozen=True, slots=True, eq=False)
class Neighbours:
    """Atoms and pairs of a list of molecules, one molecule after the other."""

    atomic_numbers: NDArray[np.uint8]  # (n_atoms,)
    atom_offsets: NDArray[np.int64]  # (n_molecules + 1,)
    idx_i: NDArray[np.int32]  # (n_pairs,), place within the molecule
    idx_j: NDArray[np.int32]  # (n_pairs,), likewise, larger than `idx_i`
    distances: NDArray[np.float32]  # (n_pairs,), angstrom, less than the cutoff
    pair_offsets: NDArray[np.int64]  # (n_molecules + 1,)

    def __len__(self) -> int:
        return len(self.atom_offsets) - 1


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Molecules that are evaluated together, on one device.

    The atoms are followed by padding of atomic number 0 that belongs to no pair and no molecule.
    """

    atomic_numbers: torch.Tensor  # int64 (n_rows,)
    molecule: torch.Tensor  # int64 (n_atoms,), ascending
    n_atoms: torch.Tensor  # int64 (n_molecules,)
    idx_i: torch.Tensor  # int32 (n_pairs,), rows
    idx_j: torch.Tensor  # int32 (n_pairs,)
    distances: torch.Tensor  # float32 (n_pairs,), angstrom

    @property
    def n_molecules(self) -> int:
        """Molecules of the batch."""
        return len(self.n_atoms)


def neighbours(structures: Sequence[Structure], cutoff: float) -> Neighbours:
    """Pairs of every molecule.

    Args:
        structures: molecules.
        cutoff: angstrom; pairs at or beyond it are left out.
    """
    sizes = np.array([structure.n_atoms for structure in structures], dtype=np.int64)
    atom_offsets = np.concatenate([[0], np.cumsum(sizes)])
    positions = np.concatenate([np.empty((0, 3)), *(s.positions for s in structures)])
    numbers = [np.empty(0, np.uint8), *(s.atomic_numbers for s in structures)]
    pair_offsets = np.zeros(len(sizes) + 1, dtype=np.int64)
    np.cumsum(sizes * (sizes - 1) // 2, out=pair_offsets[1:])
    room = int(pair_offsets[-1])
    idx_i, idx_j = np.empty(room, np.int32), np.empty(room, np.int32)
    distances = np.empty(room, np.float32)
    _find_pairs(positions, atom_offsets, cutoff, idx_i, idx_j, distances, pair_offsets)
    n = int(pair_offsets[-1])
    return Neighbours(
        np.concatenate(numbers),
        atom_offsets,
        idx_i[:n].copy(),
        idx_j[:n].copy(),
        distances[:n].copy(),
        pair_offsets,
    )


@compiled
def _find_pairs(positions, atom_offsets, cutoff, idx_i, idx_j, distances, pair_offsets):  # type: ignore[no-untyped-def]
    n_pairs = 0
    for molecule in range(len(atom_offsets) - 1):
        pair_offsets[molecule] = n_pairs
        first, last = atom_offsets[molecule], atom_offsets[molecule + 1]
        for i in range(first, last):
            for j in range(i + 1, last):
                x = positions[i, 0] - positions[j, 0]
                y = positions[i, 1] - positions[j, 1]
                z = positions[i, 2] - positions[j, 2]
                distance = np.sqrt(x * x + y * y + z * z)
                if distance < cutoff:
                    idx_i[n_pairs], idx_j[n_pairs] = i - first, j - first
                    distances[n_pairs] = distance
                    n_pairs += 1
    pair_offsets[len(atom_offsets) - 1] = n_pairs


def batch(
    molecules: Neighbours, rows: NDArray[np.int64], device: str = "cpu", *, multiple: int = ROWS
) -> Batch:
    """The molecules at `rows`, in that order; atoms are padded to a multiple of `multiple`.

    Args:
        molecules: neighbour lists of all molecules.
        rows: int64 (n,), which of them.
        device: of torch.
        multiple: that the number of atoms is padded to.
    Returns:
        the batch on the device.
    """
    sizes = np.diff(molecules.atom_offsets)[rows]
    atoms = _ranges(molecules.atom_offsets[rows], sizes)
    n_pairs = np.diff(molecules.pair_offsets)[rows]
    pairs = _ranges(molecules.pair_offsets[rows], n_pairs)
    numbers = np.zeros(len(atoms) + -len(atoms) % multiple, dtype=np.int64)
    numbers[: len(atoms)] = molecules.atomic_numbers[atoms]
    first = np.repeat((np.cumsum(sizes) - sizes).astype(np.int32), n_pairs)

    def there(values: NDArray[np.generic]) -> torch.Tensor:
        return torch.from_numpy(values).to(device)

    return Batch(
        atomic_numbers=there(numbers),
        molecule=there(np.repeat(np.arange(len(rows)), sizes)),
        n_atoms=there(sizes),
        idx_i=there(molecules.idx_i[pairs] + first),
        idx_j=there(molecules.idx_j[pairs] + first),
        distances=there(molecules.distances[pairs]),
    )


def _ranges(starts: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """start, start + 1, ... of each range, one after the other."""
    ends = np.cumsum(counts)
    return np.arange(ends[-1] if len(ends) else 0) + np.repeat(starts - ends + counts, counts)
