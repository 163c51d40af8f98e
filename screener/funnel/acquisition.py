"""Which molecules are evaluated next: by predicted score, with a share left to chance.

A library goes by in chunks, and what is kept of it is no more than a batch. Equal values are
ordered by `mol_id`: molecules with the same features, stereoisomers for one, are no accident.
"""

from collections.abc import Sequence
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat

from screener.funnel.draws import keys
from screener.ranking.topk import TopK

FloatArray = NDArray[np.float64]
LOWEST = -np.finfo(np.float64).max  # where there is no score: behind all others, but still there


class AcquisitionSettings(BaseModel):
    """How a batch is chosen.

    Args:
        rule: `greedy`, the score of the mean prediction; `ucb`, the members' mean score and
            `beta` times their standard deviation; `thompson`, the score by one member, drawn anew
            for each molecule and batch.
        exploration: share of each batch drawn from all that is left, each with the same
            probability.
        beta: only for `ucb`.
    References:
        Graff, Shakhnovich and Coley, Chem. Sci. 12, 7866 (2021).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    rule: Literal["greedy", "ucb", "thompson"] = "greedy"
    exploration: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.05
    beta: NonNegativeFloat = 1.0


def acquisition_values(
    of_mean: FloatArray,
    of_members: FloatArray,
    rows: NDArray[np.int64],
    settings: AcquisitionSettings,
    seed: int,
    purpose: int,
) -> FloatArray:
    """How much each molecule should be evaluated, larger is sooner.

    Args:
        of_mean: float64 (n,), the score of the mean prediction.
        of_members: float64 (n_members, n), the score of each member's prediction.
        rows: int64 (n,), row numbers; with the seed they decide which member is drawn.
        settings: see there.
        seed: of the run.
        purpose: of the batch.
    Returns:
        float64 (n,), finite; where there is no score, `LOWEST`.
    """
    if settings.rule == "greedy":
        found = of_mean
    elif settings.rule == "ucb":
        found = of_members.mean(axis=0) + settings.beta * of_members.std(axis=0)
    else:
        drawn = (keys(rows, seed, purpose) * len(of_members)).astype(np.int64)
        found = of_members[drawn, np.arange(len(rows))]
    return np.where(np.isfinite(found), found, LOWEST)


def best_of(values: FloatArray, mol_ids: Sequence[str], rows: NDArray[np.int64], k: int) -> TopK:
    """The k largest of a chunk, as `TopK.from_arrays` gives them, in less time."""
    if len(values) <= k:
        return TopK.from_arrays(values, mol_ids, rows, k)
    least = np.partition(values, len(values) - k)[len(values) - k]
    near = np.flatnonzero(values >= least)
    return TopK.from_arrays(values[near], [mol_ids[i] for i in near.tolist()], rows[near], k)


class Chooser:
    """Chooses one batch from chunks in any order.

    Args:
        size: of the batch; a smaller library gives all it has.
        exploration: share of it that is drawn.
        seed: of the run.
        purpose: of the batch.
    """

    def __init__(self, size: int, exploration: float, seed: int, purpose: int) -> None:
        self._size, self._seed, self._purpose = size, seed, purpose
        self._n_drawn = round(size * exploration)
        self._best, self._drawn = TopK(size), TopK(size)

    def add(self, values: FloatArray, mol_ids: Sequence[str], rows: NDArray[np.int64]) -> None:
        """A chunk of molecules that can be chosen, with their `acquisition_values`."""
        self._best = self._best.merge(best_of(values, mol_ids, rows, self._size))
        drawn = -keys(rows, self._seed, self._purpose)
        self._drawn = self._drawn.merge(best_of(drawn, mol_ids, rows, self._size))

    def rows(self) -> NDArray[np.int64]:
        """int64, best first, those drawn at the end."""
        best = self._best.rows[: self._size - self._n_drawn]
        drawn = self._drawn.rows
        return np.concatenate([best, drawn[~np.isin(drawn, best)][: self._n_drawn]])
