"""What becomes of the rows of a prediction table under a ranking: the one place that decides.

A row is out of domain (of the models, or because a prediction that is asked for is no answer, such
as one that is too uncertain), filtered by a rule (a constraint, or a value that an objective needs
and the row does not have) or a candidate with a score, in this order of precedence. Tasks find the
status of their unit's rows by the acquisition's settings, the ranking that of the last stage by its
own.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from screener.ranking.columns import inputs_of
from screener.ranking.objectives import RankingSettings
from screener.ranking.pareto import ParetoTop
from screener.ranking.score import Exclusions, exclusions_before_prediction, score_table
from screener.ranking.topk import Ranked, TopK
from screener.registry.columns import PER_ATOM
from screener.stores.domain_reasons import joined, kinds_in
from screener.stores.refused import PATTERN, refusals_of, refused_columns

CANDIDATE, FILTERED, OUT_OF_DOMAIN = 0, 1, 2
NAMES = ("candidate", "filtered", "out of domain")  # by the codes above


@dataclass(frozen=True, slots=True, eq=False)
class RowStatus:
    """The status of each row of a table, in its order; made by `row_status`.

    Args:
        score: float64 (n,), NaN for every row that is no candidate.
        tie: float64 (n,), finite; of equal scores the larger one comes first.
        desirabilities: of each objective by column, float64 (n,).
        code: uint8 (n,), `CANDIDATE`, `FILTERED` or `OUT_OF_DOMAIN`.
        exclusions: which rule filters a row.
        domain_reasons: (n,) text, why a row is out of domain.
        left_out: objectives and constraints that this table has no column for.
        value_range: least and largest value of each objective among the candidates, by column.
    """

    score: NDArray[np.float64]
    tie: NDArray[np.float64]
    desirabilities: dict[str, NDArray[np.float64]]
    code: NDArray[np.uint8]
    exclusions: Exclusions
    domain_reasons: pa.ChunkedArray
    left_out: list[str]
    value_range: dict[str, list[float]]

    def name(self, place: int) -> str:
        """The status of one row as text."""
        return NAMES[self.code[place]]

    def reason(self, place: int) -> str:
        """Why one row is filtered or out of domain; empty for a candidate."""
        if self.code[place] == OUT_OF_DOMAIN:
            return self.domain_reasons[place].as_py() or ""
        return self._rules[self._rule[place]] if self.code[place] == FILTERED else ""

    @property
    def counts(self) -> dict[str, int]:
        """Rows by status; they add up to the rows of the table."""
        counts = np.bincount(self.code, minlength=len(NAMES)).tolist()
        return {
            "out_of_domain": counts[OUT_OF_DOMAIN],
            "filtered": counts[FILTERED],
            "candidates": counts[CANDIDATE],
        }

    @property
    def filtered(self) -> dict[str, int]:
        """Rows by the rule that is the first to exclude them."""
        counts: Counter[str] = Counter()
        of_rules = np.bincount(self._rule[self.code == FILTERED], minlength=len(self._rules))
        for rule, n_rows in zip(self._rules, of_rules.tolist(), strict=True):
            counts[rule] += n_rows
        return {rule: n_rows for rule, n_rows in sorted(counts.items()) if n_rows}

    @property
    def outside(self) -> dict[str, int]:
        """Rows out of domain by reason, of which a row may have several; without the numbers, in
        which nearly every row differs."""
        counts: Counter[str] = Counter()
        texts = self.domain_reasons.cast(pa.string()).filter(pa.array(self.code == OUT_OF_DOMAIN))
        for entry in pc.value_counts(pc.fill_null(texts, "")).to_pylist():
            for reason in kinds_in(entry["values"]) or [""]:
                counts[reason] += entry["counts"]
        return dict(sorted(counts.items()))

    @property
    def _rules(self) -> tuple[str, ...]:
        """What can filter a row, as text."""
        return (*self.exclusions.constraints, *map(no_value, self.exclusions.columns))

    @property
    def _rule(self) -> NDArray[np.int32]:
        """(n,), which of them does."""
        broken, missing = self.exclusions.broken, self.exclusions.missing
        return np.where(broken >= 0, broken, missing + len(self.exclusions.constraints))


def row_status(table: pa.Table, settings: RankingSettings) -> RowStatus:
    """The status of every row of predictions.

    Args:
        table: (n,) rows of predictions, with `in_domain` and `domain_reasons`.
        settings: objectives and constraints; those without a column here are left out.
    Returns:
        see `RowStatus`.
    Raises:
        ConfigError: no objective has a column here, or a column is not numeric.
    """
    scores = score_table(table, settings)
    code = _codes(table, scores.exclusions)
    reasons = table["domain_reasons"]
    refused = _refusals(table, settings)
    if refused:
        texts = reasons.to_pylist()
        for row, why in refused.items():
            if code[row] != OUT_OF_DOMAIN:
                code[row], texts[row] = OUT_OF_DOMAIN, why
        reasons = pa.chunked_array([pa.array(texts, pa.string())])
    return RowStatus(
        score=np.where(code == OUT_OF_DOMAIN, np.nan, scores.score),
        tie=scores.tie,
        desirabilities=scores.desirabilities,
        code=code,
        exclusions=scores.exclusions,
        domain_reasons=reasons,
        left_out=scores.left_out,
        value_range=_value_range(scores.values, code == CANDIDATE),
    )


def _refusals(table: pa.Table, settings: RankingSettings) -> dict[int, str]:
    """Rows without a value that the settings ask for because its prediction is no answer, and why.

    Such rows are out of domain as far as these settings go; under others they may be candidates.
    """
    present = set(table.column_names)
    names = inputs_of(settings, table.column_names)
    asked = {name.removesuffix(PER_ATOM) for name in names}
    why: dict[int, list[str]] = {}
    for name in table.column_names:
        if not name.startswith("domain_reasons"):  # of the stage, or of a bundle beside it
            continue
        texts = table[name].combine_chunks()
        has_any = pc.fill_null(pc.match_substring_regex(texts, PATTERN), False)
        for row in np.flatnonzero(has_any).tolist():
            text = texts[row].as_py()
            missing = [
                each
                for each in refused_columns(text) & asked
                if each not in present or not table[each][row].is_valid
            ]
            if missing:
                why.setdefault(row, []).append(refusals_of(text, missing))
    return {row: joined(texts) for row, texts in why.items()}


def candidate_scores(
    table: pa.Table, settings: RankingSettings
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Scores alone, and what orders equal ones, as of `row_status`.

    Args:
        table: (n,) rows with `in_domain` and the columns of `stored_inputs`.
        settings: objectives and constraints.
    Returns:
        scores, float64 (n,), NaN for every row that is no candidate; ties, float64 (n,), finite.
    Raises:
        ConfigError: no objective has a column here, or a column is not numeric.
    """
    scores = score_table(table, settings)
    is_outside = _codes(table, scores.exclusions) == OUT_OF_DOMAIN
    return np.where(is_outside, np.nan, scores.score), scores.tie


def row_status_before_prediction(table: pa.Table, settings: RankingSettings) -> RowStatus:
    """The status of rows of which nothing is predicted yet, by the columns that are there.

    Args:
        table: (n,) rows with `in_domain` and `domain_reasons`.
        settings: what is asked; what needs a prediction is passed over.
    Returns:
        see `RowStatus`; without scores.
    """
    exclusions = exclusions_before_prediction(table, settings)
    return RowStatus(
        score=np.full(table.num_rows, np.nan),
        tie=np.zeros(table.num_rows),
        desirabilities={},
        code=_codes(table, exclusions),
        exclusions=exclusions,
        domain_reasons=table["domain_reasons"],
        left_out=[],
        value_range={},
    )


def candidates_before_prediction(table: pa.Table, settings: RankingSettings) -> NDArray[np.bool_]:
    """Which rows of the stage `2d` can be chosen, bool (n,); reads `in_domain`, no reasons."""
    mask: NDArray[np.bool_] = (
        _codes(table, exclusions_before_prediction(table, settings)) == CANDIDATE
    )
    return mask


def no_value(column: str) -> str:
    """The rule that filters rows without a value in `column`."""
    return f"no value of {column}"


def emptied_by(
    counts: Mapping[str, int], filtered: Mapping[str, int], settings: RankingSettings
) -> str:
    """Which rule left nobody, for a person.

    Args:
        counts: rows by status, none of them a candidate.
        filtered: rows by the rule that is the first to exclude them.
        settings: the ranking.
    Returns:
        a clause that says which constraint, or what else, excluded the rows.
    """
    n_inside = n_left = counts.get("filtered", 0)
    if n_inside == 0:
        return (
            f"none of the {counts.get('out_of_domain', 0):,} predicted ones is inside the models' "
            "domain"
        )
    before: list[str] = []
    for rule in dict.fromkeys((*(each.text for each in settings.constraints), *filtered)):
        n_excluded = filtered.get(rule, 0)
        if n_excluded == n_left:
            whom = f"all {n_left:,} inside the domain"
            if n_left < n_inside:
                whom = (
                    f"the last {n_left:,} of {n_inside:,} inside the domain, "
                    f"after {', '.join(before)}"
                )
            return f"{rule} excludes {whom}"
        if n_excluded:
            n_left -= n_excluded
            before.append(rule)
    raise AssertionError((counts, filtered))  # a row that is filtered has its rule


def _value_range(
    values: Mapping[str, NDArray[np.float64]], chosen: NDArray[np.bool_]
) -> dict[str, list[float]]:
    if not chosen.any():
        return {}
    return {
        column: [float(each[chosen].min()), float(each[chosen].max())]
        for column, each in values.items()
    }


def widen(ranges: dict[str, list[float]], other: Mapping[str, Sequence[float]]) -> None:
    """Widen a `RowStatus.value_range` by another one."""
    for column, (low, high) in other.items():
        old = ranges.get(column, [low, high])
        ranges[column] = [min(old[0], low), max(old[1], high)]


class Best:
    """The best k candidates of several tables, in any order.

    Args:
        settings: the ranking.
        k: how many.
    """

    def __init__(self, settings: RankingSettings, k: int) -> None:
        self._top = TopK(k)
        self._pareto: ParetoTop | None = None
        self._is_pareto = settings.by == "pareto"

    def add(self, table: pa.Table, status: RowStatus) -> None:
        """More rows, with `mol_id` and `row`."""
        if not self._is_pareto:
            self._top = self._top.merge(best(table, status, self._top.k))
            return
        worth = np.column_stack([*status.desirabilities.values()] or [status.score])
        if self._pareto is None:
            self._pareto = ParetoTop(self._top.k, worth.shape[1])
        chosen = np.isfinite(status.score)
        kept = table.filter(pa.array(chosen))
        self._pareto.add(
            worth[chosen],
            kept["mol_id"].to_pylist(),
            kept["row"].to_numpy(),
            status.score[chosen],  # the weighted geometric mean of these
        )

    def merge(self, other: "Best") -> None:
        """Add the best of other tables, by the same settings."""
        self._top = self._top.merge(other._top)
        if self._pareto is None:
            self._pareto = other._pareto
        elif other._pareto is not None:
            self._pareto.merge(other._pareto)

    @property
    def top(self) -> TopK:
        """What they are."""
        return self._top if self._pareto is None else self._pareto.top


def _codes(table: pa.Table, exclusions: Exclusions) -> NDArray[np.uint8]:
    inside = pc.fill_null(table["in_domain"].cast(pa.bool_()), False).to_numpy(zero_copy_only=False)
    code = np.where(exclusions.any, FILTERED, CANDIDATE).astype(np.uint8)
    code[~inside.astype(bool)] = OUT_OF_DOMAIN
    return code


def best(table: pa.Table, status: RowStatus, k: int, floor: Ranked | None = None) -> TopK:
    """The best k candidates of a table.

    Args:
        table: with `mol_id` and `row`.
        status: of its rows.
        k: how many to keep.
        floor: the k-th best known so far; who comes after it cannot be among the best and is left
            out, which keeps receipts small and changes no result.
    Returns:
        the best, in order.
    """
    # only those that can be among the best become Python objects
    near = np.flatnonzero(np.isfinite(status.score))
    if floor is not None:
        near = near[status.score[near] >= floor.score]
    if len(near) > k:
        least = np.partition(status.score[near], len(near) - k)[len(near) - k]
        near = near[status.score[near] >= least]
    chosen = table.select(["mol_id", "row"]).take(pa.array(near, pa.int64()))
    top = TopK.from_arrays(
        status.score[near],
        chosen["mol_id"].to_pylist(),
        chosen["row"].to_numpy(),
        k,
        status.tie[near],
    )
    if floor is None:
        return top
    limit = (-floor.score, -floor.tie, floor.mol_id)
    return TopK(k, tuple(e for e in top.entries if (-e.score, -e.tie, e.mol_id) <= limit))
