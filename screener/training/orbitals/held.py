"""What networks say of molecules that they have not seen, and what is learned of their errors."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from screener.models.baseline import Scale
from screener.models.readout.evaluator import member_stds, members_of
from screener.models.readout.inputs import Inputs
from screener.models.readout.network import Readout
from screener.models.targets import Targets
from screener.models.uncertainty.conformal import conformal_quantile
from screener.models.uncertainty.spread import Spread, spread_stds
from screener.models.uncertainty.spread import features as told_of
from screener.records import Structure
from screener.training.fit.spread import fit_spreads

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """Molecules as a group of networks predicts them that has not seen them.

    Args:
        structures: (n,).
        values: (n, n_targets), what is learned, as predicted.
        wanted: (n, n_targets), as it is.
        stds: (n, n_targets), among the networks of the group.
        told: (n, ...), of `spread.features`.
    """

    structures: Sequence[Structure]
    values: FloatArray
    wanted: FloatArray
    stds: FloatArray
    told: FloatArray

    @classmethod
    def of(
        cls, network: Readout, scale: Scale, inputs: Inputs, wanted: FloatArray, groups: IntArray
    ) -> "Held":
        """By the group of each molecule.

        Args:
            network: of all groups.
            scale: of its targets.
            inputs: (n,).
            wanted: (n, n_targets).
            groups: (n,), which have not seen the molecule.
        Returns:
            what they say.
        """
        members = members_of(network, inputs)
        n, n_targets, _ = members.shape
        by_group = members.reshape(n, n_targets, network.settings.n_groups, -1)
        own = by_group[np.arange(n), :, groups]
        return cls(
            inputs.structures,
            scale.restored(inputs.structures, own.mean(axis=2)),
            wanted,
            member_stds(own) * scale.factors,
            told_of(inputs.structures),
        )

    @property
    def errors(self) -> FloatArray:
        """(n, n_targets)."""
        return self.values - self.wanted

    def rows(self, rows: IntArray) -> "Held":
        """The molecules at `rows`, in that order."""
        return Held(
            [self.structures[row] for row in rows.tolist()],
            self.values[rows],
            self.wanted[rows],
            self.stds[rows],
            self.told[rows],
        )

    def joined(self, other: "Held") -> "Held":
        """These and then the others."""
        return Held(
            [*self.structures, *other.structures],
            np.concatenate([self.values, other.values]),
            np.concatenate([self.wanted, other.wanted]),
            np.concatenate([self.stds, other.stds]),
            np.concatenate([self.told, other.told]),
        )

    def spreads(self) -> tuple[Spread, ...]:
        """How far errors spread, by target."""
        return fit_spreads(self.errors, self.stds, self.told)

    def spread(self, spreads: Sequence[Spread]) -> FloatArray:
        """Standard deviations (n, n_targets) that know how errors spread."""
        return spread_stds(spreads, self.stds, self.told)


def half_widths(
    learned: Held, ranked: Held, asked: Held, targets: Targets
) -> dict[str, FloatArray]:
    """Half of the 90 % intervals of molecules.

    Args:
        learned: molecules that the spread of errors is learned from.
        ranked: molecules whose errors tell the width of intervals.
        asked: n others.
        targets: what is predicted.
    Returns:
        (n,) by predicted column, in its unit.
    """
    spreads = learned.spreads()
    errors = targets.values(ranked.errors)
    stds, asked_stds = (targets.stds(each.spread(spreads)) for each in (ranked, asked))
    return {
        each.name: asked_stds[each.name] * conformal_quantile(errors[each.name], stds[each.name])
        for each in targets.all
    }
