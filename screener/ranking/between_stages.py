"""Two stages that judge the same molecules: how far the later one may move a score, whether they
agree, and which of them decides.

The later stage finds other values. By how much is known of each predicted column: the error of the
earlier value and that of the later one, both 90 % intervals, taken as independent. Each column in
turn is moved to either end of that range, which gives the score two ends; as errors of columns are
taken as independent too, what they add to the score is added in quadrature.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from screener.ranking.columns import inputs_of, numbers, with_asked
from screener.ranking.objectives import RankingSettings
from screener.ranking.score import interval_ends, score_table
from screener.ranking.split_normal import chance_up_to
from screener.registry.columns import PER_ATOM, columns
from screener.stores.refused import without_refusals

FloatArray = NDArray[np.float64]

# columns of `with_earlier`, and what it appends to the name of a column
DISAGREE, EARLIER, OTHER = "stages_disagree", "values_of_earlier_stage", "_other_stage"
_ENDS = ("_lo90", "_hi90")


@dataclass(frozen=True, slots=True)
class LaterStage:
    """What is known of the stage that judges the rows of this one again.

    Args:
        halves: by predicted column, half of the mean 90 % interval that its model has on its test
            molecules, in the unit of the column.
        settled: by predicted column, the numbers of heavy atoms at which the earlier value counts:
            the later one is no better there.
        stretch: by column, a factor on the whole range, where the molecules that both stages have
            judged show that it is too narrow; 1 where there is none.
    """

    halves: Mapping[str, float]
    settled: Mapping[str, tuple[int, ...]]
    stretch: Mapping[str, float]


@dataclass(frozen=True, slots=True, eq=False)
class ScoreRange:
    """Scores (n,) with the ends of what a later stage may make of them; NaN of no candidates."""

    low: FloatArray
    score: FloatArray
    high: FloatArray


def half_ranges(table: pa.Table, later: LaterStage) -> dict[str, FloatArray]:
    """How far the values of predicted columns may move, by column.

    Args:
        table: (n,) rows of the earlier stage, with `n_heavy`.
        later: the stage that follows.
    Returns:
        float64 (n,), half of the 90 % range, in the unit of the column; 0 where the earlier value
        counts.
    """
    sizes = numbers(table, "n_heavy")
    halves = {}
    for name in table.column_names:
        if f"{name}_lo90" not in table.column_names or name.endswith(PER_ATOM):
            continue
        low, high = interval_ends(table, name)
        own = (high - low) / 2.0
        half = np.hypot(own, later.halves.get(name, 0.0)) * later.stretch.get(name, 1.0)
        halves[name] = np.where(np.isin(sizes, later.settled.get(name, ())), 0.0, half)
    return halves


def score_range(table: pa.Table, settings: RankingSettings, later: LaterStage) -> ScoreRange:
    """Scores by value, and how far they may move.

    Args:
        table: (n,) rows of the earlier stage.
        settings: what is asked; what excludes rows does so by the values as they are.
        later: the stage that follows.
    Returns:
        the scores of `score_table`, and their ends.
    Raises:
        ConfigError: as of `score_table`.
    """
    whole = with_asked(table, settings)
    score = score_table(whole, settings).score
    free = settings.model_copy(update={"constraints": ()})
    asked = {name.removesuffix(PER_ATOM) for name in inputs_of(settings, table.column_names)}
    up, down = np.zeros(len(score)), np.zeros(len(score))
    for name, half in half_ranges(table, later).items():
        if name not in asked or not half.any():
            continue
        ends = [score_table(_moved(table, name, sign * half), free).score for sign in (-1.0, 1.0)]
        up += (np.fmax.reduce([score, *ends]) - score) ** 2
        down += (score - np.fmin.reduce([score, *ends])) ** 2
    return ScoreRange(score - np.sqrt(down), score, score + np.sqrt(up))


def _moved(table: pa.Table, name: str, by: FloatArray) -> pa.Table:
    """The table with a column moved, within the bounds of its quantity, and what is made of it."""
    known, values = columns().get(name), numbers(table, name) + by
    if known is not None and (known.quantity.lower, known.quantity.upper) != (None, None):
        values = np.clip(values, known.quantity.lower, known.quantity.upper)
    table = table.set_column(
        table.column_names.index(name), name, pa.array(values, pa.float64(), from_pandas=True)
    )
    made = [each for each in (f"{name}{PER_ATOM}",) if each in table.column_names]
    return table.drop_columns(made)


def with_earlier(
    table: pa.Table, earlier: pa.Table, settled: Mapping[str, tuple[int, ...]], stage: str
) -> pa.Table:
    """Predictions of a later stage, with those of the earlier one where that one is better.

    Args:
        table: (n,) rows of the later stage, with `row` and `n_heavy`.
        earlier: rows of the earlier stage, among them all of these.
        settled: by predicted column, the numbers of heavy atoms at which the earlier value counts.
        stage: name of the earlier one.
    Returns:
        the table with values, `_std` and intervals of the earlier stage where that one has any and
        counts, and the later stage is inside its domain; `_delta`, which nothing was added to, is
        null there. Columns are appended: of each predicted one, with the ending `_other_stage`,
        the value of the stage that does not decide, null where that one has none; then
        `stages_disagree`, the columns of which the 90 % intervals of the two stages have no value
        in common, and `values_of_earlier_stage`, the columns that were taken from it, behind its
        name; both empty where there are none.
    """
    place = {row: index for index, row in enumerate(earlier["row"].to_pylist())}
    order = pa.array([place[row] for row in table["row"].to_pylist()], pa.int64())
    before, n = earlier.take(order), table.num_rows
    sizes = numbers(table, "n_heavy")
    inside = pc.fill_null(table["in_domain"], False).to_numpy(zero_copy_only=False).astype(bool)
    apart: list[list[str]] = [[] for _ in range(n)]
    taken: list[list[str]] = [[] for _ in range(n)]
    reasons = table["domain_reasons"].to_pylist()
    others: dict[str, pa.Array] = {}
    for name in _compared(table, before):
        ends = [numbers(some, name + end) for some in (table, before) for end in _ENDS]
        is_apart = (ends[0] > ends[3]) | (ends[2] > ends[1])  # False where there is NaN
        known = np.isfinite(numbers(before, name))
        whole = name.removesuffix(PER_ATOM)
        counts = known & inside & np.isin(sizes, settled.get(whole, ()))
        if name == whole:  # of the value per atom nothing more is to be said
            others[name] = pc.if_else(pa.array(counts), table[name], before[name])
            for row in np.flatnonzero(is_apart).tolist():
                apart[row].append(name)
            for row in np.flatnonzero(counts).tolist():
                taken[row].append(name)
                reasons[row] = without_refusals(reasons[row], [name])
        for ending in ("", "_std", *_ENDS, "_delta"):
            if name + ending not in table.column_names or not counts.any():
                continue
            theirs: Any = None if ending == "_delta" else before[name + ending]
            column = pc.if_else(pa.array(counts), theirs, table[name + ending])
            index = table.column_names.index(name + ending)
            table = table.set_column(index, name + ending, column)
    index = table.column_names.index("domain_reasons")
    table = table.set_column(index, "domain_reasons", pa.array(reasons, pa.string()))
    for name in _predicted(table):
        other = others.get(name, pa.nulls(n, pa.float64()))
        table = table.append_column(name + OTHER, other)
    from_earlier = [f"{stage}: {', '.join(each)}" if each else "" for each in taken]
    return table.append_column(
        DISAGREE, pa.array([", ".join(each) for each in apart], pa.string())
    ).append_column(EARLIER, pa.array(from_earlier, pa.string()))


def without_rows_of_earlier(table: pa.Table) -> pa.Table:
    """A table without a row, with the columns that `with_earlier` appends to those it has."""
    for name in _predicted(table):
        table = table.append_column(name + OTHER, pa.array([], pa.float64()))
    for name in (DISAGREE, EARLIER):
        table = table.append_column(name, pa.array([], pa.string()))
    return table


def _predicted(table: pa.Table) -> list[str]:
    """The predicted columns, without those per atom."""
    names = set(table.column_names)
    return [
        name
        for name in table.column_names
        if name + _ENDS[0] in names and not name.endswith(PER_ATOM)
    ]


def _compared(table: pa.Table, earlier: pa.Table) -> list[str]:
    """The predicted columns that both tables have."""
    return [
        name
        for name in table.column_names
        if all(
            name + ending in some.column_names
            for some in (table, earlier)
            for ending in ("", "_std", *_ENDS)
        )
    ]


def disagreements(table: pa.Table) -> dict[str, int]:
    """Rows in which stages disagree, by column, and under `rows` those with any; all are 0 or more.

    Args:
        table: of `with_earlier`, or without its columns.
    """
    if DISAGREE not in table.column_names:
        return {}
    texts = [text for text in table[DISAGREE].to_pylist() if text]
    counts = Counter(name for text in texts for name in text.split(", "))
    return {"rows": len(texts), **dict(sorted(counts.items()))}


def later_chance(
    table: pa.Table, settings: RankingSettings, later: LaterStage, threshold: float
) -> FloatArray:
    """How likely the score of a row is above a threshold once a later stage has judged it.

    Args:
        table: (n,) rows of the earlier stage.
        settings: what is asked.
        later: the stage that follows.
        threshold: a score.
    Returns:
        float64 (n,), from two halves of normal distributions about the score, whose 5 % and 95 %
        points are the ends of `score_range`; NaN of rows that are no candidates. Where nothing can
        move, 1 above the threshold and 0 at it and below.
    """
    moved = score_range(table, settings, later)
    # above a threshold is below it in the mirror
    chance = chance_up_to(-moved.score, (-moved.high, -moved.low), -threshold, at=0.0)
    chance[np.isnan(moved.score)] = np.nan
    return chance
