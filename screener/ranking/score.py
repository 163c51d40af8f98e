"""From values to one score per molecule: pure functions over tables.

Each objective's value becomes a desirability between 0 and 1 (Derringer and Suich, J. Qual.
Technol. 12, 214 (1980)), and the score is their weighted geometric mean, so that a molecule that
fails in one respect is not saved by the others.

What a value is worth is told by the objective's goal (`screener.ranking.goals`). Equal
probabilities are ordered by the expected utility, and what is equal then by `mol_id`
(`screener.ranking.topk`). What a score is called and means stands in
`screener.ranking.score_meaning`.

All is float64, element by element and in the order of the objectives: equal rows give equal bytes,
in any table.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from screener.errors import ConfigError
from screener.ranking.columns import (
    inputs_of_column,
    left_out,
    numbers,
    with_asked,
)
from screener.ranking.expressions import is_name
from screener.ranking.objectives import Constraint, Objective, RankingSettings
from screener.ranking.split_normal import N_PARTS, chance, equally_likely
from screener.ranking.topk import TIE_DIGITS
from screener.registry.columns import columns

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """What the ranking says of each row of a table, in the order of its rows."""

    score: FloatArray  # (n,), larger is better, NaN where `exclusions` tells why
    tie: FloatArray  # (n,), finite, of equal scores the larger one comes first
    values: dict[str, FloatArray]  # of each objective, by column, (n,)
    desirabilities: dict[str, FloatArray]  # by column, (n,); empty when ranked by value
    exclusions: "Exclusions"
    left_out: list[str]  # objectives and constraints, as text, whose column is not in the table

    @property
    def rule(self) -> list[str | None]:
        """(n,) the first constraint that each row breaks, as text."""
        return _texts(self.exclusions.broken, self.exclusions.constraints)

    @property
    def no_value(self) -> list[str | None]:
        """(n,) where no constraint is broken: the first column without a value."""
        return _texts(self.exclusions.missing, self.exclusions.columns)


@dataclass(frozen=True, slots=True, eq=False)
class Exclusions:
    """What excludes rows, as numbers: a table has many rows and few reasons.

    Args:
        broken: int32 (n,), the first constraint that each row breaks, by its place in
            `constraints`; -1 where none is broken.
        missing: int32 (n,), where no constraint is broken the first column without a value, by its
            place in `columns`; -1 where none is missing.
        constraints: as text.
        columns: names.
    """

    broken: NDArray[np.int32]
    missing: NDArray[np.int32]
    constraints: tuple[str, ...]
    columns: tuple[str, ...]

    @property
    def any(self) -> NDArray[np.bool_]:
        """(n,), whether anything excludes a row."""
        excluded: NDArray[np.bool_] = (self.broken >= 0) | (self.missing >= 0)
        return excluded


def _texts(places: NDArray[np.int32], texts: tuple[str, ...]) -> list[str | None]:
    return [None if place < 0 else texts[place] for place in places.tolist()]


def score_table(table: pa.Table, settings: RankingSettings) -> Scores:
    """Score every row by what its columns allow.

    Args:
        table: (n,) rows; computed columns are added by `with_asked` where they are missing. A
            value that is null, NaN or infinite counts as no value: outside the models' domain, say.
            A row without a value for an objective or constraint gets no score.
        settings: what is asked; an objective or constraint whose column is missing is left out and
            listed.
    Returns:
        see `Scores`. With a single objective on no scale, the score is the value (where higher is
        better) or its negative, otherwise the weighted geometric mean of the desirabilities.
        Ranked by the bound, the interval's worse end stands for the value; a column without
        interval, such as a count or one of the caller's, has no other end than its value. Ranked by
        probability, `desirabilities` are the probabilities of the objectives, and the score is
        their product with those of the constraints on predicted columns, as if columns were
        independent; a value is distributed about its prediction as the halves of two normal
        distributions that reach either end of its interval; what they have beyond a bound of the
        quantity, where there is no value, counts as at the bound.
    Raises:
        ConfigError: a column that is asked for is not numeric, no objective is left, or an
            expression of predicted columns, which has no calibrated interval, is to be ranked by
            its bound.
    """
    stored = table.column_names
    table = with_asked(table, settings)
    present = set(table.column_names)
    objectives = [each for each in settings.objectives if each.column in present]
    constraints = [each for each in settings.constraints if each.column in present]
    if not objectives:
        names = ", ".join(each.column for each in settings.objectives)
        raise ConfigError(
            f"no objective can be scored here: none of the columns {names} exists at this stage"
        )
    asked_here: list[Objective | Constraint] = [*objectives, *constraints]
    values = {each.column: numbers(table, each.column) for each in asked_here}
    ends = {name: (each, each) for name, each in values.items()}
    if settings.by in ("bound", "probability"):
        ends = {name: _ends(table, name, each, stored) for name, each in values.items()}
        for name, (low, high) in ends.items():
            values[name] = np.where(np.isnan(low + high), np.nan, values[name])
    likely: list[Constraint] = []  # that are met with some probability, and exclude nobody
    if settings.by == "probability":
        likely = [each for each in constraints if _has_interval(table, each.column)]
        constraints = [each for each in constraints if each not in likely]
    exclusions = _exclusions(constraints, values, ends, table.num_rows)

    desirabilities: dict[str, FloatArray] = {}
    tie = np.zeros(table.num_rows)
    if settings.by == "probability":
        score = np.ones(table.num_rows)
        spread = {name: _spread(name, values[name], each) for name, each in ends.items()}
        for each in objectives:
            column = each.column
            likely_met = chance(
                values[column], spread[column], *_within_nature(column, *each.acceptable)
            )
            desirabilities[column] = likely_met
            score = score * likely_met
        for one in likely:
            low_end = -np.inf if one.min is None else one.min
            high_end = np.inf if one.max is None else one.max
            range_ = _within_nature(one.column, low_end, high_end)
            score = score * chance(values[one.column], spread[one.column], *range_)
        tie = _expected_utility(objectives, values, spread)
    elif settings.objectives[0].by_value:  # then it is the only one
        only = objectives[0]
        low, high = ends[only.column]
        score = low if only.entry.order > 0 else -high
    else:
        desirabilities = {
            # no goal wants two ranges apart, so the worst of an interval is at one of its ends
            each.column: np.minimum(*(desirability(end, each) for end in ends[each.column]))
            for each in objectives
        }
        logarithms = np.zeros(table.num_rows)
        for each in objectives:
            with np.errstate(divide="ignore"):  # what is worth nothing scores nothing
                logarithm = np.log(desirabilities[each.column])
            logarithms = logarithms + each.weight * logarithm
        score = np.exp(logarithms / sum(each.weight for each in objectives))
    return Scores(
        # adding zero turns -0.0 into 0.0: equal values, equal bytes
        score=np.where(exclusions.any, np.nan, score + 0.0),
        tie=tie,
        values={each.column: values[each.column] for each in objectives},
        desirabilities=desirabilities,
        exclusions=exclusions,
        left_out=left_out(settings, present),
    )


def exclusions_before_prediction(table: pa.Table, settings: RankingSettings) -> Exclusions:
    """What excludes rows before anything is predicted.

    Args:
        table: (n,) rows with columns that are certain; an objective or constraint on a column that
            it does not have is passed over.
        settings: what is asked.
    """
    table = with_asked(table, settings)
    criteria: list[Objective | Constraint] = [*settings.objectives, *settings.constraints]
    values = {
        each.column: numbers(table, each.column)
        for each in criteria
        if each.column in table.column_names
    }
    ends = {name: (each, each) for name, each in values.items()}
    constraints = [each for each in settings.constraints if each.column in values]
    return _exclusions(constraints, values, ends, table.num_rows)


def desirability(values: FloatArray, objective: Objective) -> FloatArray:
    """How well values meet an objective.

    Args:
        values: float64 (n,), in the column's unit.
        objective: with a scale.
    Returns:
        float64 (n,), from 0 to 1, NaN for NaN.
    Raises:
        ConfigError: the objective has no scale.
    """
    return objective.entry.desirability(values, objective.whole)


def _expected_utility(
    objectives: list[Objective],
    values: dict[str, FloatArray],
    ends: dict[str, tuple[FloatArray, FloatArray]],
) -> FloatArray:
    """The weighted geometric mean of desirabilities that is to be expected.

    Args:
        objectives: all on a scale.
        values: of each column, float64 (n,).
        ends: of each column, both ends of the 90 % intervals, float64 (n,) each.
    Returns:
        float64 (n,), 0 to 1, as if columns were independent of one another; 0 without a value.
    """
    total = sum(each.weight for each in objectives)
    utility = np.ones(len(next(iter(values.values()))))
    for each in objectives:
        worth = np.zeros(len(utility))
        for value in equally_likely(values[each.column], ends[each.column]):
            worth = worth + desirability(value, each) ** (each.weight / total)
        utility = utility * (worth / N_PARTS)
    return np.nan_to_num(np.round(utility, TIE_DIGITS), nan=0.0)


def _ends(
    table: pa.Table, column: str, values: FloatArray, stored: list[str]
) -> tuple[FloatArray, FloatArray]:
    """Both ends of the 90 % interval of a column; the values themselves where it has none."""
    if _has_interval(table, column):
        return numbers(table, f"{column}_lo90"), numbers(table, f"{column}_hi90")
    if not is_name(column):
        uncertain = [
            name
            for name in inputs_of_column(column, stored)
            if f"{name}_lo90" in table.column_names
        ]
        if uncertain:
            raise ConfigError(
                f"{column!r} reads {', '.join(uncertain)}, and what is made of predicted columns "
                "has no calibrated interval; rank by value, or ask for the columns themselves"
            )
    return values, values


def interval_ends(table: pa.Table, column: str) -> tuple[FloatArray, FloatArray]:
    """Both ends of the 90 % interval of a predicted column as the model gives it, before it is cut
    off at a bound of the quantity.

    Args:
        table: (n,) rows with the column, `_lo90` and `_hi90`.
        column: its name.
    Returns:
        float64 (n,) each, in the unit of the column.
    """
    ends = numbers(table, f"{column}_lo90"), numbers(table, f"{column}_hi90")
    return _spread(column, numbers(table, column), ends)


def _has_interval(table: pa.Table, column: str) -> bool:
    return {f"{column}_lo90", f"{column}_hi90"} <= set(table.column_names)


def _within_nature(column: str, low: float, high: float) -> tuple[float, float]:
    """A range that is asked for, open where nature ends: what the distribution of a value has
    beyond a bound of its quantity counts as at the bound."""
    lower, upper = _bounds(column)
    is_open_below = lower is not None and low <= lower
    is_open_above = upper is not None and high >= upper
    return -np.inf if is_open_below else low, np.inf if is_open_above else high


def _bounds(column: str) -> tuple[float | None, float | None]:
    known = columns().get(column)
    return (None, None) if known is None else (known.quantity.lower, known.quantity.upper)


def _spread(
    column: str, values: FloatArray, ends: tuple[FloatArray, FloatArray]
) -> tuple[FloatArray, FloatArray]:
    """Ends of an interval that was cut off at a bound of its quantity, as they were before.

    The interval reaches as far on the other side, where it was not cut off. What lies beyond the
    bound is no value, but how far it reaches tells how uncertain the value is.
    """
    (low, high), (lower, upper) = ends, _bounds(column)
    if lower is not None:
        low = np.where(low <= lower, np.minimum(low, values - (high - values)), low)
    if upper is not None:
        high = np.where(high >= upper, np.maximum(high, values + (values - ends[0])), high)
    return low, high


def _exclusions(
    constraints: list[Constraint],
    values: dict[str, FloatArray],
    ends: dict[str, tuple[FloatArray, FloatArray]],
    n_rows: int,
) -> Exclusions:
    """What excludes each row: the first constraint that it breaks, or a value that is missing."""
    broken = np.full(n_rows, -1, dtype=np.int32)
    for place, constraint in enumerate(constraints):
        low, high = ends[constraint.column]
        with np.errstate(
            invalid="ignore"
        ):  # comparisons with NaN are False: no value breaks no rule
            fails = np.zeros(n_rows, dtype=bool)
            if constraint.min is not None:
                fails |= low < constraint.min
            if constraint.max is not None:
                fails |= high > constraint.max
        broken[fails & (broken < 0)] = place
    missing = np.full(n_rows, -1, dtype=np.int32)
    for place, of_column in enumerate(values.values()):
        missing[np.isnan(of_column) & (missing < 0) & (broken < 0)] = place
    return Exclusions(broken, missing, tuple(each.text for each in constraints), tuple(values))
