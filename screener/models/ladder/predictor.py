"""One quantity at a high level: from values of a middle level that are given, or up a ladder.

The last rung is a correction fitted on few labels (`cross_fit`). A ladder has a first rung, a
bundle's predictor from the low level to the middle one, and several routes: where the first rung is
in its domain, the correction starts between the low value and what the first rung says; elsewhere
it starts from the low value alone, as far as the correction itself has seen such molecules. The
error of the whole is calibrated as one number, by CV+ on end-to-end errors: the rungs' errors are
not independent, so they are never added up.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from screener.errors import ConfigError
from screener.models.calibration import QuantityCalibration
from screener.models.kernel_ridge.cross_evaluator import CrossEvaluator
from screener.models.kernel_ridge.cross_fit import CrossFit
from screener.models.ladder.enthalpy import COLUMN as ENTHALPY
from screener.models.ladder.enthalpy import FormationEnthalpy
from screener.models.low_values import LowValues, is_computed
from screener.models.predictor import Predictor
from screener.models.uncertainty.conformal import widening
from screener.models.uncertainty.domain import Domain, heavy_atoms
from screener.models.uncertainty.limits import Interval, refusals, within_bounds
from screener.records import Structure
from screener.registry.columns import column as registered
from screener.registry.quantities import Column
from screener.stores.domain_reasons import joined
from screener.stores.refused import refused_columns

FloatArray = NDArray[np.float64]

ENDINGS = ("", "_std", "_lo90", "_hi90", "_delta")
_OWN = ("in_domain", "domain_reasons", "geometry_level")  # columns that a table has once


@dataclass(frozen=True, slots=True)
class LadderColumns:
    """Columns of one quantity at the levels of a ladder.

    Args:
        value: what is predicted, at the high level.
        middle: what the first rung predicts, or what is given.
        low: where the ladder begins; of a rung alone the middle, which is given or, where a level
            computes it, read off the structures.
    """

    value: str
    middle: str
    low: str


@dataclass(frozen=True, slots=True, eq=False)
class Route:
    """One way up.

    Args:
        model: what is added, fitted and calibrated for this way.
        calibration: of the whole error.
        share: of the middle value in where the correction starts; the rest is the low value.
        domain: of the correction; None where that of the first rung decides.
    """

    model: CrossFit
    calibration: QuantityCalibration
    share: float
    domain: Domain | None


class LadderPredictor:
    """Predicts structures of one geometry level.

    Args:
        routes: from the best; a structure takes the first whose domain it is in.
        first: the rung below; None for a rung that is given middle values.
        columns: of the levels.
        geometry_level: of the structures that all was fitted on; goes into the table.
        column: the value, taken apart; None for what is registered of it.
        enthalpy: of formation, told along with an atomization energy; None where it is not.
        device: of torch.
    Raises:
        ConfigError: the first rung is for another geometry level, or routes and domains do not
            fit.
    """

    def __init__(
        self,
        routes: Sequence[Route],
        first: Predictor | None,
        columns: LadderColumns,
        *,
        geometry_level: str,
        column: Column | None = None,
        enthalpy: FormationEnthalpy | None = None,
        device: str = "cpu",
    ) -> None:
        if first is not None and first.geometry_level != geometry_level:
            raise ConfigError(
                f"a ladder uses one geometry level throughout: its first rung is for "
                f"{first.geometry_level}, the next for {geometry_level}"
            )
        if first is None and any(route.domain is None or route.share != 1.0 for route in routes):
            raise ConfigError("a rung from given values needs a domain and starts there")
        if first is not None and any(route.domain and route.share for route in routes):
            raise ConfigError(
                "a route that starts from the first rung ends where that rung's domain does"
            )
        if not routes or routes[-1].domain is None:
            raise ConfigError("the last route needs a domain of its own")
        self.routes = tuple(routes)
        self.first = first
        self.columns = columns
        self._column = column or registered(columns.value)
        is_given = first is None and not is_computed(columns.low)
        self.enthalpy = enthalpy
        self._low = None if is_given else LowValues([columns.low])
        self.geometry_level = geometry_level
        self._evaluators: list[CrossEvaluator] = []
        for route in routes:
            before = self._evaluators[-1] if self._evaluators else None
            self._evaluators.append(CrossEvaluator(route.model, device, before))

    @property
    def domain(self) -> Domain:
        """Of the last route, which goes furthest."""
        domain = self.routes[-1].domain
        assert domain is not None
        return domain

    def predict(
        self, structures: Sequence[Structure], low: Mapping[str, FloatArray] | None = None
    ) -> pa.Table:
        """Predictions, one row per structure, in order.

        Args:
            structures: of this predictor's geometry level; with values of the low level for a
                ladder.
            low: for a rung: the middle column (n,), in the unit that its name ends with.
        Returns:
            the value with `_std`, `_lo90`, `_hi90` and `_delta` (what was added to the low end: to
            the low value by a ladder, to the middle one by a rung), and where it is told the
            enthalpy of formation, without `_delta`; then of a ladder all that its
            first rung predicts, of a rung the middle column as given; then in_domain,
            domain_reasons and geometry_level, of the value. Outside, and where the value is too
            uncertain or impossible, predictions are null. A ladder may be inside where its first
            rung is not: then what only that rung predicts is null.
        Raises:
            ConfigError: low values are missing, not wanted, or not one per structure; a ladder's
                structure has no value of the low level.
        """
        start = self._start(structures, low)
        n = len(structures)
        whole = np.full((len(ENDINGS), n), np.nan)
        reasons = [""] * n
        is_open = np.ones(n, dtype=bool)
        for route, evaluator in zip(self.routes, self._evaluators, strict=True):
            rows = np.flatnonzero(is_open)
            outside, values = self._climb(
                route, evaluator, [structures[row] for row in rows.tolist()], start.rows(rows)
            )
            whole[:, rows] = values
            for row, why in zip(rows.tolist(), outside, strict=True):
                reasons[row], is_open[row] = why, bool(why)
        for row in np.flatnonzero(~is_open).tolist():  # what only the first rung predicts
            reasons[row] = start.refused[row]
        table = {
            self.columns.value + ending: pa.array(row, mask=is_open)
            for ending, row in zip(ENDINGS, whole, strict=True)
        }
        if self.enthalpy is not None:
            table |= self._enthalpies(self.enthalpy, structures, whole, is_open)
        table |= start.columns
        table["in_domain"] = pa.array(~is_open, type=pa.bool_())
        table["domain_reasons"] = pa.array(reasons, type=pa.string())
        table["geometry_level"] = pa.array([self.geometry_level] * n, type=pa.string())
        return pa.table(table)

    def _enthalpies(
        self,
        enthalpy: FormationEnthalpy,
        structures: Sequence[Structure],
        whole: FloatArray,
        is_open: NDArray[np.bool_],
    ) -> dict[str, pa.Array]:
        """The columns of the enthalpy of formation, null where the value is."""
        rows = np.flatnonzero(~is_open)
        told = dict(zip(ENDINGS, whole[:, rows], strict=True))
        made = enthalpy.columns([structures[row] for row in rows.tolist()], told)
        columns = {}
        for ending, values in made.items():
            column = np.full(len(structures), np.nan)
            column[rows] = values
            columns[ENTHALPY + ending] = pa.array(column, mask=is_open)
        return columns

    def _start(
        self, structures: Sequence[Structure], low: Mapping[str, FloatArray] | None
    ) -> "_Start":
        middle = self.columns.middle
        nothing = np.full(len(structures), "", dtype=object)
        if self._low is None:
            given = None if low is None else low.get(middle)
            if given is None or given.shape != (len(structures),) or not np.isfinite(given).all():
                raise ConfigError(f"this model needs {middle} of each of the structures")
            return _Start(given, given, nothing, nothing, {middle: pa.array(given)})
        if low is not None:
            raise ConfigError(
                f"a ladder reads its low end, {self.columns.low}, itself: give no low values"
            )
        own = self._low(structures)
        if self.first is None:
            start = own[self.columns.low]
            told = {name: pa.array(own[name]) for name in self._low.columns}
            return _Start(start, start, nothing, nothing, told)
        table = self.first.predict(structures)
        outside = table["domain_reasons"].to_pylist()
        inside = table["in_domain"].to_pylist()
        # a first rung that gives no middle value is outside as far as the ladder goes
        why = [
            text if not is_in or middle in refused_columns(text) else ""
            for text, is_in in zip(outside, inside, strict=True)
        ]
        refused = [text if is_in else "" for text, is_in in zip(outside, inside, strict=True)]
        columns = {name: table[name] for name in table.column_names if name not in _OWN}
        return _Start(
            own[self.columns.low],
            table[middle].to_numpy(zero_copy_only=False).astype(np.float64),
            np.array(why, dtype=object),
            np.array(refused, dtype=object),
            columns,
        )

    def _climb(
        self,
        route: Route,
        evaluator: CrossEvaluator,
        structures: Sequence[Structure],
        start: "_Start",
    ) -> tuple[list[str], FloatArray]:
        """Why each structure is outside of a route ("" where it is inside), and the columns of
        `ENDINGS`, NaN outside."""
        domain = route.domain
        reasons = [
            str(why) if domain is None else joined(domain.reasons(structure))
            for why, structure in zip(start.reasons, structures, strict=True)
        ]
        rows = np.array([row for row, why in enumerate(reasons) if not why], dtype=np.int64)
        known = [structures[row] for row in rows.tolist()]
        raw = evaluator.predict(known)
        if domain is not None:
            for place, row in enumerate(rows.tolist()):
                atoms = slice(raw.offsets[place], raw.offsets[place + 1])
                far = domain.distance_reasons(structures[row], raw.distances[atoms])
                reasons[row] = joined(far)
        some = start.rows(rows)
        base = some.low
        if route.share:  # the middle is unknown where a route does not need it
            base = route.share * some.middle + (1.0 - route.share) * some.low
        beyond = (domain or self.domain).largest_fitted
        sizes = np.array([heavy_atoms(structure) for structure in known], dtype=np.int64)
        factor = widening(sizes, beyond, route.calibration.growth)
        value = base + raw.values[0]
        stds = route.model.stds(known, raw.stds)
        low, high = route.model.cvplus.interval(base + raw.values[1:], stds[1:])
        interval = Interval(value, value - factor * (value - low), value + factor * (high - value))
        refused = refusals(self._column, interval, route.calibration.max_width90)
        for row, why in zip(rows.tolist(), refused, strict=True):
            reasons[row] = reasons[row] or why
        told = within_bounds(self._column, interval)
        columns = np.stack(
            [
                told.value,
                stds[0] * route.calibration.std_scale * factor,
                told.low,
                told.high,
                told.value - some.low,
            ]
        )
        whole = np.full((len(ENDINGS), len(structures)), np.nan)
        whole[:, rows] = columns
        whole[:, [bool(why) for why in reasons]] = np.nan
        return reasons, whole


@dataclass(frozen=True, slots=True, eq=False)
class _Start:
    """Where structures start, (n,) each, in the unit of the columns."""

    low: FloatArray
    middle: FloatArray  # NaN outside of the first rung's domain
    reasons: NDArray[np.object_]  # why the first rung is outside, "" where it is inside
    refused: NDArray[np.object_]  # which of its predictions are no answers, where it is inside
    columns: dict[str, pa.Array]  # of the table

    def rows(self, rows: NDArray[np.int64]) -> "_Start":
        return _Start(self.low[rows], self.middle[rows], self.reasons[rows], self.refused[rows], {})
