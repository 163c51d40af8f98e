"""What becomes of the rows of a prediction table under a ranking: the one place that decides.

A row is out of domain, filtered by a rule (a constraint, or a value that an objective needs and the
row does not have) or a candidate with a score, in this order of precedence. Tasks judge their
unit with the acquisition's settings, the driver judges the last stage with the ranking's.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from screener.ranking.objectives import RankingSettings
from screener.ranking.pareto import ParetoTop
from screener.ranking.score import broken_rules, score_table
from screener.ranking.topk import Ranked, TopK

CANDIDATE, FILTERED, OUT_OF_DOMAIN = "candidate", "filtered", "out of domain"


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """The verdict on each row of a table, in its order."""

    score: NDArray[np.float64]  # (n,), NaN for every row that is no candidate
    desirabilities: dict[str, NDArray[np.float64]]  # by column, (n,)
    verdict: list[str]  # (n,)
    reason: list[str]  # (n,), which rule or why outside; empty for candidates
    left_out: list[str]  # objectives and constraints that this table has no column for
    spread: dict[str, list[float]]  # least and largest value of each objective among candidates

    @property
    def counts(self) -> dict[str, int]:
        """Rows by verdict; they add up to the rows of the table."""
        found = Counter(self.verdict)
        return {
            "out_of_domain": found[OUT_OF_DOMAIN],
            "filtered": found[FILTERED],
            "candidates": found[CANDIDATE],
        }

    @property
    def filtered(self) -> dict[str, int]:
        """Rows by the rule that is the first to exclude them."""
        pairs = zip(self.verdict, self.reason, strict=True)
        return dict(sorted(Counter(why for verdict, why in pairs if verdict == FILTERED).items()))

    @property
    def outside(self) -> dict[str, int]:
        """Rows out of domain by reason, of which a row may have several; without the distances in
        parentheses, in which nearly every row differs."""
        pairs = zip(self.verdict, self.reason, strict=True)
        found: Counter[str] = Counter()
        for verdict, why in pairs:
            if verdict == OUT_OF_DOMAIN:
                found.update(set(re.sub(r" \([^()]*\)", "", why).split("; ")))
        return dict(sorted(found.items()))


def judge(table: pa.Table, settings: RankingSettings) -> Judged:
    """Judge every row.

    Args:
        table: (n,) rows of predictions, with `in_domain` and `domain_reasons`.
        settings: objectives and constraints; those without a column here are left out.
    Raises:
        ConfigError: no objective has a column here, or a column is not numeric.
    """
    scores = score_table(table, settings)
    verdicts = _verdicts(table, scores.rule, scores.no_value)
    outside = np.array([verdict == OUT_OF_DOMAIN for verdict, _ in verdicts], dtype=bool)
    return Judged(
        score=np.where(outside, np.nan, scores.score),
        desirabilities=scores.desirabilities,
        verdict=[verdict for verdict, _ in verdicts],
        reason=[reason for _, reason in verdicts],
        left_out=scores.left_out,
        spread=_spread(scores.values, np.array([each == CANDIDATE for each, _ in verdicts], bool)),
    )


def judge_rules(table: pa.Table, settings: RankingSettings) -> Judged:
    """Judge rows of which nothing is predicted yet, by the columns that are there.

    Args:
        table: (n,) rows with `in_domain` and `domain_reasons`.
        settings: what is asked; what needs a prediction is passed over.
    Returns:
        verdicts without scores.
    """
    verdicts = _verdicts(table, *broken_rules(table, settings))
    return Judged(
        score=np.full(table.num_rows, np.nan),
        desirabilities={},
        verdict=[verdict for verdict, _ in verdicts],
        reason=[reason for _, reason in verdicts],
        left_out=[],
        spread={},
    )


def no_value(column: str) -> str:
    """The rule that filters rows without a value in `column`."""
    return f"no value of {column}"


def emptied_by(
    counts: Mapping[str, int], filtered: Mapping[str, int], settings: RankingSettings
) -> str:
    """Which rule left nobody, for a person.

    Args:
        counts: rows by verdict, none of them a candidate.
        filtered: rows by the rule that is the first to exclude them.
        settings: the ranking.
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


def _spread(
    values: Mapping[str, NDArray[np.float64]], chosen: NDArray[np.bool_]
) -> dict[str, list[float]]:
    if not chosen.any():
        return {}
    return {
        column: [float(each[chosen].min()), float(each[chosen].max())]
        for column, each in values.items()
    }


def wider(spread: dict[str, list[float]], other: Mapping[str, Sequence[float]]) -> None:
    """Widen a `Judged.spread` by another one."""
    for column, (low, high) in other.items():
        old = spread.get(column, [low, high])
        spread[column] = [min(old[0], low), max(old[1], high)]


class Best:
    """The best k candidates of judged tables, in any order.

    Args:
        settings: the ranking.
        k: how many.
    """

    def __init__(self, settings: RankingSettings, k: int) -> None:
        self._top = TopK(k)
        self._pareto: ParetoTop | None = None
        self._is_pareto = settings.by == "pareto"

    def add(self, table: pa.Table, judged: Judged) -> None:
        """More rows, with `mol_id` and `row`."""
        if not self._is_pareto:
            self._top = self._top.merge(best(table, judged, self._top.k))
            return
        worth = np.column_stack([*judged.desirabilities.values()] or [judged.score])
        if self._pareto is None:
            self._pareto = ParetoTop(self._top.k, worth.shape[1])
        chosen = np.isfinite(judged.score)
        kept = table.filter(pa.array(chosen))
        self._pareto.add(worth[chosen], kept["mol_id"].to_pylist(), kept["row"].to_numpy())

    @property
    def top(self) -> TopK:
        """What they are."""
        return self._top if self._pareto is None else self._pareto.top


def _verdicts(
    table: pa.Table, rules: list[str | None], missing: list[str | None]
) -> list[tuple[str, str]]:
    columns = (table[name].to_pylist() for name in ("in_domain", "domain_reasons"))
    return [_verdict(*each) for each in zip(*columns, rules, missing, strict=True)]


def _verdict(
    inside: bool | None, why: str | None, rule: str | None, missing: str | None
) -> tuple[str, str]:
    if not inside:
        return OUT_OF_DOMAIN, why or ""
    if rule is not None:
        return FILTERED, rule
    if missing is not None:
        return FILTERED, no_value(missing)
    return CANDIDATE, ""


def best(table: pa.Table, judged: Judged, k: int, floor: Ranked | None = None) -> TopK:
    """The best k candidates of a table.

    Args:
        table: what was judged, with `mol_id` and `row`.
        judged: the verdicts.
        k: how many to keep.
        floor: the k-th best known so far; who comes after it cannot be among the best and is left
            out, which keeps receipts small and changes no result.
    """
    top = TopK.from_arrays(judged.score, table["mol_id"].to_pylist(), table["row"].to_numpy(), k)
    if floor is None:
        return top
    limit = (-floor.score, floor.mol_id)
    return TopK(k, tuple(e for e in top.entries if (-e.score, e.mol_id) <= limit))
