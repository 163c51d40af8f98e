"""Small networks that read other quantities off the features that AIMNet2 makes of atoms.

Members are networks of their own from the first layer on: what one of them learns of a molecule
reaches no other, so that members can be judged by molecules that they have not seen. Each has two
dense layers, and on them one readout for every quantity: a sum over the atoms (extensive ones), a
mean with weights that are learned (intensive ones, as where an orbital sits), or the length of the
dipole moment of AIMNet2's charges and what is added to them. Sums over atoms are in float64.

References:
    Anstine, Zubatyuk, Isayev, Chem. Sci. 16, 10228 (2025), on AIMNet2.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, PositiveInt
from torch import nn

from screener.dense import affine
from screener.records import Structure

Kind = Literal["sum", "mean", "moment"]
LARGEST_SCORE = 30.0  # exponent of an atom's weight in a mean
SHORTEST = 1e-6  # squared length that keeps the derivative of a length finite


class ReadoutSettings(BaseModel):
    """Sizes of the networks. Members of one group have seen the same molecules."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kinds: tuple[Kind, ...]  # one for each target
    n_inputs: PositiveInt  # of an atom
    n_members: PositiveInt = 5
    n_groups: PositiveInt = 1  # of members, one group after the other
    n_hidden: PositiveInt = 128


@dataclass(frozen=True, slots=True, eq=False)
class Atoms:
    """Atoms of n molecules, one molecule after the other, followed by padding.

    Args:
        inputs: float32 (n_rows, n_inputs); rows beyond the atoms only pad.
        charges: float32 (n_atoms,), elementary charges.
        positions: float32 (n_atoms, 3), angstrom, from the centre of nuclear charge.
        molecule: int64 (n_atoms,), ascending.
        totals: float64 (n,), elementary charges.
    """

    inputs: torch.Tensor
    charges: torch.Tensor
    positions: torch.Tensor
    molecule: torch.Tensor
    totals: torch.Tensor


class Readout(nn.Module):
    """The networks of all members.

    Args:
        settings: sizes.
        generator: decides the weights at first; seed 0 when none is given.
    """

    def __init__(self, settings: ReadoutSettings, generator: torch.Generator | None = None) -> None:
        super().__init__()
        generator = generator or torch.Generator().manual_seed(0)
        self.settings = settings
        width, members = settings.n_hidden, settings.n_members
        n_outputs = 2 * len(settings.kinds)  # values or charges, and scores
        self.first = nn.Parameter(torch.empty(members * width, settings.n_inputs))
        self.first_bias = nn.Parameter(torch.zeros(members * width))
        self.second = nn.Parameter(torch.empty(members, width, width))
        self.second_bias = nn.Parameter(torch.zeros(members, width))
        self.last = nn.Parameter(torch.zeros(members, n_outputs, width))  # plain means at first
        self.last_bias = nn.Parameter(torch.zeros(members, n_outputs))
        for matrix in (self.first, *self.second):
            bound = matrix.shape[1] ** -0.5
            nn.init.uniform_(matrix, -bound, bound, generator=generator)

    def forward(self, atoms: Atoms) -> torch.Tensor:
        """Outputs float64 (n_molecules, n_targets, n_members); of moments in elementary charges
        times angstrom."""
        hidden = nn.functional.silu(affine(atoms.inputs, self.first, self.first_bias))
        n_atoms, n = len(atoms.molecule), len(atoms.totals)
        outputs = []
        for member, own in enumerate(hidden.chunk(self.settings.n_members, dim=1)):
            layer = affine(own.contiguous(), self.second[member], self.second_bias[member])
            last = affine(nn.functional.silu(layer), self.last[member], self.last_bias[member])
            outputs.append(last[:n_atoms].double())
        values, scores = torch.stack(outputs, dim=2).chunk(2, dim=1)  # (n_atoms, targets, members)
        columns = [
            _pooled(kind, values[:, place], scores[:, place], atoms, n)
            for place, kind in enumerate(self.settings.kinds)
        ]
        return torch.stack(columns, dim=1)


def atoms_of(
    structures: Sequence[Structure],
    inputs: Sequence[NDArray[np.floating]],
    charges: Sequence[NDArray[np.float32]],
    *,
    multiple: int,
    device: str = "cpu",
) -> Atoms:
    """Molecules as the networks take them.

    Args:
        structures: (n,).
        inputs: of each, (n_atoms, n_inputs).
        charges: of each, (n_atoms,), elementary charges.
        multiple: that the number of rows is padded to.
        device: of torch.
    Returns:
        the atoms on the device.
    """
    sizes = np.array([structure.n_atoms for structure in structures])
    rows = padded(np.concatenate(inputs), multiple)

    def there(array: NDArray[Any]) -> torch.Tensor:
        return torch.from_numpy(array).to(device)

    return Atoms(
        there(rows),
        there(np.concatenate(charges)),
        there(np.concatenate([_centred(structure) for structure in structures])),
        there(np.repeat(np.arange(len(sizes)), sizes)),
        there(np.array([float(structure.charge) for structure in structures])),
    )


def padded(rows: NDArray[np.floating], multiple: int) -> NDArray[np.float32]:
    """The rows (n, n_columns) in float32, followed by zeros up to a multiple."""
    result = np.zeros((len(rows) + -len(rows) % multiple, rows.shape[1]), dtype=np.float32)
    result[: len(rows)] = rows
    return result


def _centred(structure: Structure) -> NDArray[np.float32]:
    weights = structure.atomic_numbers.astype(np.float64)
    centre = weights @ structure.positions.astype(np.float64) / weights.sum()
    return np.asarray(structure.positions - centre, dtype=np.float32)


def _pooled(
    kind: Kind, values: torch.Tensor, scores: torch.Tensor, atoms: Atoms, n: int
) -> torch.Tensor:
    """One target (n, n_members) from what is said of the atoms, (n_atoms, n_members) each."""

    def sums(of_atoms: torch.Tensor) -> torch.Tensor:
        zeros = torch.zeros((n, *of_atoms.shape[1:]), dtype=of_atoms.dtype, device=of_atoms.device)
        return zeros.index_add(0, atoms.molecule, of_atoms)

    if kind == "sum":
        return sums(values)
    weights = torch.exp(scores.clamp(-LARGEST_SCORE, LARGEST_SCORE))
    if kind == "mean":
        return sums(values * weights) / sums(weights)
    charges = atoms.charges[:, None].double() + values
    missing = (atoms.totals[:, None] - sums(charges)) / sums(weights)
    charges = charges + weights * missing[atoms.molecule]
    vectors = sums(charges[:, :, None] * atoms.positions[:, None, :].double())
    return (vectors.square().sum(dim=2) + SHORTEST).sqrt()
