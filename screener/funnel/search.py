"""A search for the best of a library by a part of it: what is evaluated, batch after batch.

First a random sample, then batches that a surrogate fitted to all results so far chooses, at the
end an audit sample of what is left. The search ends when its budget is spent, or when the next
batch promises too little. A batch follows from the settings and the results before it alone, so a
search that is told its results again asks for the same molecules.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from screener.errors import ConfigError
from screener.funnel.recall import Audit, RecallEstimate, estimate_recall
from screener.funnel.settings import SearchSettings

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

FIRST = 0  # number of the first batch


class Candidates(Protocol):
    """The molecules that a search chooses from, wherever they are.

    They know what became of those that were chosen; batches are numbered from 0.
    """

    def draw(self, n: int) -> IntArray:
        """The first n of them in an order that the seed decides (`FIRST`); rows, int64."""
        ...

    def fit(self, number: int) -> None:
        """Fit the surrogate of batch `number` to what became of those before it."""
        ...

    def choose(self, number: int, taken: IntArray, size: int) -> IntArray:
        """A batch by that surrogate, best first, of those whose rows are not in `taken`.

        Args:
            number: of the batch that the surrogate was fitted for.
            taken: int64, ascending, rows that were chosen before.
            size: of the batch.
        Returns:
            int64 (size,), fewer where fewer are left.
        """
        ...

    def gain(self, number: int, rows: IntArray, threshold: float) -> float:
        """How many of these rows are expected to have a score above the threshold.

        Args:
            number: of the batch that the surrogate was fitted for.
            rows: int64 (n,).
            threshold: score that counts.
        Returns:
            a sum of probabilities.
        """
        ...

    def audit(self, number: int, taken: IntArray, n: int, purpose: int) -> Audit:
        """A sample of n of all rows that are not in `taken`, in strata of predicted score.

        Args:
            number: of the surrogate that predicts.
            taken: int64, ascending.
            n: size of the sample.
            purpose: of the draw (`screener.funnel.draws.keys`).
        Returns:
            what `draw_audit` draws from them.
        """
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Rows that are evaluated together."""

    rows: IntArray  # (n,), as chosen
    audit: Audit | None = None  # of the last batch: how it was drawn


class Search:
    """A search, whatever its candidates are.

    Args:
        candidates: what is searched.
        settings: see there.
        n_candidates: how many there are.
        is_trained: whether the candidates know other molecules' values, so that the first batch is
            chosen too.
    Raises:
        ConfigError: the budget is too small.
    """

    def __init__(
        self,
        candidates: Candidates,
        settings: SearchSettings,
        n_candidates: int,
        *,
        is_trained: bool = False,
    ) -> None:
        self._candidates, self._settings, self._is_trained = candidates, settings, is_trained
        self._sizes = settings.sizes(n_candidates)
        self._batches: list[Batch] = []
        self._scores: list[FloatArray] = []

    @property
    def rows(self) -> IntArray:
        """Rows evaluated so far, in the order in which they were asked for."""
        return np.concatenate([np.empty(0, np.int64), *(batch.rows for batch in self._batches)])

    @property
    def is_over(self) -> bool:
        """Whether the audit was the last batch to be told."""
        return bool(self._batches) and self._batches[-1].audit is not None

    def ask(self) -> Batch | None:
        """The next batch; None when the search is over."""
        number = len(self._batches)
        if self.is_over:
            return None
        if number == FIRST and not self._is_trained:
            return Batch(self._candidates.draw(self._sizes[FIRST]))
        self._candidates.fit(number)
        taken = np.sort(self.rows)
        if number < len(self._sizes) - 1:
            rows = self._candidates.choose(number, taken, self._sizes[number])
            if self._is_worth_it(number, rows):
                return Batch(rows)
        audit = self._candidates.audit(number, taken, self._sizes[-1], len(self._sizes))
        return Batch(audit.rows, audit)

    def tell(self, batch: Batch, scores: FloatArray) -> None:
        """The scores (n,) of a batch; NaN for what turned out to be no candidate."""
        self._batches.append(batch)
        self._scores.append(scores)

    def recall(self) -> RecallEstimate:
        """The recall of the best `top_n`, from the audit.

        Raises:
            ConfigError: the audit has not been evaluated, or too few have a score.
        """
        if not self.is_over:
            raise ConfigError("the recall is known once the audit sample is evaluated")
        audit = self._batches[-1].audit
        assert audit is not None
        scores = np.concatenate(self._scores)
        return estimate_recall(
            scores, audit, self._scores[-1], self._settings.top_n, self._settings.seed
        )

    def _is_worth_it(self, number: int, rows: IntArray) -> bool:
        least, top_n = self._settings.min_expected_gain, self._settings.top_n
        scores = np.concatenate([np.empty(0), *self._scores])
        scores = np.sort(scores[np.isfinite(scores)])[::-1]
        if least == 0.0 or len(scores) < top_n:
            return len(rows) > 0
        return self._candidates.gain(number, rows, float(scores[top_n - 1])) >= least * top_n
