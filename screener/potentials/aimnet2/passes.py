"""One pass of AIMNet2 over the atoms of a block, for all members of the ensemble at once.

Derivatives are written out here: they need no sums over pieces of arrays, which is what automatic
ones would spend half of the time with.
"""

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F

from screener.dense import product
from screener.potentials.aimnet2.weights import N_MEMBERS, Weights

N_RADIAL = N_CHANNELS = 16
N_VECTORS = 12
SQUARE = N_RADIAL * N_CHANNELS
ALL_CHANNELS = N_MEMBERS * N_CHANNELS

Layer = tuple[torch.Tensor, torch.Tensor | None]  # weight (n_out, n_in) and bias (n_out,)


@dataclass(frozen=True, slots=True, eq=False)
class Filters:
    """With what weights the atoms of molecules of one size see their neighbours.

    Args:
        atoms: rows of the block.
        n: molecules.
        n_atoms: of each.
        by_distance: (n * N_RADIAL, n_atoms, n_atoms), symmetric.
        by_direction: (n * N_RADIAL, n_atoms, 3 * n_atoms), those times the components of the
            direction to the atom of the second axis from the atom of the third.
    """

    atoms: slice
    n: int
    n_atoms: int
    by_distance: torch.Tensor
    by_direction: torch.Tensor


def energy_layers(weights: Weights, device: str) -> list[list[Layer]]:
    """The layers that tell energies of atoms, of each member."""
    return [_layers(weights, f"{member}.energy", device) for member in range(N_MEMBERS)]


def energies_of_atoms(layers: list[list[Layer]], features: torch.Tensor) -> torch.Tensor:
    """Energies of atoms, without shifts.

    Args:
        layers: of each member.
        features: (N_MEMBERS, rows, 256).
    Returns:
        (rows, N_MEMBERS), eV.
    """
    parts = [
        _Dense.apply(own, each, False)  # type: ignore[no-untyped-call]  # torch has no types for it
        for own, each in zip(features.unbind(), layers, strict=True)
    ]
    return torch.cat(parts, dim=1)


class Pass:
    """The layers of one pass.

    Args:
        weights: of AIMNet2.
        place: 0, 1 or 2.
        device: of torch.
    """

    def __init__(self, weights: Weights, place: int, device: str) -> None:
        self.is_first, self.is_last = place == 0, place == 2
        # features here are ordered by radius and then channel, there the other way round
        turned = torch.arange(SQUARE, device=device).view(N_CHANNELS, N_RADIAL).T.reshape(-1)
        self.layers: list[list[Layer]] = []
        self.by_element: list[torch.Tensor] = []  # what features add in the first pass
        for member in range(N_MEMBERS):
            layers = _layers(weights, f"{member}.pass_{place}", device)
            weight, bias = layers[0]
            if self.is_first:
                elements = torch.from_numpy(weights[f"{member}.elements"]).to(device)
                own = weight[:, :SQUARE].contiguous()
                self.by_element.append(F.linear(elements, own, bias))
                columns = [SQUARE + turned]
                bias = None
            else:
                columns = [turned, SQUARE + turned]
            others = torch.arange(2 * SQUARE, weight.shape[1], device=device)
            layers[0] = weight[:, torch.cat([*columns, others])].contiguous(), bias
            if not self.is_last:
                weight, bias = layers[-1]
                assert bias is not None
                rows = torch.cat([torch.arange(2, device=device), 2 + turned])
                layers[-1] = weight[rows].contiguous(), bias[rows].contiguous()
            self.layers.append(layers)
        # (channels, N_VECTORS, N_RADIAL)
        mixing = [torch.from_numpy(weights[f"{i}.agh"]).to(device) for i in range(N_MEMBERS)]
        if not self.is_first:
            charges = [weights[f"{i}.agh_charges"] for i in range(N_MEMBERS)]
            mixing += [torch.from_numpy(each).to(device)[None] for each in charges]
        self.mixing = torch.cat(mixing).transpose(1, 2).contiguous()

    def __call__(
        self,
        filters: list[Filters],
        features: torch.Tensor,
        charges: torch.Tensor | None,
        elements: torch.Tensor,
    ) -> tuple[torch.Tensor, ...]:
        """What the layers make of the atoms.

        Args:
            filters: of every group of molecules.
            features: (rows, N_RADIAL, N_MEMBERS * N_CHANNELS).
            charges: (n_atoms, N_MEMBERS), but for the first pass.
            elements: int64 (rows,), places in the list of elements.
        Returns:
            of the last pass features (N_MEMBERS, rows, 256); of others what charges change by and
            the roots of their shares, both (n_atoms, N_MEMBERS), and what features change by.
        """
        result: torch.Tensor = _Passed.apply(  # type: ignore[no-untyped-call]  # torch has no types
            *(self, filters, elements, features, charges),
            *(each.by_distance for each in filters),
            *(each.by_direction for each in filters),
        )
        if self.is_last:
            return (result,)
        n_atoms = filters[-1].atoms.stop
        shape = (N_MEMBERS, len(features), N_RADIAL, N_CHANNELS)
        change = result[:, :, 2:].view(shape).permute(1, 2, 0, 3).flatten(2)
        return result[:, :n_atoms, 0].T, result[:, :n_atoms, 1].T, change


def _layers(weights: Weights, name: str, device: str) -> list[Layer]:
    n_layers = sum(key.startswith(f"{name}.") for key in weights) // 2
    return [
        (
            torch.from_numpy(weights[f"{name}.{place}.weight"]).to(device),
            torch.from_numpy(weights[f"{name}.{place}.bias"]).to(device),
        )
        for place in range(n_layers)
    ]


class _Passed(torch.autograd.Function):
    """(N_MEMBERS, rows, n_out) of a pass."""

    @staticmethod
    def forward(
        ctx: Any,
        own: Pass,
        filters: list[Filters],
        elements: torch.Tensor,
        features: torch.Tensor,
        charges: torch.Tensor | None,
        *weights: torch.Tensor,
    ) -> torch.Tensor:
        rows = len(features)
        n_channels = len(own.mixing)
        by_distance, by_direction = weights[: len(filters)], weights[len(filters) :]
        seen = []  # what is summed, by group
        scalars = features.new_zeros((rows, N_RADIAL, n_channels))
        vectors = features.new_zeros((n_channels, N_RADIAL, 3, rows))
        for place, group in enumerate(filters):
            n, n_atoms, atoms = group.n, group.n_atoms, group.atoms
            columns = features.new_empty((n, N_RADIAL, n_atoms, n_channels))
            of_atoms = features[atoms].view(n, n_atoms, N_RADIAL, ALL_CHANNELS)
            columns[..., :ALL_CHANNELS] = of_atoms.transpose(1, 2)
            if charges is not None:
                columns[..., ALL_CHANNELS:] = charges[atoms].view(n, 1, n_atoms, N_MEMBERS)
            columns = columns.view(n * N_RADIAL, n_atoms, n_channels)
            seen.append(columns)
            sums = torch.bmm(by_distance[place], columns).view(n, N_RADIAL, n_atoms, n_channels)
            scalars[atoms].view(n, n_atoms, N_RADIAL, n_channels).copy_(sums.transpose(1, 2))
            sums = torch.bmm(columns.transpose(1, 2), by_direction[place])
            sums = sums.view(n, N_RADIAL, n_channels, 3, n_atoms).permute(2, 1, 3, 0, 4)
            vectors[..., atoms].view(n_channels, N_RADIAL, 3, n, n_atoms).copy_(sums)
        mixed = torch.bmm(own.mixing, vectors.view(n_channels, N_RADIAL, 3 * rows))
        mixed = mixed.view(n_channels, N_VECTORS, 3, rows)
        lengths = mixed.square().sum(dim=2)
        outputs, kept = [], []
        for member, layers in enumerate(own.layers):
            channels = slice(N_CHANNELS * member, N_CHANNELS * (member + 1))
            parts = [] if own.is_first else [features[:, :, channels].flatten(1)]
            parts.append(scalars[:, :, channels].flatten(1))
            parts.append(lengths[channels].flatten(0, 1).T)
            if charges is not None:
                charge = ALL_CHANNELS + member
                missing = (0, rows - len(charges))
                parts.append(F.pad(charges[:, member], missing)[:, None])
                parts += [scalars[:, :, charge], lengths[charge].T]
            inputs = torch.cat(parts, dim=1)
            first = own.by_element[member][elements] if own.is_first else None
            output, before = _forwards(inputs, layers, not own.is_first, first)
            outputs.append(output)
            kept.append(before)
        ctx.own, ctx.filters, ctx.n_charges = own, filters, 0 if charges is None else len(charges)
        ctx.kept, ctx.mixed, ctx.seen = kept, mixed, seen
        ctx.save_for_backward(*weights)
        return torch.stack(outputs)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[Any, ...]:
        own, mixed = ctx.own, ctx.mixed
        n_channels, _, _, rows = mixed.shape
        by_features = None if own.is_first else grad.new_empty((rows, N_RADIAL, ALL_CHANNELS))
        by_charges = grad.new_empty((ctx.n_charges, N_MEMBERS)) if ctx.n_charges else None
        by_scalars = grad.new_empty((rows, N_RADIAL, n_channels))
        by_lengths = grad.new_empty((n_channels, N_VECTORS, rows))
        for member, layers in enumerate(own.layers):
            channels = slice(N_CHANNELS * member, N_CHANNELS * (member + 1))
            inputs = _backwards(grad[member], layers, not own.is_first, ctx.kept[member])
            if by_features is not None:
                by_features[:, :, channels] = inputs[:, :SQUARE].view(rows, N_RADIAL, N_CHANNELS)
                inputs = inputs[:, SQUARE:]
            by_scalars[:, :, channels] = inputs[:, :SQUARE].view(rows, N_RADIAL, N_CHANNELS)
            inputs = inputs[:, SQUARE:]
            by_lengths[channels].flatten(0, 1).copy_(inputs[:, : N_CHANNELS * N_VECTORS].T)
            if by_charges is not None:
                charge = ALL_CHANNELS + member
                inputs = inputs[:, N_CHANNELS * N_VECTORS :]
                by_charges[:, member] = inputs[: ctx.n_charges, 0]
                by_scalars[:, :, charge] = inputs[:, 1 : 1 + N_RADIAL]
                by_lengths[charge] = inputs[:, 1 + N_RADIAL :].T
        by_mixed = mixed.mul_(by_lengths[:, :, None]).mul_(2.0)
        by_vectors = torch.bmm(
            own.mixing.transpose(1, 2), by_mixed.view(n_channels, N_VECTORS, 3 * rows)
        ).view(n_channels, N_RADIAL, 3, rows)
        by_distance, by_direction = [], []
        kept = ctx.saved_tensors
        for place, (group, columns) in enumerate(zip(ctx.filters, ctx.seen, strict=True)):
            n, n_atoms, atoms = group.n, group.n_atoms, group.atoms
            of_scalars = by_scalars[atoms].view(n, n_atoms, N_RADIAL, n_channels).transpose(1, 2)
            of_scalars = of_scalars.reshape(n * N_RADIAL, n_atoms, n_channels)
            of_vectors = by_vectors[..., atoms].view(n_channels, N_RADIAL, 3, n, n_atoms)
            of_vectors = of_vectors.permute(3, 1, 0, 2, 4)
            of_vectors = of_vectors.reshape(n * N_RADIAL, n_channels, 3 * n_atoms)
            by_distance.append(torch.bmm(of_scalars, columns.transpose(1, 2)))
            by_direction.append(torch.bmm(columns, of_vectors))
            if by_features is not None:
                by_columns = torch.bmm(kept[place], of_scalars)  # symmetric
                transposed = of_vectors.transpose(1, 2)
                by_columns.baddbmm_(kept[len(ctx.seen) + place], transposed)
                by_columns = by_columns.view(n, N_RADIAL, n_atoms, n_channels)
                of_atoms = by_features[atoms].view(n, n_atoms, N_RADIAL, ALL_CHANNELS)
                of_atoms += by_columns[..., :ALL_CHANNELS].transpose(1, 2)
                if by_charges is not None:
                    of_charges = by_columns[..., ALL_CHANNELS:].sum(dim=1)
                    by_charges[atoms] += of_charges.reshape(-1, N_MEMBERS)
        return None, None, None, by_features, by_charges, *by_distance, *by_direction


class _Dense(torch.autograd.Function):
    """Layers with GELU between them, and after the last where that is wanted."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, layers: list[Layer], to_end: bool) -> torch.Tensor:
        ctx.layers, ctx.to_end = layers, to_end
        x, ctx.kept = _forwards(x, layers, to_end)
        return x

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        return _backwards(grad, ctx.layers, ctx.to_end, ctx.kept), None, None


def _forwards(
    x: torch.Tensor, layers: list[Layer], to_end: bool, first: torch.Tensor | None = None
) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """The result, and what went into each GELU."""
    kept = []
    for place, (weight, bias) in enumerate(layers):
        x = product(x, weight, bias)
        if place == 0 and first is not None:
            x += first
        if to_end or place < len(layers) - 1:
            kept.append(x)
            x = F.gelu(x)
    return x, kept


def _backwards(
    grad: torch.Tensor, layers: list[Layer], to_end: bool, kept: list[torch.Tensor]
) -> torch.Tensor:
    before = list(kept)
    for place in reversed(range(len(layers))):
        if to_end or place < len(layers) - 1:
            grad = torch.ops.aten.gelu_backward(grad, before.pop())
        grad = product(grad, layers[place][0].t(), None)
    return grad
