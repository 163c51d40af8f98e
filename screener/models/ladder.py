"""A chain of delta models: GFN2 → B3LYP → G4(MP2), entered at either rung.

Each rung adds its difference to the value below. All rungs of a ladder were fitted at one geometry
level, and each begins where the one before it ends; anything else is refused when the ladder is
made. The error of the whole is calibrated as one number, by CV+ on end-to-end errors: the rungs'
errors are not independent, so they are never added up.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from screener.errors import ConfigError
from screener.models.forms import Predicts
from screener.models.quantities import low_values
from screener.records import Structure

FloatArray = NDArray[np.float64]

GFN2 = "gfn2"  # the level whose values come with the structures


@dataclass(frozen=True, slots=True, eq=False)
class Rung:
    """One delta model of atomization energies, kcal/mol.

    Args:
        low, high: levels of theory at its ends, such as `b3lyp` and `g4mp2`.
        geometry_level: of the structures that it was fitted on.
        evaluator: gives high minus low.
        column: of the evaluator's values, where it predicts several quantities.
    """

    low: str
    high: str
    geometry_level: str
    evaluator: Predicts
    column: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class LadderValues:
    """Of a list of structures, kcal/mol."""

    values: FloatArray  # (n,), at the upper end
    levels: dict[str, FloatArray]  # level -> (n,), the lower end and what each rung led to
    stds: FloatArray  # (n_rungs, n), of each rung, not calibrated and not to be added


class Ladder:
    """Rungs, one on the other.

    Args:
        rungs: from the lowest.
    Raises:
        ConfigError: there is no rung, a rung does not begin where the one before ends, or rungs
            were fitted at different geometry levels.
    """

    def __init__(self, rungs: Sequence[Rung]) -> None:
        if not rungs:
            raise ConfigError("a ladder needs a rung")
        for below, above in pairwise(rungs):
            if above.low != below.high:
                raise ConfigError(
                    f"a rung from {above.low} to {above.high} cannot stand on one that ends at "
                    f"{below.high}"
                )
            if above.geometry_level != below.geometry_level:
                raise ConfigError(
                    f"a ladder uses one geometry level throughout: the rung {below.low} to "
                    f"{below.high} is for {below.geometry_level}, the rung {above.low} to "
                    f"{above.high} for {above.geometry_level}"
                )
        self.rungs = tuple(rungs)

    @property
    def low(self) -> str:
        """The level at its foot."""
        return self.rungs[0].low

    @property
    def high(self) -> str:
        """The level it leads to."""
        return self.rungs[-1].high

    def require_geometry(self, level: str) -> None:
        """Raises ConfigError unless structures of geometry level `level` are what it is for."""
        known = self.rungs[0].geometry_level
        if level != known:
            raise ConfigError(
                f"the ladder is for structures at geometry level {known}, not {level}"
            )

    def above(self, level: str) -> "Ladder":
        """The part of the ladder that begins at `level`, for values that are known there.

        Raises:
            ConfigError: no rung begins there.
        """
        for place, rung in enumerate(self.rungs):
            if rung.low == level:
                return Ladder(self.rungs[place:])
        begins = ", ".join(rung.low for rung in self.rungs)
        raise ConfigError(f"no rung begins at {level}; rungs begin at {begins}")

    def predict(
        self, structures: Sequence[Structure], low: FloatArray | None = None
    ) -> LadderValues:
        """Climb.

        Args:
            structures: of the ladder's geometry level.
            low: (n,), atomization energies at the ladder's foot, kcal/mol; default, where that is
                GFN2: from the structures' GFN2 results.
        Raises:
            ConfigError: no values at a foot other than GFN2, or not one per structure.
        """
        if low is None:
            if self.low != GFN2:
                raise ConfigError(f"a ladder from {self.low} needs the values there")
            low = low_values(structures)["de_gfn2_kcal"]
        if low.shape != (len(structures),):
            raise ConfigError(f"{len(structures)} structures need as many low values")
        value = np.asarray(low, dtype=np.float64)
        levels, stds = {self.low: value}, []
        for rung in self.rungs:
            raw = rung.evaluator.predict(structures)
            value = value + raw.values[:, rung.column]
            levels[rung.high] = value
            stds.append(raw.stds[:, rung.column])
        return LadderValues(value, levels, np.stack(stds))
