"""AIMNet2 as a potential: molecules sorted into blocks, evaluated, and put back into order."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import torch
from numpy.typing import NDArray

from screener.potentials.aimnet2.network import ROWS, Block, Ensemble
from screener.potentials.aimnet2.weights import ELEMENTS, weights
from screener.potentials.potential import Evaluation
from screener.records import Structure


@dataclass(frozen=True, slots=True, eq=False)
class AtomVectors:
    """What AIMNet2 knows of the atoms of one molecule.

    Args:
        features: float32 (n_atoms, N_FEATURES).
        charges: float32 (n_atoms,), elementary charges.
    """

    features: NDArray[np.float32]
    charges: NDArray[np.float32]


class AimNet2:
    """The ensemble of four networks for ωB97M-D3/def2-TZVPP.

    Args:
        device: of torch.
    Raises:
        ConfigError: the weights are not on this machine.
    References:
        Anstine, Zubatyuk, Isayev, Chem. Sci. 16, 10228 (2025).
    """

    n_atoms_at_once = ROWS

    def __init__(self, device: str = "cpu") -> None:
        self._device = device
        self._ensemble = Ensemble(weights(), device)
        self._places = np.full(max(ELEMENTS) + 1, -1)
        self._places[list(ELEMENTS)] = np.arange(len(ELEMENTS))

    def evaluate(self, structures: Sequence[Structure]) -> list[Evaluation]:
        """Energies, forces, charges and ensemble standard deviations; see `Potential`."""
        results: dict[int, Evaluation] = {}
        for places in self._packed(structures):
            evaluations = self._of_block([structures[place] for place in places])
            results.update(zip(places, evaluations, strict=True))
        return [results[place] for place in range(len(structures))]

    def vectors(self, structures: Sequence[Structure]) -> list[AtomVectors]:
        """Features of atoms, which tell other things than energies as well.

        Args:
            structures: (n,), of elements and charges that AIMNet2 takes.
        Returns:
            (n,), in the same order; a structure gets the same bytes whatever others come with it.
        """
        results: dict[int, AtomVectors] = {}
        for places in self._packed(structures):
            block = [structures[place] for place in places]
            found = self._ensemble.vectors(self._block(block))
            features, charges = found.features.cpu().numpy(), found.charges.cpu().numpy()
            stops = np.cumsum([structure.n_atoms for structure in block])[:-1]
            parts = zip(np.split(features, stops), np.split(charges, stops), strict=True)
            for place, part in zip(places, parts, strict=True):
                results[place] = AtomVectors(*part)
        return [results[place] for place in range(len(structures))]

    def _packed(self, structures: Sequence[Structure]) -> Iterator[list[int]]:
        """Places of molecules that go into one block, a larger molecule being one of its own."""
        order = sorted(range(len(structures)), key=lambda place: structures[place].n_atoms)
        block: list[int] = []
        n_atoms = 0
        for place in order:
            if block and n_atoms + structures[place].n_atoms > ROWS:
                yield block
                block, n_atoms = [], 0
            block.append(place)
            n_atoms += structures[place].n_atoms
        if block:
            yield block

    def _block(self, structures: list[Structure]) -> Block:
        """Molecules, sorted by size, as the networks take them."""
        numbers = np.concatenate([each.atomic_numbers for each in structures])
        positions = np.concatenate([each.positions for each in structures])
        sizes = [(len(list(same)), n) for n, same in groupby(s.n_atoms for s in structures)]
        return Block(
            tuple(sizes),
            torch.from_numpy(self._places[numbers]).to(self._device),
            torch.from_numpy(positions.astype(np.float32)).to(self._device),
            torch.tensor([float(s.charge) for s in structures], device=self._device),
        )

    def _of_block(self, structures: list[Structure]) -> Iterator[Evaluation]:
        outputs = self._ensemble(self._block(structures))
        energies, stds = outputs.energies.tolist(), outputs.stds.tolist()
        forces = outputs.forces.double().cpu().numpy()
        charges = outputs.charges.cpu().numpy()
        start = 0
        for place, structure in enumerate(structures):
            atoms = slice(start, start + structure.n_atoms)
            yield Evaluation(energies[place], stds[place], forces[atoms], charges[atoms])
            start = atoms.stop
