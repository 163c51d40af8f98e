"""Which molecules are evaluated next: by predicted score, with a share left to chance.

A library goes by in chunks, and what is kept of it is no more than a batch. Equal values are
ordered by `mol_id`: molecules with the same features, stereoisomers for one, are no accident.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from screener.funnel.draws import keys
from screener.funnel.prediction import Prediction, Scorer
from screener.funnel.settings import AcquisitionSettings

FloatArray = NDArray[np.float64]
LOWEST = -np.finfo(np.float64).max  # where there is no score: behind all others, but still there


def acquisition_values(
    predicted: Prediction,
    scorer: Scorer,
    rows: NDArray[np.int64],
    settings: AcquisitionSettings,
    seed: int,
    purpose: int,
    origin: float,
) -> FloatArray:
    """How much each molecule should be evaluated, larger is sooner.

    Where it is not certain that a molecule will turn out to be a candidate, what counts of its
    score's lead over a poor molecule is the part that is to be expected.

    Args:
        predicted: predictions of n molecules.
        scorer: makes scores of them.
        rows: int64 (n,), row numbers; with the seed they decide which member is drawn.
        settings: see there.
        seed: of the run.
        purpose: of the batch.
        origin: score of a poor molecule.
    Returns:
        float64 (n,), finite; where there is no score, `LOWEST`.
    """
    if settings.rule == "greedy":
        values = scorer.score(predicted.mean)
    elif settings.rule == "ucb":
        of_members = np.stack([scorer.score(member) for member in predicted.members])
        values = of_members.mean(axis=0) + settings.beta * of_members.std(axis=0)
    else:
        drawn = (keys(rows, seed, purpose) * len(predicted.members)).astype(np.int64)
        values = scorer.score(predicted.members[drawn, np.arange(len(rows))])
    likely = _likely(predicted, scorer)
    if likely is not None:
        lead = values - origin
        values = np.where(lead > 0.0, lead * likely, lead)
    return np.where(np.isfinite(values), values, LOWEST)


def origin_of(scores: FloatArray) -> float:
    """Score of a poor molecule: the lowest tenth of a random sample's; 0 if none has any."""
    known = scores[np.isfinite(scores)]
    return float(np.quantile(known, 0.1)) if len(known) else 0.0


def expected_above(predicted: Prediction, scorer: Scorer, threshold: float) -> float:
    """How many of the molecules are expected to be candidates with a higher score.

    Args:
        predicted: of (n,) molecules: means, and draws of the ensemble.
        scorer: from predicted quantities to scores.
        threshold: score that counts.
    Returns:
        the sum of probabilities, at most n.
    """
    above = np.zeros(len(predicted.mean))
    for member in predicted.members:
        is_above = scorer.score(member) > threshold
        if scorer.allows is not None:
            is_above &= scorer.allows(member)
        above += is_above
    if predicted.success is not None:
        above *= predicted.success
    return float(above.sum()) / len(predicted.members)


def _likely(predicted: Prediction, scorer: Scorer) -> FloatArray | None:
    """How likely each is to be a candidate; None where all are."""
    if scorer.allows is None:
        return predicted.success
    n_allowed = np.sum([scorer.allows(member) for member in predicted.members], axis=0)
    # by Jeffreys' prior: a few members prove nothing
    share: FloatArray = (n_allowed + 0.5) / (len(predicted.members) + 1)
    return share if predicted.success is None else share * predicted.success


class Chooser:
    """Chooses one batch from chunks in any order; keeps no more than a batch of them.

    Args:
        size: of the batch; a smaller library gives all it has.
        exploration: share of it that is drawn.
        seed: of the run.
        purpose: of the batch.
    """

    def __init__(self, size: int, exploration: float, seed: int, purpose: int) -> None:
        self._size, self._seed, self._purpose = size, seed, purpose
        self._n_drawn = round(size * exploration)
        self._best, self._drawn = _First(size), _First(size)

    def add(
        self, values: FloatArray, mol_ids: Sequence[str] | NDArray[Any], rows: NDArray[np.int64]
    ) -> None:
        """A chunk of molecules that can be chosen.

        Args:
            values: float64 (n,), their `acquisition_values`.
            mol_ids: (n,), of one type in all chunks.
            rows: int64 (n,).
        """
        names = np.asarray(mol_ids)
        self._best.add(-values, names, rows)
        self._drawn.add(keys(rows, self._seed, self._purpose), names, rows)

    def rows(self) -> NDArray[np.int64]:
        """int64, best first, those drawn at the end."""
        best = self._best.rows()[: self._size - self._n_drawn]
        drawn = self._drawn.rows()
        return np.concatenate([best, drawn[~np.isin(drawn, best)][: self._n_drawn]])


class _First:
    """The first `size` molecules by a number, of equal ones by `mol_id`."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._numbers = np.empty(0)
        self._mol_ids: NDArray[Any] = np.empty(0, dtype="U1")
        self._rows = np.empty(0, np.int64)

    def add(self, numbers: FloatArray, mol_ids: NDArray[Any], rows: NDArray[np.int64]) -> None:
        if len(self._numbers):
            numbers = np.concatenate([self._numbers, numbers])
            mol_ids = np.concatenate([self._mol_ids, mol_ids])
            rows = np.concatenate([self._rows, rows])
        if len(numbers) > self._size:
            limit = np.partition(numbers, self._size - 1)[self._size - 1]
            near = np.flatnonzero(numbers <= limit)
            numbers, mol_ids, rows = numbers[near], mol_ids[near], rows[near]
        if len(numbers) > self._size:  # only equals are too many, and now they are told apart
            first = np.lexsort((rows, mol_ids, numbers))[: self._size]
            numbers, mol_ids, rows = numbers[first], mol_ids[first], rows[first]
        self._numbers, self._mol_ids, self._rows = numbers, mol_ids, rows

    def rows(self) -> NDArray[np.int64]:
        """int64, the first of them first."""
        return self._rows[np.lexsort((self._rows, self._mol_ids, self._numbers))]
