"""A search for the best of a library by a part of it: what is evaluated, batch after batch.

First a random sample, then batches that a surrogate fitted to all results so far chooses, at the
end an audit sample of what is left. A batch follows from the settings and the results before it
alone, so a search that is told its results again asks for the same molecules.
"""

from collections.abc import Callable, Sequence
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveInt

from screener.errors import ConfigError
from screener.funnel.acquisition import AcquisitionSettings, Chooser, acquisition_values
from screener.funnel.draws import keys
from screener.funnel.features import Bits
from screener.funnel.projection import Projection
from screener.funnel.recall import Audit, RecallEstimate, draw_audit, estimate_recall
from screener.funnel.surrogate import Prediction, Surrogate, SurrogateSettings, fit_surrogate

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Scorer = Callable[[FloatArray], FloatArray]  # quantities (n, n_quantities) to scores (n,)

FIRST, AUDIT = 0, -1  # numbers of batches
N_FOR_PROJECTION = 8000  # molecules from which the directions are taken
CHUNK = 16384  # molecules that are predicted at once


class SearchSettings(BaseModel):
    """How a search spends its budget.

    Args:
        budget: molecules evaluated in all.
        first: share of it that is drawn at random in the beginning.
        audit: share of it that is drawn from what is left in the end.
        n_batches: in between.
        top_n: the best of which the search is to find as many as possible.
        seed: of all draws.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    budget: PositiveInt
    first: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.2
    audit: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.2
    n_batches: PositiveInt = 10
    top_n: PositiveInt
    seed: NonNegativeInt = 0
    acquisition: AcquisitionSettings = AcquisitionSettings()
    surrogate: SurrogateSettings = SurrogateSettings()

    def sizes(self, n_rows: int) -> list[int]:
        """How many molecules each batch has: the first, those in between, the audit.

        Raises:
            ConfigError: the budget does not reach that far.
        """
        budget = min(self.budget, n_rows)
        n_first, n_audit = round(budget * self.first), round(budget * self.audit)
        between = budget - n_first - n_audit
        if n_first < 2 or between < self.n_batches:
            raise ConfigError(
                f"a budget of {budget} molecules is too small: {n_first} in the first sample, "
                f"{n_audit} in the audit and {between} for {self.n_batches} batches; evaluate more"
            )
        ends = np.round(np.linspace(0, between, self.n_batches + 1)).astype(int)
        return [n_first, *np.diff(ends).tolist(), n_audit]


class Search:
    """A search whose library is in memory.

    Args:
        bits: features of the library, of n molecules.
        mol_ids: (n,), which decide between equals.
        score: makes scores of quantities, larger is better; NaN for what can be no candidate.
        settings: see there.
    """

    def __init__(
        self, bits: Bits, mol_ids: Sequence[str], score: Scorer, settings: SearchSettings
    ) -> None:
        self._mol_ids, self._score, self._settings = mol_ids, score, settings
        self._sizes = settings.sizes(len(bits))
        everything = np.arange(len(bits))
        order = np.argsort(keys(everything, settings.seed, FIRST), kind="stable")
        sample = bits.take(order[:N_FOR_PROJECTION])
        self._project = Projection.of(sample, settings.surrogate.n_dims, settings.seed)
        parts = [
            self._project(bits.take(everything[start : start + CHUNK]))
            for start in range(0, len(bits), CHUNK)
        ]
        self._points = np.concatenate(parts)
        self._batches: list[IntArray] = []
        self._targets: list[FloatArray] = []
        self._audit: Audit | None = None

    @property
    def rows(self) -> IntArray:
        """Rows evaluated so far, in the order in which they were asked for."""
        return np.concatenate([np.empty(0, np.int64), *self._batches])

    def ask(self) -> IntArray:
        """Rows of the next batch; empty when the budget is spent."""
        number = len(self._batches)
        if number == len(self._sizes) or self._sizes[number] == 0:
            return np.empty(0, np.int64)
        seed, size = self._settings.seed, self._sizes[number]
        if number == FIRST:
            return np.argsort(keys(np.arange(len(self._points)), seed, FIRST), kind="stable")[:size]
        surrogate, left = self._fitted(), self._left()
        if number == len(self._sizes) - 1:
            predicted = np.concatenate(
                [self._score(self._predict(surrogate, rows).mean) for rows in _chunks(left)]
            )
            self._audit = draw_audit(predicted, left, keys(left, seed, len(self._sizes)), size)
            return self._audit.rows
        settings = self._settings.acquisition
        chooser = Chooser(size, settings.exploration, seed, number)
        for rows in _chunks(left):
            found = self._predict(surrogate, rows)
            of_members = np.stack([self._score(member) for member in found.members])
            values = acquisition_values(
                self._score(found.mean), of_members, rows, settings, seed, number
            )
            chooser.add(values, [self._mol_ids[row] for row in rows], rows)
        return chooser.rows()

    def tell(self, rows: IntArray, targets: FloatArray) -> None:
        """Quantities (n, n_quantities) of the rows that were asked for."""
        self._batches.append(rows)
        self._targets.append(targets)

    def recall(self) -> RecallEstimate:
        """The recall of the best `top_n`, from the audit.

        Raises:
            ConfigError: the audit has not been evaluated.
        """
        if self._audit is None or len(self._batches) < len(self._sizes):
            raise ConfigError("the recall is known once the audit sample is evaluated")
        scores = self._score(np.concatenate(self._targets))
        n_audit = len(self._audit.rows)
        return estimate_recall(
            scores, self._audit, scores[-n_audit:], self._settings.top_n, self._settings.seed
        )

    def _left(self) -> IntArray:
        left = np.ones(len(self._points), dtype=bool)
        left[self.rows] = False
        return np.flatnonzero(left)

    def _fitted(self) -> Surrogate:
        rows, targets = self.rows, np.concatenate(self._targets)
        known = np.isfinite(targets).all(axis=1)
        return fit_surrogate(
            self._points[rows[known]],
            targets[known],
            self._score(targets[known]),
            self._settings.surrogate,
            self._settings.seed,
        )

    def _predict(self, surrogate: Surrogate, rows: IntArray) -> Prediction:
        return surrogate.predict(self._points[rows])


def _chunks(rows: IntArray) -> list[IntArray]:
    return [rows[start : start + CHUNK] for start in range(0, len(rows), CHUNK)]
