"""What a model predicts: columns of any quantities, in the order of its table.

A model is fitted to some columns. Differences of two of them, as the gap of LUMO and HOMO, are
predicted along with them. A model that learns what a lower level lacks adds what it learned to the
low value of the same quantity, or of its counterpart at that level.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from screener.errors import ConfigError
from screener.registry.columns import column, quantities, quantity
from screener.registry.quantities import Column

FloatArray = NDArray[np.float64]
Kind = Literal["direct", "delta"]


@dataclass(frozen=True, slots=True)
class Target:
    """One predicted column.

    Args:
        column: what it holds.
        low: column of the low value that what is learned is added to; None where the value itself
            is learned.
        difference: the two fitted columns whose difference it is; None where it is fitted.
    """

    column: Column
    low: str | None = None
    difference: tuple[str, str] | None = None

    @property
    def name(self) -> str:
        """Of the column."""
        return self.column.name


class Targets:
    """All that a model predicts.

    Args:
        targets: in the order of the table; fitted ones also in that of the model's arrays.
    Raises:
        ConfigError: nothing is fitted, a column comes twice, or a difference lacks a part.
    """

    def __init__(self, targets: Iterable[Target]) -> None:
        self.all = tuple(targets)
        self.fitted = tuple(each for each in self.all if each.difference is None)
        self.names = tuple(each.name for each in self.fitted)
        self.extensive = tuple(each.column.quantity.extensive for each in self.fitted)
        self.kind: Kind = "delta" if any(each.low for each in self.all) else "direct"
        if not self.fitted or len({each.name for each in self.all}) < len(self.all):
            raise ConfigError("a model needs columns that it is fitted to, each once")
        for each in self.all:
            if each.difference is not None and not set(each.difference) <= set(self.names):
                raise ConfigError(
                    f"{each.name} is the difference of {' and '.join(each.difference)}, which are "
                    "not both fitted"
                )

    @property
    def low_columns(self) -> tuple[str, ...]:
        """Columns of the low values, in the order of the table."""
        return tuple(each.low for each in self.all if each.low is not None)

    def values(self, fitted: FloatArray) -> dict[str, FloatArray]:
        """Values of all columns.

        Args:
            fitted: float64 (n, n_fitted), of the fitted ones.
        Returns:
            float64 (n,) by column.
        """
        return self.with_differences(dict(zip(self.names, fitted.T, strict=True)))

    def with_differences(self, values: dict[str, FloatArray]) -> dict[str, FloatArray]:
        """Values (n,) of all columns from those of the fitted ones, each by column."""
        whole = dict(values)
        for each in self.all:
            if each.difference is not None:
                first, second = each.difference
                whole[each.name] = values[first] - values[second]
        return whole

    def stds(self, fitted: FloatArray) -> dict[str, FloatArray]:
        """Standard deviations of all columns.

        Args:
            fitted: float64 (n, n_fitted), of the fitted ones.
        Returns:
            float64 (n,) by column; those of differences as of independent errors: their own
            calibration corrects the rest.
        """
        whole = dict(zip(self.names, fitted.T, strict=True))
        for each in self.all:
            if each.difference is not None:
                first, second = each.difference
                whole[each.name] = np.sqrt(whole[first] ** 2 + whole[second] ** 2)
        return whole


def targets_of(fitted: Sequence[Column], low_theory: str | None = None) -> Targets:
    """What a model predicts that is fitted to some columns.

    Args:
        fitted: any columns of values of whole molecules; no differences of others.
        low_theory: part of column names, such as `gfn2`, of the level whose values a delta is added
            to; None for a model that learns the values themselves.
    Returns:
        the fitted columns and, each behind its parts, the differences of two of them.
    Raises:
        ConfigError: a column cannot be fitted, or has no value at the lower level.
    """
    for each in fitted:
        if each.quantity.difference is not None:
            parts = " and ".join(each.quantity.difference)
            raise ConfigError(f"{each.name} is never fitted: it follows from {parts}")
        if each.per_atom:
            raise ConfigError(f"{each.name} is never fitted: fit the value of the whole molecule")
    listed = [Target(each, _low(each, low_theory)) for each in fitted]
    for other in quantities().values():
        if other.difference is None:
            continue
        for theory in dict.fromkeys(each.theory for each in fitted):
            first, second = (quantity(name).column(theory) for name in other.difference)
            places = [place for place, each in enumerate(listed) if each.name in (first, second)]
            if len(places) == 2:
                derived = column(other.column(theory))
                listed.insert(
                    places[1] + 1, Target(derived, _low(derived, low_theory), (first, second))
                )
    return Targets(listed)


def _low(fitted: Column, low_theory: str | None) -> str | None:
    if low_theory is None:
        return None
    counterpart = fitted.quantity.low_counterpart
    low = fitted.quantity if counterpart is None else quantity(counterpart)
    return low.column(low_theory)
