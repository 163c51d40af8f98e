"""Candidates in memory: a search for whoever evaluates molecules in a way of their own.

candidates = InMemory(bits_of(smiles), mol_ids, Scorer(score), settings)
search = Search(candidates, settings, len(smiles))
while batch := search.ask():
    values = evaluate(batch.rows)
    candidates.tell(batch.rows, values)
    search.tell(batch, score(values))
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from screener.funnel.acquisition import Chooser, acquisition_values, expected_above, origin_of
from screener.funnel.draws import keys
from screener.funnel.features import Bits
from screener.funnel.prediction import Prediction, Scorer
from screener.funnel.projection import N_FOR_PROJECTION, Projection
from screener.funnel.recall import Audit, draw_audit
from screener.funnel.search import FIRST, FloatArray, IntArray
from screener.funnel.settings import AcquisitionSettings, SearchSettings
from screener.funnel.surrogate import Surrogate, fit_surrogate

CHUNK = 16384  # molecules that are predicted at once


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """Molecules of elsewhere that were evaluated before, at least two.

    Args:
        bits: features, of n molecules.
        targets: float64 (n, n_quantities), in the units of the search; a row of NaN has none.
    """

    bits: Bits
    targets: FloatArray


class InMemory:
    """All molecules of a library, see `screener.funnel.search.Candidates`.

    Args:
        bits: features, of n molecules.
        mol_ids: (n,), which decide between equals.
        scorer: makes scores of quantities.
        settings: of the search.
        before: what every fit learns from besides what is evaluated; the search is to know of it,
            `is_trained`.
    """

    def __init__(
        self,
        bits: Bits,
        mol_ids: Sequence[str],
        scorer: Scorer,
        settings: SearchSettings,
        before: Known | None = None,
    ) -> None:
        self._mol_ids, self._scorer, self._settings = mol_ids, scorer, settings
        self._points = np.empty((len(bits), 0), np.float32)
        sample = bits.take(self.draw(N_FOR_PROJECTION))
        project = Projection.of(sample, settings.surrogate.n_dims, settings.seed)
        everything = np.arange(len(bits))
        self._points = np.concatenate([project(bits.take(rows)) for rows in _chunks(everything)])
        # in the order of `_targets`
        self._evaluated = [] if before is None else [project(before.bits)]
        self._targets = [] if before is None else [before.targets]
        self._surrogate: Surrogate | None = None

    def draw(self, n: int) -> IntArray:
        """See `Candidates`."""
        everything = np.arange(len(self._points))
        return np.argsort(keys(everything, self._settings.seed, FIRST), kind="stable")[:n]

    def tell(self, rows: IntArray, targets: FloatArray) -> None:
        """Quantities (n, n_quantities) of rows that were evaluated; a row of NaN has none."""
        self._evaluated.append(self._points[rows])
        self._targets.append(targets)

    def fit(self, number: int) -> None:
        """See `Candidates`."""
        points, targets = np.concatenate(self._evaluated), np.concatenate(self._targets)
        scores = self._scorer.score(targets)
        settings = self._settings
        self._surrogate = fit_surrogate(points, targets, scores, settings.surrogate, settings.seed)

    def choose(self, number: int, taken: IntArray, size: int) -> IntArray:
        """See `Candidates`.

        Args:
            number: of the batch that the surrogate was fitted for.
            taken: int64, ascending, rows that were chosen before.
            size: of the batch.
        Returns:
            int64 (size,), best first.
        """
        settings = self._settings
        chooser = Chooser(size, settings.acquisition.exploration, settings.seed, number)
        for rows, prediction in self._left(taken):
            values = self._values(prediction, rows, settings.acquisition, number)
            chooser.add(values, [self._mol_ids[row] for row in rows], rows)
        return chooser.rows()

    def gain(self, number: int, rows: IntArray, threshold: float) -> float:
        """See `Candidates`.

        Args:
            number: of the batch that the surrogate was fitted for.
            rows: int64 (n,).
            threshold: score that counts.
        Returns:
            expected number of rows above it.
        """
        return expected_above(self._predict(rows), self._scorer, threshold)

    def audit(self, number: int, taken: IntArray, n: int, purpose: int) -> Audit:
        """See `Candidates`.

        Args:
            number: of the batch that the surrogate was fitted for.
            taken: int64, ascending, rows that were evaluated.
            n: how many rows to draw.
            purpose: another one draws other rows.
        Returns:
            the rows drawn, with their strata.
        """
        parts = [
            (rows, self._values(prediction, rows, AcquisitionSettings(), number))
            for rows, prediction in self._left(taken)
        ]
        rows = np.concatenate([np.empty(0, np.int64), *(rows for rows, _ in parts)])
        values = np.concatenate([np.empty(0), *(values for _, values in parts)])
        return draw_audit(values, rows, keys(rows, self._settings.seed, purpose), n)

    def _left(self, taken: IntArray) -> Iterator[tuple[IntArray, Prediction]]:
        left = np.ones(len(self._points), dtype=bool)
        left[taken] = False
        for rows in _chunks(np.flatnonzero(left)):
            yield rows, self._predict(rows)

    def _predict(self, rows: IntArray) -> Prediction:
        assert self._surrogate is not None
        return self._surrogate.predict(self._points[rows])

    def _values(
        self, prediction: Prediction, rows: IntArray, settings: AcquisitionSettings, number: int
    ) -> FloatArray:
        origin = origin_of(self._scorer.score(self._targets[0]))  # the least chosen of all
        return acquisition_values(
            prediction, self._scorer, rows, settings, self._settings.seed, number, origin
        )


def _chunks(rows: IntArray) -> list[NDArray[np.int64]]:
    return [rows[start : start + CHUNK] for start in range(0, len(rows), CHUNK)]
