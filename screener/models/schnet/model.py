"""A trained SchNet with what its uncertainties need, and the same as named arrays."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from screener.errors import SchemaError
from screener.models.baseline import Scale
from screener.models.fchl.inducing import Inducing
from screener.models.schnet.network import SchNet, SchNetSettings
from screener.models.schnet.scale import Fitted
from screener.models.stored_arrays import reader

Arrays = dict[str, NDArray[Any]]
FloatArray = NDArray[np.float64]

_SIZES = ("n_members", "n_features", "n_interactions", "n_gaussians", "n_head")


@dataclass(frozen=True, slots=True, eq=False)
class Difficulty:
    """How large errors are.

    log std = offset + by_member_std * log(member std) + mean of by_feature over the atoms. The
    member std is that of the members in standardised units; `limits` hold log std within what was
    met where it was fitted.
    """

    offset: FloatArray  # (n_targets,)
    by_member_std: FloatArray  # (n_targets,)
    by_feature: NDArray[np.float32]  # (n_targets, n_features)
    limits: FloatArray  # (2, n_targets)


@dataclass(frozen=True, slots=True, eq=False)
class SchNetModel:
    """Everything that is fitted."""

    fitted: Fitted
    known: Inducing  # features of training atoms, from which distances are measured
    difficulty: Difficulty


def schnet_to_arrays(model: SchNetModel) -> Arrays:
    """The model's arrays by name, as they are stored."""
    settings, scale = model.fitted.network.settings, model.fitted.scale
    return {
        "schnet.extensive": np.array(settings.extensive),
        "schnet.sizes": np.array([getattr(settings, name) for name in _SIZES], dtype=np.int64),
        "schnet.cutoff": np.array([settings.cutoff]),
        "schnet.baselines": scale.baselines,
        "schnet.factors": scale.factors,
        "schnet.known.values": model.known.values,
        "schnet.known.counts": model.known.counts,
        "schnet.difficulty.offset": model.difficulty.offset,
        "schnet.difficulty.by_spread": model.difficulty.by_member_std,
        "schnet.difficulty.by_feature": model.difficulty.by_feature,
        "schnet.difficulty.limits": model.difficulty.limits,
        **{
            f"schnet.network.{name}": value.cpu().numpy()
            for name, value in model.fitted.network.state_dict().items()
        },
    }


def schnet_from_arrays(arrays: Arrays, description: Mapping[str, Any]) -> SchNetModel:
    """The inverse.

    Args:
        arrays: by name.
        description: `elements`, atomic numbers, and `extensive`, of each fitted column whether it
            is.
    Raises:
        SchemaError: an array is missing, has another type or another shape, or is not for these
            elements and columns.
    """
    elements = tuple(description["elements"])

    array = reader(arrays, "schnet")

    n = len(description["extensive"])
    if tuple(array("extensive", np.bool_, (n,)).tolist()) != tuple(description["extensive"]):
        raise SchemaError("the model's columns are sums and means over atoms, and others are told")
    sizes = array("sizes", np.int64, (len(_SIZES),))
    settings = SchNetSettings(
        extensive=tuple(array("extensive", np.bool_, (n,)).tolist()),
        cutoff=float(array("cutoff", np.float64, (1,))[0]),
        **dict(zip(_SIZES, sizes.tolist(), strict=True)),
    )
    network = SchNet(settings)
    state = {
        name: torch.from_numpy(array(f"network.{name}", np.float32, tuple(value.shape)).copy())
        for name, value in network.state_dict().items()
    }
    network.load_state_dict(state)
    counts = array("known.counts", np.int64, (len(elements),))
    width = settings.n_features
    return SchNetModel(
        Fitted(
            network.requires_grad_(False),
            Scale(
                elements,
                array("baselines", np.float64, (n, len(elements) + 1)),
                array("factors", np.float64, (n,)),
            ),
        ),
        Inducing(elements, array("known.values", np.float16, (int(counts.sum()), width)), counts),
        Difficulty(
            array("difficulty.offset", np.float64, (n,)),
            array("difficulty.by_spread", np.float64, (n,)),
            array("difficulty.by_feature", np.float32, (n, width)),
            array("difficulty.limits", np.float64, (2, n)),
        ),
    )
