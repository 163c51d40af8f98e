"""The evaluation of AIMNet2: energies, charges and forces of an ensemble of four networks.

Three passes over the atoms: features of the neighbours are summed with radial weights, as scalars
and as lengths of vectors, and dense layers make new features and partial charges of them, which are
shifted to the total charge. After the last pass further layers tell the energies of atoms, to which
come the Coulomb energy of the charges beyond bonding distances and the dispersion.

A molecule has the same bytes in whatever block: atoms of a block are rows of one matrix that is
padded to a fixed number of them, and neighbours are summed in groups of molecules of one size.

References:
    Anstine, Zubatyuk, Isayev, Chem. Sci. 16, 10228 (2025).
"""

import math
from dataclasses import dataclass
from typing import Final

import torch

from screener.potentials.aimnet2.dispersion import Dispersion
from screener.potentials.aimnet2.passes import (
    N_CHANNELS,
    N_RADIAL,
    Filters,
    Pass,
    energies_of_atoms,
    energy_layers,
)
from screener.potentials.aimnet2.weights import N_MEMBERS, N_PASSES, Weights

ROWS: Final = 128  # atoms of a block are padded to a multiple of these
COULOMB_EV_ANGSTROM: Final = 7.1998226  # half of e^2 / (4 pi epsilon_0)
FAR: Final = 5.0  # angstrom; stands for the distance of an atom to itself
LEAST_WEIGHT: Final = 1e-6  # of the shares in which the rest of a charge is given to atoms
N_FEATURES: Final = 256 * N_MEMBERS  # of an atom


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Molecules that are evaluated together, those of one size after one another.

    Args:
        sizes: (number of molecules, atoms of each) of every group.
        elements: int64 (n_atoms,), places in the list of elements.
        positions: float32 (n_atoms, 3), angstrom.
        charges: float32 (n,), total.
    """

    sizes: tuple[tuple[int, int], ...]
    elements: torch.Tensor
    positions: torch.Tensor
    charges: torch.Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Outputs:
    """What the ensemble says of a block, atoms and molecules in its order.

    Args:
        energies: float64 (n,), eV; means of the members.
        stds: float64 (n,), eV; standard deviations of the members.
        forces: float32 (n_atoms, 3), eV/angstrom.
        charges: float32 (n_atoms,), elementary charges.
    """

    energies: torch.Tensor
    stds: torch.Tensor
    forces: torch.Tensor
    charges: torch.Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Vectors:
    """What the ensemble knows of the atoms of a block, in its order.

    Args:
        features: float32 (n_atoms, N_FEATURES), after the last pass, one member after another.
        charges: float32 (n_atoms,), elementary charges.
    """

    features: torch.Tensor
    charges: torch.Tensor


@dataclass(frozen=True, slots=True, eq=False)
class _Group:
    """Molecules of one size within a block."""

    filters: Filters
    distances: torch.Tensor  # (n, n_atoms, n_atoms), angstrom


class Ensemble:
    """The ensemble on one device.

    Args:
        weights: as they were taken out.
        device: of torch.
    """

    def __init__(self, weights: Weights, device: str = "cpu") -> None:
        def on_device(name: str) -> torch.Tensor:
            return torch.from_numpy(weights[name]).to(device)

        members = range(N_MEMBERS)
        self._radii = on_device("radii")
        self._eta = float(weights["eta"])
        self._cutoff = float(weights["cutoff"])
        self._coulomb_cutoff = float(weights["coulomb_cutoff"])
        self._dispersion = Dispersion(weights, device)
        self._shifts = torch.stack([on_device(f"{i}.shifts") for i in members], dim=1).double()
        elements = torch.stack([on_device(f"{i}.elements") for i in members], dim=1)
        shape = (len(elements), N_MEMBERS, N_CHANNELS, N_RADIAL)
        self._elements = elements.view(shape).permute(0, 3, 1, 2).flatten(2).contiguous()
        self._passes = [Pass(weights, place, device) for place in range(N_PASSES)]
        self._energy = energy_layers(weights, device)

    def __call__(self, block: Block) -> Outputs:
        """Energies, forces and charges of a block."""
        positions = block.positions.detach().requires_grad_(True)
        with torch.enable_grad():
            energies, charges = self._energies(block, positions)
            (gradient,) = torch.autograd.grad(energies.mean(dim=1).sum(), positions)
        energies = energies.detach()
        mean = _mean(energies)
        variance = _mean((energies - mean[:, None]).square()) * N_MEMBERS / (N_MEMBERS - 1)
        return Outputs(mean, variance.sqrt(), -gradient, _mean(charges.detach()))

    def vectors(self, block: Block) -> Vectors:
        """Features and charges of the atoms of a block."""
        with torch.no_grad():
            aim, charges = self._passed(block, self._groups(block, block.positions))
            features = aim[:, : len(block.elements)].transpose(0, 1).flatten(1)
        return Vectors(features, _mean(charges))

    def _energies(self, block: Block, positions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Energies float64 (n, N_MEMBERS) and charges of atoms (n_atoms, N_MEMBERS)."""
        groups = self._groups(block, positions)
        aim, charges = self._passed(block, groups)
        atomic = energies_of_atoms(self._energy, aim)[: len(block.elements)].double()
        atomic = atomic + self._shifts[block.elements]
        pairs = torch.cat([self._of_pairs(each, block, charges) for each in groups])
        return _sums(atomic + pairs, *_molecules(block)), charges

    def _passed(self, block: Block, groups: list[_Group]) -> tuple[torch.Tensor, torch.Tensor]:
        """Features (N_MEMBERS, rows, 256) and charges (n_atoms, N_MEMBERS) after all passes."""
        molecule, _ = _molecules(block)
        filters = [group.filters for group in groups]
        rows = torch.nn.functional.pad(block.elements, (0, -len(block.elements) % ROWS))
        features = self._elements[rows]  # (rows, N_RADIAL, N_MEMBERS * N_CHANNELS)
        charges = None
        for each in self._passes[:-1]:
            change, share, by_feature = each(filters, features, charges, rows)
            charges = change if charges is None else charges + change
            charges = _balanced(charges, share.square(), block.charges, molecule)
            features = features + by_feature
        (aim,) = self._passes[-1](filters, features, charges, rows)
        assert charges is not None
        return aim, charges

    def _groups(self, block: Block, positions: torch.Tensor) -> list[_Group]:
        groups = []
        atom = 0
        for n, n_atoms in block.sizes:
            atoms = slice(atom, atom + n * n_atoms)
            own = positions[atoms].view(n, n_atoms, 3).transpose(1, 2)
            vectors = own[:, :, :, None] - own[:, :, None, :]  # (n, 3, to, from)
            itself = torch.eye(n_atoms, dtype=torch.bool, device=positions.device)
            d = vectors.square().sum(dim=1).masked_fill(itself, FAR**2).sqrt()
            within = (d / self._cutoff).clamp(0.0, 1.0)
            weight = 0.5 * torch.cos(within * math.pi) + 0.5
            off = d[:, None] - self._radii[:, None, None]
            by_distance = torch.exp(-self._eta * off.square()) * weight[:, None]
            directions = (vectors / d[:, None]).transpose(1, 2).contiguous()  # (n, to, 3, from)
            by_direction = by_distance[:, :, :, None] * directions[:, None]
            filters = Filters(
                atoms,
                n,
                n_atoms,
                by_distance.view(n * N_RADIAL, n_atoms, n_atoms),
                by_direction.view(n * N_RADIAL, n_atoms, 3 * n_atoms),
            )
            groups.append(_Group(filters, d))
            atom = atoms.stop
        return groups

    def _of_pairs(self, group: _Group, block: Block, charges: torch.Tensor) -> torch.Tensor:
        """What the pairs of each atom add to its energy, float64 (n_atoms, N_MEMBERS)."""
        atoms, n, n_atoms = group.filters.atoms, group.filters.n, group.filters.n_atoms
        d = group.distances
        near = (d / self._coulomb_cutoff).clamp(0.0, 0.999999).square()
        far = 1.0 - torch.exp(1.0 - 1.0 / (1.0 - near))
        itself = torch.eye(n_atoms, dtype=torch.bool, device=d.device)
        weight = (far / d).masked_fill(itself, 0.0)
        q = charges[atoms].view(n, n_atoms, N_MEMBERS).transpose(1, 2)
        # no matrix product: small ones depend on where the numbers lie
        coulomb = (q * (weight[:, None] * q[:, :, None]).sum(dim=3)).double()
        dispersion = self._dispersion(block.elements[atoms].view(n, n_atoms), d)
        pairs = COULOMB_EV_ANGSTROM * coulomb + dispersion[:, None]
        return pairs.transpose(1, 2).reshape(n * n_atoms, N_MEMBERS)


def _molecules(block: Block) -> tuple[torch.Tensor, int]:
    """The molecule of each atom, int64 (n_atoms,), and how many there are."""
    counts = torch.tensor([n_atoms for n, n_atoms in block.sizes for _ in range(n)])
    return torch.repeat_interleave(counts).to(block.positions.device), len(counts)


def _balanced(
    charges: torch.Tensor, shares: torch.Tensor, totals: torch.Tensor, molecule: torch.Tensor
) -> torch.Tensor:
    """Charges (n_atoms, N_MEMBERS) whose sums are those of the molecules, what is missing given to
    atoms by their shares."""
    missing = totals[:, None] - _sums(charges, molecule, len(totals))
    by_share = missing / (_sums(shares, molecule, len(totals)) + LEAST_WEIGHT)
    return charges + shares * by_share[molecule]


def _sums(values: torch.Tensor, molecule: torch.Tensor, n: int) -> torch.Tensor:
    """Of the atoms of each molecule (n, N_MEMBERS), one atom after the other."""
    return values.new_zeros((n, values.shape[1])).index_add(0, molecule, values)


def _mean(values: torch.Tensor) -> torch.Tensor:
    """Of the members, one after the other."""
    total = values[:, 0]
    for member in range(1, N_MEMBERS):
        total = total + values[:, member]
    return total / N_MEMBERS
