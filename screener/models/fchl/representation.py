"""FCHL19 atom environments of structures.

One row per atom, by qmllib, computed molecule by molecule in float64 and stored as float32, so that
neither padding nor the batch a molecule is in can touch its numbers. Which atoms a model knows is
decided in `domain`.
"""

import os
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache

import numpy as np
import qmllib.representations as qml
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from screener.records import Structure

# features for each element of a neighbour, and for each pair of elements: 20 radial * 2 angular
N_RADIAL, N_ANGULAR = 24, 40

Elements = tuple[int, ...]  # atomic numbers that a representation knows, ascending


def n_features(elements: Elements) -> int:
    """Features of an environment; 720 for H, C, N, O and F."""
    n = len(elements)
    return n * N_RADIAL + n * (n + 1) // 2 * N_ANGULAR


@dataclass(frozen=True, slots=True, eq=False)
class Environments:
    """The atoms of a list of molecules, in order."""

    elements: Elements
    values: NDArray[np.float32]  # (n_atoms, n_features)
    atomic_numbers: NDArray[np.uint8]  # (n_atoms,)
    molecule: NDArray[np.int64]  # (n_atoms,), position in the list, ascending
    n_molecules: int

    @property
    def atoms_per_molecule(self) -> NDArray[np.int64]:
        """Numbers of atoms (n_molecules,)."""
        return np.bincount(self.molecule, minlength=self.n_molecules)


@cache
def _openmp_of_qmllib(process: int) -> ThreadpoolController:
    # `process` keys the cache: handles found before a fork are not those of the child
    folder = os.path.dirname(os.path.dirname(qml.__file__))
    everything = ThreadpoolController()
    libraries = [
        library.filepath
        for library in everything.lib_controllers
        if library.user_api == "openmp" and os.path.dirname(library.filepath).startswith(folder)
    ]
    return everything.select(filepath=libraries)


def one_openmp_thread() -> AbstractContextManager[object]:
    """Within this context qmllib uses one thread: its sums over threads come in no fixed order."""
    context: AbstractContextManager[object] = _openmp_of_qmllib(os.getpid()).limit(limits=1)
    return context


def fchl19(structure: Structure, elements: Elements) -> NDArray[np.float32]:
    """FCHL19 representation of every atom, with the published hyperparameters.

    Args:
        structure: positions in angstrom; no two atoms at one place.
        elements: that there may be; features depend on them.
    Returns:
        float32 (n_atoms, n_features), dimensionless, in the order of the atoms. Not finite where
        two atoms coincide.
    Raises:
        ValueError: an element of the structure is not among `elements`.
    References:
        Christensen, Bratholm, Faber, von Lilienfeld, J. Chem. Phys. 152, 044107 (2020).
    """
    numbers = structure.atomic_numbers.astype(np.int32)
    if not np.isin(numbers, elements).all():
        raise ValueError(
            f"atomic numbers {sorted(set(numbers.tolist()))} are not all of {elements}"
        )
    with one_openmp_thread():
        raw = qml.generate_fchl19(
            numbers, structure.positions.astype(np.float64), elements=list(elements)
        )
    return np.ascontiguousarray(raw, dtype=np.float32)


def environments(structures: Sequence[Structure], elements: Elements) -> Environments:
    """Representations of all atoms of `structures`, molecule after molecule.

    Args:
        structures: molecules of these elements alone.
        elements: that the representation knows.
    """
    sizes = [structure.n_atoms for structure in structures]
    values = np.empty((sum(sizes), n_features(elements)), dtype=np.float32)
    start = 0
    for structure in structures:
        values[start : start + structure.n_atoms] = fchl19(structure, elements)
        start += structure.n_atoms
    return Environments(
        elements=elements,
        values=values,
        atomic_numbers=np.concatenate(
            [np.empty(0, dtype=np.uint8), *(s.atomic_numbers for s in structures)]
        ),
        molecule=np.repeat(np.arange(len(structures), dtype=np.int64), sizes),
        n_molecules=len(structures),
    )
