"""Scores from a surrogate's predictions: the columns that it learns, and what they are worth."""

from collections.abc import Iterable

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from screener.funnel.prediction import Scorer
from screener.ranking.columns import STRUCTURAL_COLUMNS, inputs_of, inputs_of_column
from screener.ranking.objectives import RankingSettings
from screener.ranking.score import score_table
from screener.stores.predictions import KEY_COLUMNS, SIZE_COLUMNS

FloatArray = NDArray[np.float64]

_ENDS = ("_lo90", "_hi90")


def learnt(
    settings: RankingSettings, columns: Iterable[str], own: Iterable[str]
) -> tuple[str, ...]:
    """The columns that a surrogate has to learn: what the settings read and no drawing tells.

    Args:
        settings: what is asked.
        columns: of the stage's predictions.
        own: the caller's among them.
    Returns:
        names in a fixed order; with the ends of their intervals where these are read.
    """
    known = {*KEY_COLUMNS, *SIZE_COLUMNS, *STRUCTURAL_COLUMNS, *own}
    predicted = set(columns) - known
    names = [name for name in inputs_of(settings, columns) if name in predicted]
    if settings.by == "value":
        return tuple(names)
    with_ends = (name + end for name in names for end in ("", *_ENDS))
    return tuple(name for name in with_ends if name in predicted)


class TableScorer:
    """Scores of molecules of which some columns are known and the others predicted.

    Args:
        known: (n,) rows of the stage `2d`.
        quantities: names of what is predicted, in the order of the surrogate's.
        settings: what is asked.
    """

    def __init__(
        self, known: pa.Table, quantities: tuple[str, ...], settings: RankingSettings
    ) -> None:
        self._known, self._quantities, self._settings = known, quantities, settings
        self._unlimited = settings
        if settings.by != "probability":  # of which constraints are a part
            self._unlimited = settings.model_copy(update={"constraints": ()})

    @property
    def scorer(self) -> Scorer:
        """For the rows of the table, all of them and in its order."""
        limited = self._unlimited is not self._settings and any(
            set(inputs_of_column(each.column, self._quantities)) & set(self._quantities)
            for each in self._settings.constraints
        )
        return Scorer(self._score, self._allows if limited else None)

    def _score(self, quantities: FloatArray) -> FloatArray:
        return score_table(self._with(quantities), self._unlimited).score

    def _allows(self, quantities: FloatArray) -> NDArray[np.bool_]:
        allowed: NDArray[np.bool_] = np.isfinite(
            score_table(self._with(quantities), self._settings).score
        )
        return allowed

    def _with(self, quantities: FloatArray) -> pa.Table:
        table = self._known
        for name, values in zip(self._quantities, quantities.T, strict=True):
            table = table.append_column(name, pa.array(values, pa.float64()))
        return table
