"""Affine layers by the faster of torch's two matrix libraries.

On CPUs `torch.nn.functional.linear` takes MKL, which on processors that are not Intel's stays with
half their vector width. oneDNN, which torch carries as well, uses all of it: twice the speed,
forwards and backwards. Where torch has it not, and on other devices, layers are torch's own.
"""

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray


def affine(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    """x @ weight.T + bias, differentiable once.

    Args:
        x: (n, n_in).
        weight: (n_out, n_in).
        bias: (n_out,), or none.
    Returns:
        float32 (n, n_out).
    """
    if _is_for_onednn(x):
        result: torch.Tensor = _Affine.apply(x, weight, bias)  # type: ignore[no-untyped-call]  # torch has no types for it
        return result
    return F.linear(x, weight, bias)


def product(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    """The same without derivatives.

    Args:
        x: (n, n_in).
        weight: (n_out, n_in); may be a transposed view.
        bias: (n_out,), or none.
    Returns:
        float32 (n, n_out).
    """
    return _product(x, weight, bias) if _is_for_onednn(x) else F.linear(x, weight, bias)


def packed(n_atoms: NDArray[np.int64], n_rows: int) -> list[slice]:
    """Consecutive molecules that fill one block of `n_rows` atoms each.

    Evaluated so, all matrix products have one shape and a molecule's numbers do not depend on the
    others. A molecule of more atoms than that is alone.

    Args:
        n_atoms: (n_molecules,), atoms of each.
        n_rows: what a block has room for.
    """
    blocks, first, filled = [], 0, 0
    for row, size in enumerate(n_atoms.tolist()):
        if row > first and filled + size > n_rows:
            blocks.append(slice(first, row))
            first, filled = row, 0
        filled += size
    if len(n_atoms):
        blocks.append(slice(first, len(n_atoms)))
    return blocks


def _is_for_onednn(x: torch.Tensor) -> bool:
    has_it = hasattr(torch.ops.mkldnn, "_linear_pointwise")  # where torch was built with it
    return has_it and x.device.type == "cpu" and x.dtype == torch.float32


def _product(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    result: torch.Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
    return result


class _Affine(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None
    ) -> torch.Tensor:
        ctx.save_for_backward(x, weight)
        ctx.has_bias = bias is not None
        return _product(x, weight, bias)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(
        ctx: Any, grad: torch.Tensor
    ) -> tuple[torch.Tensor | None, torch.Tensor | None, torch.Tensor | None]:
        x, weight = ctx.saved_tensors
        wanted = ctx.needs_input_grad
        by_x = _product(grad, weight.t(), None) if wanted[0] else None
        by_weight = _product(grad.t(), x.t(), None) if wanted[1] else None
        by_bias = grad.sum(dim=0) if ctx.has_bias and wanted[2] else None
        return by_x, by_weight, by_bias
