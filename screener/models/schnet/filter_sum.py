"""Continuous filters from a table, fused with the sum over neighbours.

A filter depends on a distance alone. It is given on a grid and interpolated between the four
nearest grid points (Lagrange's cubic), so that the sum over neighbours,

    out[i] = sum over j of filter(|r_i - r_j|) * x[j],

needs no array of pairs by features. Each pair is met once for both directions. The derivative by x
is the same sum of the incoming derivative, and the derivative by the table goes to the same four
grid points. On a CPU these are compiled loops, elsewhere gathers and scatters of torch.
"""

from typing import Any

import numpy as np
import torch

from screener.models.compiled import compiled
from screener.models.schnet.neighbours import Batch

BEFORE, AFTER = 1, 2  # grid points needed before and after the interval of a distance


def filter_sum(x: torch.Tensor, table: torch.Tensor, spacing: float, batch: Batch) -> torch.Tensor:
    """Sum over neighbours of filtered features.

    Args:
        x: float32 (n_rows, n_features).
        table: float32 (n_points, n_features), the filter at (p - BEFORE) * spacing for point p;
            it reaches `AFTER` points beyond the largest distance.
        spacing: angstrom.
        batch: atoms and their pairs.
    Returns:
        float32 (n_rows, n_features), differentiable once by `x` and `table`.
    """
    if x.device.type == "cpu":
        result: torch.Tensor = _FilterSum.apply(  # type: ignore[no-untyped-call]  # torch has no types for it
            x, table, spacing, batch
        )
        return result
    return filter_sum_by_gathering(x, table, spacing, batch)


def filter_sum_by_gathering(
    x: torch.Tensor, table: torch.Tensor, spacing: float, batch: Batch
) -> torch.Tensor:
    """The same with operations of torch alone, for devices without compiled loops.

    Args:
        x: (n_rows, n_features), features of atoms.
        table: (n_points, n_features), filters at distances.
        spacing: angstrom between points of the table.
        batch: pairs of atoms and their distances.
    Returns:
        (n_rows, n_features), sums over the neighbours of each atom.
    """
    scaled = batch.distances.to(x.dtype) / spacing
    knots = scaled.floor()
    filters = torch.zeros((len(scaled), x.shape[1]), dtype=x.dtype, device=x.device)
    for offset, weight in enumerate(_weights(scaled - knots)):
        filters = filters + weight[:, None] * table[knots.long() + offset]
    idx_i, idx_j = batch.idx_i.long(), batch.idx_j.long()
    out = torch.zeros_like(x).index_add(0, idx_i, filters * x[idx_j])
    return out.index_add(0, idx_j, filters * x[idx_i])


class _FilterSum(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, table: torch.Tensor, spacing: float, batch: Batch
    ) -> torch.Tensor:
        ctx.save_for_backward(x, table)
        ctx.spacing, ctx.batch = spacing, batch
        out = torch.zeros_like(x)
        _add_filtered(*_arrays(x, table, batch), 1.0 / spacing, out.numpy())
        return out

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, None, None]:
        x, table = ctx.saved_tensors
        grad = grad.contiguous()
        grad_x, grad_table = torch.zeros_like(x), torch.zeros_like(table)
        _add_gradients(
            *_arrays(x, table, ctx.batch),
            1.0 / ctx.spacing,
            grad.numpy(),
            grad_x.numpy(),
            grad_table.numpy(),
        )
        return grad_x, grad_table, None, None


def _arrays(x: torch.Tensor, table: torch.Tensor, batch: Batch) -> tuple[Any, ...]:
    return (
        x.detach().numpy(),
        table.detach().numpy(),
        batch.idx_i.numpy(),
        batch.idx_j.numpy(),
        batch.distances.numpy(),
    )


def _weights(t: Any) -> tuple[Any, Any, Any, Any]:
    """Of the grid points at -1, 0, 1 and 2 for the value at t, 0 <= t < 1."""
    return (
        -t * (t - 1) * (t - 2) / 6,
        (t + 1) * (t - 1) * (t - 2) / 2,
        -(t + 1) * t * (t - 2) / 2,
        (t + 1) * t * (t - 1) / 6,
    )


_compiled_weights = compiled(_weights)


@compiled
def _four(t):  # type: ignore[no-untyped-def]
    """Weights in the precision of the table."""
    c0, c1, c2, c3 = _compiled_weights(t)
    return np.float32(c0), np.float32(c1), np.float32(c2), np.float32(c3)


@compiled
def _add_filtered(x, table, idx_i, idx_j, distances, per_angstrom, out):  # type: ignore[no-untyped-def]
    n_features = x.shape[1]
    values = np.empty(n_features, np.float32)
    for pair in range(len(distances)):
        scaled = distances[pair] * per_angstrom
        knot = int(scaled)
        c0, c1, c2, c3 = _four(scaled - knot)
        t0, t1, t2, t3 = table[knot], table[knot + 1], table[knot + 2], table[knot + 3]
        for f in range(n_features):
            values[f] = c0 * t0[f] + c1 * t1[f] + c2 * t2[f] + c3 * t3[f]
        i, j = idx_i[pair], idx_j[pair]
        x_i, x_j, out_i, out_j = x[i], x[j], out[i], out[j]
        for f in range(n_features):
            out_i[f] += values[f] * x_j[f]
        for f in range(n_features):
            out_j[f] += values[f] * x_i[f]


@compiled
def _add_gradients(  # type: ignore[no-untyped-def]
    x, table, idx_i, idx_j, distances, per_angstrom, grad, grad_x, grad_table
):
    n_features = x.shape[1]
    values = np.empty(n_features, np.float32)
    for pair in range(len(distances)):
        scaled = distances[pair] * per_angstrom
        knot = int(scaled)
        c0, c1, c2, c3 = _four(scaled - knot)
        t0, t1, t2, t3 = table[knot], table[knot + 1], table[knot + 2], table[knot + 3]
        for f in range(n_features):
            values[f] = c0 * t0[f] + c1 * t1[f] + c2 * t2[f] + c3 * t3[f]
        i, j = idx_i[pair], idx_j[pair]
        x_i, x_j, g_i, g_j = x[i], x[j], grad[i], grad[j]
        gx_i, gx_j = grad_x[i], grad_x[j]
        for f in range(n_features):
            gx_i[f] += values[f] * g_j[f]
        for f in range(n_features):
            gx_j[f] += values[f] * g_i[f]
        for f in range(n_features):
            values[f] = g_i[f] * x_j[f] + g_j[f] * x_i[f]
        d0, d1, d2, d3 = (
            grad_table[knot], grad_table[knot + 1], grad_table[knot + 2], grad_table[knot + 3],
        )  # fmt: skip
        for f in range(n_features):
            d0[f] += c0 * values[f]
        for f in range(n_features):
            d1[f] += c1 * values[f]
        for f in range(n_features):
            d2[f] += c2 * values[f]
        for f in range(n_features):
            d3[f] += c3 * values[f]
