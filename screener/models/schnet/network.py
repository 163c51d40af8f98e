"""SchNet: atoms exchange messages through filters that depend on distances alone.

Schütt et al., Adv. Neural Inf. Process. Syst. 30 (2017) and J. Chem. Phys. 148, 241722 (2018). The
trunk is that of `torch_geometric.nn.SchNet`, number by number, so weights can be copied over. On it
stand small networks, `n_members` for every target, whose outputs are summed over the atoms
(extensive targets) or averaged with weights of their own (intensive ones): a mean that can learn
where an orbital sits. Filters are tabulated once for a set of weights and interpolated, see
`filter_sum`. Everything is in float32 but sums over atoms, in float64.
"""

from math import log, pi
from typing import cast

import torch
from pydantic import BaseModel, ConfigDict, PositiveFloat, PositiveInt
from torch import nn

from screener.dense import affine
from screener.models.schnet.filter_sum import AFTER, BEFORE, filter_sum
from screener.models.schnet.neighbours import Batch

N_ELEMENTS = 100  # rows of the embedding; row 0 is what pads
POINTS_PER_GAUSSIAN = 10  # grid points of the tabulated filters for every width of a Gaussian


class SchNetSettings(BaseModel):
    """Sizes of a network; defaults are those of `torch_geometric.nn.SchNet`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    extensive: tuple[bool, ...]  # one for each target
    n_members: PositiveInt = 1  # output networks of each target
    n_features: PositiveInt = 128
    n_interactions: PositiveInt = 6
    n_gaussians: PositiveInt = 50
    n_head: PositiveInt = 64  # features inside an output network
    cutoff: PositiveFloat = 10.0  # angstrom

    @property
    def n_targets(self) -> int:
        """Targets."""
        return len(self.extensive)

    @property
    def spacing(self) -> float:
        """Of the grid on which filters are tabulated, angstrom."""
        return self.cutoff / (self.n_gaussians - 1) / POINTS_PER_GAUSSIAN


def shifted_softplus(x: torch.Tensor) -> torch.Tensor:
    """log(exp(x) / 2 + 1 / 2)."""
    return nn.functional.softplus(x) - log(2.0)


class Interaction(nn.Module):
    """One exchange of messages: what is added to the features of every atom."""

    def __init__(self, n_features: int, n_gaussians: int, generator: torch.Generator) -> None:
        super().__init__()
        self.filter1 = nn.Linear(n_gaussians, n_features)
        self.filter2 = nn.Linear(n_features, n_features)
        self.into = nn.Linear(n_features, n_features, bias=False)
        self.out1 = nn.Linear(n_features, n_features)
        self.out2 = nn.Linear(n_features, n_features)
        for layer in (self.filter1, self.filter2, self.into, self.out1, self.out2):
            nn.init.xavier_uniform_(layer.weight, generator=generator)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)

    def filters(self, gaussians: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        """Filters (n, n_features) of distances given as Gaussians (n, n_gaussians) and their
        cutoff functions (n, 1)."""
        hidden = shifted_softplus(affine(gaussians, self.filter1.weight, self.filter1.bias))
        return affine(hidden, self.filter2.weight, self.filter2.bias) * weight

    def forward(
        self, x: torch.Tensor, table: torch.Tensor, spacing: float, batch: Batch
    ) -> torch.Tensor:
        """Change of the features x (n_rows, n_features).

        Args:
            x: (n_rows, n_features), features of atoms.
            table: (n_points, n_features), filters at distances.
            spacing: angstrom between points of the table.
            batch: pairs of atoms and their distances.
        Returns:
            (n_rows, n_features).
        """
        messages = filter_sum(affine(x, self.into.weight, None), table, spacing, batch)
        hidden = shifted_softplus(affine(messages, self.out1.weight, self.out1.bias))
        return affine(hidden, self.out2.weight, self.out2.bias)


class SchNet(nn.Module):
    """The network. A target's output networks lie together: target 0, members 0, 1, ...

    Args:
        settings: sizes.
        generator: decides the weights at first; seed 0 when none is given.
    """

    def __init__(self, settings: SchNetSettings, generator: torch.Generator | None = None) -> None:
        super().__init__()
        generator = generator or torch.Generator().manual_seed(0)
        self.settings = settings
        width, n_heads = settings.n_features, settings.n_targets * settings.n_members
        self.embedding = nn.Embedding(N_ELEMENTS, width, padding_idx=0)
        with torch.no_grad():
            self.embedding.weight[1:].normal_(generator=generator)
        self.interactions = nn.ModuleList(
            Interaction(width, settings.n_gaussians, generator)
            for _ in range(settings.n_interactions)
        )
        self.head = nn.Linear(width, n_heads * settings.n_head)
        self.value = nn.Parameter(torch.empty(n_heads, settings.n_head))
        self.value_bias = nn.Parameter(torch.zeros(n_heads))
        self.score = nn.Parameter(torch.zeros(n_heads, settings.n_head))  # a plain mean at first
        for member in range(n_heads):
            rows = slice(member * settings.n_head, (member + 1) * settings.n_head)
            nn.init.xavier_uniform_(self.head.weight[rows], generator=generator)
            nn.init.xavier_uniform_(self.value[member : member + 1], generator=generator)
        nn.init.zeros_(self.head.bias)
        points = torch.arange(-BEFORE, round(settings.cutoff / settings.spacing) + AFTER + 1)
        grid = points * settings.spacing
        self.gaussians = nn.Buffer(self._gaussians(grid), persistent=False)
        self.cutoff_weight = nn.Buffer(self._cutoff_weight(grid), persistent=False)

    def _gaussians(self, distances: torch.Tensor) -> torch.Tensor:
        centres = torch.linspace(0.0, self.settings.cutoff, self.settings.n_gaussians)
        width = float(centres[1] - centres[0])
        apart = distances[:, None] - centres.to(distances)
        return torch.exp(apart.square() * (-0.5 / width**2))

    def _cutoff_weight(self, distances: torch.Tensor) -> torch.Tensor:
        return 0.5 * (torch.cos(distances[:, None] * (pi / self.settings.cutoff)) + 1.0)

    def _layers(self) -> list[Interaction]:
        return cast(list[Interaction], list(self.interactions))

    def tables(self) -> torch.Tensor:
        """Filters on the grid, (n_interactions, n_points, n_features)."""
        gaussians, weight = self.gaussians, self.cutoff_weight
        return torch.stack([layer.filters(gaussians, weight) for layer in self._layers()])

    def filters(self, distances: torch.Tensor) -> torch.Tensor:
        """Filters of the distances (n,), exactly: (n_interactions, n, n_features)."""
        gaussians, weight = self._gaussians(distances), self._cutoff_weight(distances)
        return torch.stack([layer.filters(gaussians, weight) for layer in self._layers()])

    def features(self, batch: Batch, tables: torch.Tensor) -> torch.Tensor:
        """Features of the atoms after the last interaction, (n_rows, n_features)."""
        x: torch.Tensor = self.embedding(batch.atomic_numbers)
        for layer, table in zip(self._layers(), tables, strict=True):
            x = x + layer(x, table, self.settings.spacing, batch)
        return x

    def readout(self, features: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Outputs float64 (n_molecules, n_targets, n_members) from the features of the atoms."""
        settings = self.settings
        hidden = shifted_softplus(affine(features, self.head.weight, self.head.bias))
        linear = affine(hidden, torch.cat([_blocks(self.value), _blocks(self.score)]), None)
        value, score = linear.double().chunk(2, dim=1)
        weight = torch.exp(score.clamp(-30.0, 30.0))  # equal weights and sums, unless intensive
        extensive = torch.tensor(settings.extensive, device=features.device)
        extensive = extensive.repeat_interleave(settings.n_members)
        weight = torch.where(extensive, 1.0, weight)
        weight = weight[: len(batch.molecule)]
        value = (value[: len(batch.molecule)] + self.value_bias.double()) * weight
        zeros = torch.zeros((batch.n_molecules, value.shape[1]), dtype=value.dtype).to(value)
        total = zeros.index_add(0, batch.molecule, value)
        norm = zeros.index_add(0, batch.molecule, weight)
        result = torch.where(extensive, total, total / norm)
        return result.reshape(-1, settings.n_targets, settings.n_members)

    def forward(self, batch: Batch, tables: torch.Tensor) -> torch.Tensor:
        """Outputs float64 (n_molecules, n_targets, n_members)."""
        return self.readout(self.features(batch, tables), batch)


def _blocks(rows: torch.Tensor) -> torch.Tensor:
    """The matrix (n, n * m) in which row k of (n, m) stands in the k-th block of columns."""
    n, m = rows.shape
    return (torch.eye(n, device=rows.device)[:, :, None] * rows[:, None, :]).reshape(n, n * m)
