"""AIMNet2 as a potential: molecules sorted into blocks, evaluated, and put back into order."""

from collections.abc import Iterator, Sequence
from itertools import groupby

import numpy as np
import torch

from screener.potentials.aimnet2.network import ROWS, Block, Ensemble
from screener.potentials.aimnet2.weights import ELEMENTS, weights
from screener.potentials.potential import Evaluation
from screener.records import Structure


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
        order = sorted(range(len(structures)), key=lambda place: structures[place].n_atoms)
        results: dict[int, Evaluation] = {}
        for places in self._packed(structures, order):
            evaluations = self._of_block([structures[place] for place in places])
            results.update(zip(places, evaluations, strict=True))
        return [results[place] for place in range(len(structures))]

    def _packed(self, structures: Sequence[Structure], order: Sequence[int]) -> Iterator[list[int]]:
        """Places of molecules that go into one block, a larger molecule being one of its own."""
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

    def _of_block(self, structures: list[Structure]) -> Iterator[Evaluation]:
        numbers = np.concatenate([each.atomic_numbers for each in structures])
        positions = np.concatenate([each.positions for each in structures])
        sizes = [(len(list(same)), n) for n, same in groupby(s.n_atoms for s in structures)]
        outputs = self._ensemble(
            Block(
                tuple(sizes),
                torch.from_numpy(self._places[numbers]).to(self._device),
                torch.from_numpy(positions.astype(np.float32)).to(self._device),
                torch.tensor([float(s.charge) for s in structures], device=self._device),
            )
        )
        energies, stds = outputs.energies.tolist(), outputs.stds.tolist()
        forces = outputs.forces.double().cpu().numpy()
        charges = outputs.charges.cpu().numpy()
        start = 0
        for place, structure in enumerate(structures):
            atoms = slice(start, start + structure.n_atoms)
            yield Evaluation(energies[place], stds[place], forces[atoms], charges[atoms])
            start = atoms.stop
