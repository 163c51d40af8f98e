"""A trained SchNet network, and what stands between its outputs and values in their units."""

from dataclasses import dataclass

from screener.models.baseline import Scale
from screener.models.schnet.network import SchNet


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """A trained network and what its outputs are multiplied and added with."""

    network: SchNet
    scale: Scale
