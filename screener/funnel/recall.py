"""How much of the best the shortcut has found: an audit sample and what follows from it.

The audit is drawn at the end from what was not evaluated, in strata of predicted score, each
molecule of a stratum with the same known probability. What it finds above a threshold, stratum by
stratum, says how many molecules above it were missed. The threshold is not known either: the best
N of the library are not the best N of those evaluated. But recall is at most k/N exactly when at
least N - k missed molecules are better than the k-th best evaluated one, so every limit on a number
of missed molecules is one on the recall.

The strata are few and mostly empty of finds, so no normal approximation is used. How many may have
been missed at most comes from the Bayesian posterior with Jeffreys' prior, under one assumption:
a stratum of lower predicted score is not richer than one of higher. How many at least comes from
the exact (Clopper-Pearson) limits, which are zero where nothing was found.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from screener.errors import ConfigError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

N_STRATA = 4
_GROWTH = 5  # a stratum is so many times as large as the next better one
_POWER = 0.6  # the sample of a stratum grows with this power of its size
_N_DRAWS = 4000
_RATES = np.geomspace(1e-9, 1.0 - 1e-9, 600)  # shares of a stratum that belong to the best


@dataclass(frozen=True, slots=True, eq=False)
class Audit:
    """A stratified sample of what was not evaluated.

    Args:
        rows: int64 (n,), row numbers.
        strata: int64 (n,), of each row, 0 is that of the highest predicted scores.
        sizes: int64 (n_strata,), molecules of each stratum, sampled or not.
    """

    rows: IntArray
    strata: IntArray
    sizes: IntArray

    @property
    def sampled(self) -> IntArray:
        """int64 (n_strata,), how many of each stratum are in the sample."""
        n_sampled: IntArray = np.bincount(self.strata, minlength=len(self.sizes))
        return n_sampled

    @property
    def probabilities(self) -> FloatArray:
        """float64 (n,), the probability with which each row came into the sample."""
        return (self.sampled / np.maximum(self.sizes, 1))[self.strata]


@dataclass(frozen=True, slots=True)
class RecallEstimate:
    """Recall of the best `top_n` among the evaluated, with the audit's own rows counted in."""

    recall: float  # by the Horvitz-Thompson estimate of what was missed
    low: float
    high: float
    level: float  # of the interval
    top_n: int
    n_found: int  # of the audit above the threshold that `recall` belongs to


def draw_audit(predicted: FloatArray, rows: IntArray, order: FloatArray, n: int) -> Audit:
    """Draw the audit sample.

    Args:
        predicted: float64 (m,), predicted scores of all that was not evaluated; NaN counts as
            lowest.
        rows: int64 (m,), their row numbers.
        order: float64 (m,), random numbers (`screener.funnel.draws.keys`).
        n: size of the sample; all that is left, if that is less.
    Returns:
        the sample, stratum by stratum.
    Raises:
        ConfigError: the sample is smaller than the number of strata.
    """
    sizes = strata_sizes(len(rows))
    n_sampled = allocated(sizes, n)
    ranked = np.lexsort((rows, np.where(np.isnan(predicted), np.inf, -predicted)))
    drawn = [
        first_by_key(rows[stratum], order[stratum], n_stratum)
        for stratum, n_stratum in zip(
            np.split(ranked, np.cumsum(sizes)[:-1]), n_sampled.tolist(), strict=True
        )
    ]
    return audit_of_strata(drawn, sizes)


def audit_of_strata(drawn: Sequence[IntArray], sizes: IntArray) -> Audit:
    """The audit that consists of these rows, stratum by stratum."""
    strata = np.repeat(np.arange(len(sizes)), [len(rows) for rows in drawn])
    return Audit(np.concatenate(drawn), strata, sizes)


def first_by_key(rows: IntArray, order: FloatArray, n: int) -> IntArray:
    """The n rows with the smallest random numbers, the smallest first; of equal ones the first row.

    Args:
        rows: int64 (m,).
        order: float64 (m,), random numbers.
        n: how many.
    Returns:
        int64 (at most n,).
    """
    return rows[np.lexsort((rows, order))[:n]]


def strata_sizes(n_rows: int) -> IntArray:
    """How many rows each stratum has, int64 (N_STRATA,), the best first."""
    shares = np.cumsum(float(_GROWTH) ** np.arange(N_STRATA))
    ends = np.round(n_rows * shares / shares[-1]).astype(np.int64)
    sizes: IntArray = np.diff(ends, prepend=0)
    return sizes


def allocated(sizes: IntArray, n: int) -> IntArray:
    """How many rows of each stratum an audit draws.

    Args:
        sizes: int64 (n_strata,), rows of each.
        n: of all strata together; all that there are, if these are fewer.
    Returns:
        int64 (n_strata,): none empty, none more than it has, the rest to the largest.
    Raises:
        ConfigError: the sample is smaller than the number of strata.
    """
    if n < min(len(sizes), sizes.sum()):
        raise ConfigError(f"an audit of {n} molecules is too small: give it at least {len(sizes)}")
    if not sizes.any():
        return sizes
    wanted = sizes**_POWER
    given: IntArray = np.minimum(
        sizes, np.maximum(1, np.floor(n * wanted / wanted.sum()).astype(np.int64))
    )
    for i in np.argsort(-sizes, kind="stable"):
        given[i] += min(sizes[i] - given[i], max(0, n - given.sum()))
    return given


def estimate_recall(
    evaluated: FloatArray,
    audit: Audit,
    audit_scores: FloatArray,
    top_n: int,
    seed: int,
    level: float = 0.9,
) -> RecallEstimate:
    """The recall of the best N of a library, of which some were evaluated.

    Args:
        evaluated: float64 (n,), scores of all that was evaluated, the audit among them, or the best
            `top_n` of these; NaN for those that have none and can belong to no best.
        audit: drawn from what was not evaluated before it.
        audit_scores: float64 (n_audit,), in the order of its rows.
        top_n: how many are the best; at least so many must have a score.
        seed: of the posterior's draws.
        level: of the interval, each end having half of what is missing from 1.
    Returns:
        the recall with its interval, between 0 and 1.
    Raises:
        ConfigError: fewer evaluated than `top_n`.
    References:
        Horvitz and Thompson, J. Am. Stat. Assoc. 47, 663 (1952); Clopper and Pearson, Biometrika
        26, 404 (1934); Brown, Cai and DasGupta, Stat. Sci. 16, 101 (2001) on Jeffreys' prior.
    """
    scores = np.sort(evaluated[np.isfinite(evaluated)])[::-1]
    if len(scores) < top_n:
        raise ConfigError(
            f"recall of the best {top_n} cannot be estimated: {len(scores)} molecules have a score"
        )
    tail = (1.0 - level) / 2
    open_sizes = audit.sizes - audit.sampled

    def n_above(k: int) -> IntArray:
        above = audit.strata[audit_scores >= scores[k - 1]]
        return np.bincount(above, minlength=len(audit.sizes)).astype(np.int64)

    def weighted(k: int) -> bool:
        rates = n_above(k) / np.maximum(audit.sampled, 1)
        return bool((rates * open_sizes).sum() >= top_n - k)

    def at_most(k: int) -> bool:
        missed = _missed(_ordered_rates(n_above(k), audit.sampled, seed), open_sizes, seed)
        return bool((missed >= top_n - k).mean() > tail)

    def at_least(k: int) -> bool:
        rates = _smallest_rates(n_above(k), audit.sampled, seed)
        return bool((_missed(rates, open_sizes, seed) >= top_n - k).mean() >= 1.0 - tail)

    best = _first(weighted, top_n)
    return RecallEstimate(
        recall=best / top_n,
        low=min(_first(at_most, top_n), best) / top_n,
        high=max(_first(at_least, top_n), best) / top_n,
        level=level,
        top_n=top_n,
        n_found=int(n_above(best).sum()) if best else 0,
    )


def _first(holds: Callable[[int], bool], largest: int) -> int:
    """The smallest k from 1 to `largest` for which it holds, as it does for the last."""
    low, high = 1, largest
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle + 1, high)
    return low


def _ordered_rates(n_found: IntArray, sampled: IntArray, seed: int) -> FloatArray:
    """Draws from the posterior of the strata's shares, none larger than the one before.

    Shares live on a grid, even in the logarithm. Sums over all that a later stratum may have are
    made from the last stratum on, then shares are drawn from the first on.
    """
    generator = np.random.default_rng([seed, 0])
    after = np.ones(len(_RATES))
    sums: list[FloatArray] = []
    for d, n in zip(n_found[::-1], sampled[::-1], strict=True):
        logarithms = (d + 0.5) * np.log(_RATES) + (n - d - 0.5) * np.log1p(-_RATES)
        weights = np.exp(logarithms - logarithms.max()) * after
        after = np.cumsum(weights)
        after /= after[-1]
        sums.insert(0, after)
    drawn = np.empty((_N_DRAWS, len(n_found)))
    at_most = np.full(_N_DRAWS, len(_RATES) - 1)
    for i, cumulated in enumerate(sums):
        at_most = np.minimum(
            np.searchsorted(cumulated, generator.random(_N_DRAWS) * cumulated[at_most]), at_most
        )
        drawn[:, i] = _RATES[at_most]
    return drawn


def _smallest_rates(n_found: IntArray, sampled: IntArray, seed: int) -> FloatArray:
    """Draws whose quantiles are the lower exact limits of the strata's shares."""
    generator = np.random.default_rng([seed, 1])
    drawn = np.zeros((_N_DRAWS, len(n_found)))
    for i, (d, n) in enumerate(zip(n_found, sampled, strict=True)):
        if d:
            drawn[:, i] = generator.beta(d, n - d + 1, _N_DRAWS)
    return drawn


def _missed(rates: FloatArray, open_sizes: IntArray, seed: int) -> IntArray:
    """int64 (n_draws,), how many of those not sampled belong to the best."""
    generator = np.random.default_rng([seed, 2])
    return np.asarray(generator.binomial(open_sizes, rates).sum(axis=1), dtype=np.int64)
