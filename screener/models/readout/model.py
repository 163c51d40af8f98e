"""Networks on AIMNet2's features with what their uncertainties need, and all of it as arrays."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from screener.errors import SchemaError
from screener.models.baseline import Scale
from screener.models.fchl.inducing import Inducing
from screener.models.readout.network import Kind, Readout, ReadoutSettings
from screener.models.stored_arrays import reader
from screener.models.uncertainty.spread import N_FEATURES as N_TOLD
from screener.models.uncertainty.spread import Spread
from screener.potentials.aimnet2.network import N_FEATURES

Arrays = dict[str, NDArray[Any]]
FloatArray = NDArray[np.float64]

KINDS: tuple[Kind, ...] = ("sum", "mean", "moment")
N_LEADING = 32  # directions in which distances are measured
_SIZES = ("n_inputs", "n_members", "n_groups", "n_hidden")


@dataclass(frozen=True, slots=True, eq=False)
class Projector:
    """The directions in which AIMNet2's features vary most, the leading ones first.

    Args:
        centre: float32 (n_features,).
        directions: float32 (n_inputs, n_features), orthogonal.
        sizes: float32 (n_inputs,), standard deviations in these directions, which inputs of
            networks are divided by and distances are not.
    """

    centre: NDArray[np.float32]
    directions: NDArray[np.float32]
    sizes: NDArray[np.float32]

    def leading(self, inputs: NDArray[Any]) -> NDArray[np.float32]:
        """Where atoms are in the leading directions, in which distances are measured.

        Args:
            inputs: float (n_atoms, n_inputs), in units of `sizes`.
        Returns:
            (n_atoms, N_LEADING), in those of AIMNet2's features.
        """
        return np.asarray(inputs[:, :N_LEADING] * self.sizes[:N_LEADING])


@dataclass(frozen=True, slots=True, eq=False)
class ReadoutModel:
    """Everything that is fitted.

    Args:
        network: of all members.
        scale: of the targets; of a moment nothing is taken off, and its factor is debye for an
            elementary charge and an angstrom.
        spreads: of the errors of each target.
        projector: of AIMNet2's features.
        known: atoms of training molecules, in the leading directions.
    """

    network: Readout
    scale: Scale
    spreads: tuple[Spread, ...]
    projector: Projector
    known: Inducing


def to_arrays(model: ReadoutModel) -> Arrays:
    """The model's arrays by name, as they are stored."""
    settings = model.network.settings
    return {
        "readout.kinds": np.array([KINDS.index(kind) for kind in settings.kinds], dtype=np.int64),
        "readout.sizes": np.array([getattr(settings, name) for name in _SIZES], dtype=np.int64),
        "readout.baselines": model.scale.baselines,
        "readout.factors": model.scale.factors,
        "readout.spreads": np.stack([spread.weights for spread in model.spreads]),
        "readout.projector.centre": model.projector.centre,
        "readout.projector.directions": model.projector.directions,
        "readout.projector.sizes": model.projector.sizes,
        "readout.known.values": model.known.values,
        "readout.known.counts": model.known.counts,
        **{
            f"readout.network.{name}": value.cpu().numpy()
            for name, value in model.network.state_dict().items()
        },
    }


def from_arrays(arrays: Arrays, description: Mapping[str, Any]) -> ReadoutModel:
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
    n = len(description["extensive"])

    array = reader(arrays, "readout")

    numbers = array("kinds", np.int64, (n,)).tolist()
    if not set(numbers) <= set(range(len(KINDS))):
        raise SchemaError("array readout.kinds of the model has unknown kinds")
    kinds = tuple(KINDS[number] for number in numbers)
    if tuple(kind == "sum" for kind in kinds) != tuple(description["extensive"]):
        raise SchemaError("the model's columns are sums and means over atoms, and others are told")
    sizes = dict(zip(_SIZES, array("sizes", np.int64, (len(_SIZES),)).tolist(), strict=True))
    network = Readout(ReadoutSettings(kinds=kinds, **sizes))
    state = {
        name: torch.from_numpy(array(f"network.{name}", np.float32, tuple(value.shape)).copy())
        for name, value in network.state_dict().items()
    }
    network.load_state_dict(state)
    n_inputs = sizes["n_inputs"]
    counts = array("known.counts", np.int64, (len(elements),))
    return ReadoutModel(
        network.requires_grad_(False),
        Scale(
            elements,
            array("baselines", np.float64, (n, len(elements) + 1)),
            array("factors", np.float64, (n,)),
        ),
        tuple(Spread(row) for row in array("spreads", np.float64, (n, 2 + N_TOLD))),
        Projector(
            array("projector.centre", np.float32, (N_FEATURES,)),
            array("projector.directions", np.float32, (n_inputs, N_FEATURES)),
            array("projector.sizes", np.float32, (n_inputs,)),
        ),
        Inducing(
            elements,
            array("known.values", np.float16, (int(counts.sum()), N_LEADING)),
            counts,
        ),
    )
