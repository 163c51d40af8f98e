"""What becomes of the rows of a prediction table under a ranking: the one place that decides.

A row is out of domain, filtered by a rule (a constraint, or a value that an objective needs and the
row does not have) or a candidate with a score, in this order of precedence. Tasks judge their
unit with the acquisition's settings, the driver judges the last stage with the ranking's.
"""

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from screener.ranking.objectives import RankingSettings
from screener.ranking.score import score_table
from screener.ranking.topk import Ranked, TopK


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """The verdict on each row of a table, in its order."""

    score: NDArray[np.float64]  # (n,), NaN for every row that is no candidate
    desirabilities: dict[str, NDArray[np.float64]]  # by column, (n,)
    n_out_of_domain: int
    filtered: dict[str, int]  # rule -> rows that it is the first to exclude
    left_out: list[str]  # objectives and constraints that this table has no column for

    @property
    def counts(self) -> dict[str, int]:
        """Rows by verdict; they add up to the rows of the table."""
        n_filtered = sum(self.filtered.values())
        return {
            "out_of_domain": self.n_out_of_domain,
            "filtered": n_filtered,
            "candidates": len(self.score) - self.n_out_of_domain - n_filtered,
        }


def judge(table: pa.Table, settings: RankingSettings) -> Judged:
    """Judge every row.

    Args:
        table: (n,) rows of predictions, with `in_domain`.
        settings: objectives and constraints; those without a column here are left out.
    Raises:
        ConfigError: no objective has a column here, or a column is not numeric.
    """
    scores = score_table(table, settings)
    inside = pc.fill_null(table["in_domain"], False).to_numpy(zero_copy_only=False).astype(bool)
    filtered: Counter[str] = Counter()
    for row in np.flatnonzero(inside):
        rule, no_value = scores.rule[row], scores.no_value[row]
        if rule is not None:
            filtered[rule] += 1
        elif no_value is not None:
            filtered[f"no value of {no_value}"] += 1
    return Judged(
        score=np.where(inside, scores.score, np.nan),
        desirabilities=scores.desirabilities,
        n_out_of_domain=int(np.count_nonzero(~inside)),
        filtered=dict(sorted(filtered.items())),
        left_out=scores.left_out,
    )


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
