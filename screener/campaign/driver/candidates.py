"""The candidates of a campaign's search: rows of `2d`, in parts that workers look at.

What comes to this process is some bytes for each part and rows of the order of a batch, however
large the library is: sketches of the values of all parts give a floor, and only what is above it
is sent. What is chosen does not depend on the parts, nor on the order in which they answer.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from distributed import Client
from numpy.typing import NDArray

from screener.campaign.settings.stage import CampaignStage
from screener.campaign.tasks import fitting, rating
from screener.campaign.tasks.fitting import Fitted
from screener.campaign.tasks.rating import Offer, Part, Rated
from screener.campaign.tasks.searching import SearchJob
from screener.errors import ConfigError
from screener.execution.tasks import Task, run_tasks
from screener.funnel.acquisition import Chooser
from screener.funnel.draws import keys
from screener.funnel.projection import N_FOR_PROJECTION
from screener.funnel.recall import Audit, allocated, audit_of_strata, first_by_key, strata_sizes
from screener.funnel.selection import Bracket, floor_of, key_limit, splits_at
from screener.funnel.settings import SearchSettings
from screener.funnel.surrogate import parts_of

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

PART_ROWS = 16_384  # that the surrogate predicts in one task


class CampaignCandidates:
    """See `screener.funnel.search.Candidates`.

    Args:
        stage: whose rows are searched for.
        client: connected.
        n_candidates: how many rows of `2d` can be chosen.
    """

    def __init__(self, stage: CampaignStage, client: Client, n_candidates: int) -> None:
        assert stage.setup.funnel is not None
        self._settings: SearchSettings = stage.setup.funnel
        self._stage, self._client, self._n_candidates = stage, client, n_candidates
        self._job = SearchJob(stage.folder.url, stage.setup.compute_digest)
        plan = stage.previous.plan
        size = max(1, PART_ROWS // plan.unit_rows)
        self._parts = [
            range(start, min(start + size, plan.n_units)) for start in range(0, plan.n_units, size)
        ]
        self._rows_each = size * plan.unit_rows
        self._projection: str | None = None
        self._fitted: Fitted | None = None

    def draw(self, n: int) -> IntArray:
        """See `Candidates`."""
        limit = key_limit(n, self._n_candidates)
        while True:
            drawn = self._of_parts("draw", rating.draw, [(units, limit) for units in self._parts])
            rows = np.concatenate([rows for rows, _ in drawn])
            if len(rows) >= min(n, self._n_candidates) or limit >= 1.0:
                return first_by_key(rows, np.concatenate([order for _, order in drawn]), n)
            limit *= 2.0

    def scores(self, number: int, rows: IntArray) -> FloatArray:
        """Scores of a batch, all of whose rows are evaluated.

        Args:
            number: of the batch.
            rows: int64 (n,), as chosen.
        Returns:
            float64 (n,), NaN for those that turned out to be no candidates.
        """
        parts = [(number, part) for part in range(fitting.n_parts(len(rows)))]
        self._of_parts(f"gather-{number:05d}", fitting.gather, parts)
        return fitting.scores_of_batch(self._stage.folder, number, rows)

    def fit(self, number: int) -> None:
        """See `Candidates`."""
        if self._projection is None:
            sample = self.draw(N_FOR_PROJECTION)
            (self._projection,) = self._of_parts("project", fitting.project, [(sample,)])
        name, projection = f"fit-{number:05d}", self._projection
        (basis,) = self._of_parts(f"{name}-basis", fitting.fit_basis, [(number, projection)])
        n_evaluated = sum(map(len, self._stage.plan.batches[:number]))
        parts = range(len(parts_of(n_evaluated)))
        arguments = [(number, projection, basis, part) for part in parts]
        moments = self._of_parts(f"{name}-moments", fitting.fit_moments, arguments)
        solution = (number, basis, tuple(moments))
        (checksum,) = self._of_parts(f"{name}-solution", fitting.fit_solution, [solution])
        self._stage.folder.remove(fitting.fit_folder(number))
        self._fitted = Fitted(number, checksum, projection)

    def choose(self, number: int, taken: IntArray, size: int) -> IntArray:
        """See `Candidates`.

        Args:
            number: of the batch that the surrogate was fitted for.
            taken: int64, ascending, rows that were chosen before.
            size: of the batch.
        Returns:
            int64 (size,), best first; fewer where fewer are left.
        Raises:
            ConfigError: no molecule is left to choose from.
        """
        settings, parts = self._settings, self._parts_without(taken)
        rated = self._rated(number, parts, is_audit=False)
        n_left = sum(each.sketch.n for each in rated)
        if n_left == 0:
            raise ConfigError("no molecule is left to choose from")
        floor = floor_of([each.sketch for each in rated], size)
        share = settings.acquisition.exploration
        # as many as a batch, since the best of it may be among those that are drawn
        limit = key_limit(size, n_left) if share > 0.0 else 0.0
        while True:
            arguments = [
                (self._fitted, part, each.checksum, floor, limit)
                for part, each in zip(parts, rated, strict=True)
            ]
            offers: list[Offer] = self._of_parts(f"offer-{number:05d}", rating.offer, arguments)
            rows = np.concatenate([each.rows for each in offers])
            n_early = np.count_nonzero(keys(rows, settings.seed, number) <= limit)
            if share == 0.0 or n_early >= min(size, n_left) or limit >= 1.0:
                break
            limit *= 2.0
        chooser = Chooser(size, share, settings.seed, number)
        chooser.add(
            np.concatenate([each.values for each in offers]),
            np.concatenate([each.mol_ids for each in offers]),
            rows,
        )
        self._stage.folder.remove(rating.values_folder(number))
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
        ascending = np.sort(rows)
        arguments = [
            (self._fitted, some, threshold)
            for index in range(len(self._parts))
            if len(some := self._within(ascending, index))
        ]
        return float(sum(self._of_parts(f"gain-{number:05d}", rating.gain, arguments)))

    def audit(self, number: int, taken: IntArray, n: int, purpose: int) -> Audit:
        """See `Candidates`; the strata are those of `draw_audit`.

        Args:
            number: of the batch that the surrogate was fitted for.
            taken: int64, ascending, rows that were evaluated.
            n: how many rows to draw.
            purpose: another one draws other rows.
        Returns:
            the rows drawn, with their strata and the sizes of these.
        """
        parts = self._parts_without(taken)
        rated = self._rated(number, parts, is_audit=True)
        sizes = strata_sizes(sum(each.sketch.n for each in rated))
        n_sampled = allocated(sizes, n)
        ends = self._ends(number, parts, rated, sizes)
        limits = [key_limit(k, size) for k, size in zip(n_sampled, sizes.tolist(), strict=True)]
        while True:
            arguments = [
                (self._fitted, part, each.checksum, tuple(of_part), tuple(limits), purpose)
                for part, each, of_part in zip(parts, rated, ends.tolist(), strict=True)
            ]
            samples = self._of_parts(f"audit-{number:05d}", rating.sample, arguments)
            drawn = [
                tuple(np.concatenate(arrays) for arrays in zip(*of_stratum, strict=True))
                for of_stratum in zip(*samples, strict=True)
            ]
            short = [len(rows) < k for (rows, _), k in zip(drawn, n_sampled, strict=True)]
            if not any(short):
                break
            limits = [
                2.0 * limit if is_short else limit
                for limit, is_short in zip(limits, short, strict=True)
            ]
        self._stage.folder.remove(rating.values_folder(number))
        chosen = [
            first_by_key(rows, order, k)
            for (rows, order), k in zip(drawn, n_sampled.tolist(), strict=True)
        ]
        return audit_of_strata(chosen, sizes)

    def _ends(
        self, number: int, parts: Sequence[Part], rated: Sequence[Rated], sizes: IntArray
    ) -> IntArray:
        """Where the strata end in each part.

        Args:
            number: of the surrogate.
            parts: of `2d`.
            rated: what they say of their values.
            sizes: int64 (n_strata,), rows of each stratum.
        Returns:
            int64 (n_parts, n_strata), how many of the best rows of a part belong to a stratum or
            to a better one.
        """
        sketches = [each.sketch for each in rated]
        n_left = [each.n for each in sketches]
        ranks = np.cumsum(sizes)[:-1]
        inner = [rank for rank in dict.fromkeys(ranks.tolist()) if 0 < rank < sum(n_left)]
        brackets = tuple(Bracket.of(sketches, rank) for rank in inner)
        arguments = [
            (self._fitted, part, each.checksum, brackets)
            for part, each in zip(parts, rated, strict=True)
        ]
        inside = self._of_parts(f"strata-{number:05d}", rating.bracketed, arguments)
        splits = {0: np.zeros(len(parts), dtype=np.int64), sum(n_left): np.array(n_left)}
        for place, rank in enumerate(inner):
            splits[rank] = splits_at([of_part[place] for of_part in inside], rank)
        return np.column_stack([splits[rank] for rank in [*ranks.tolist(), sum(n_left)]])

    def _rated(self, number: int, parts: Sequence[Part], *, is_audit: bool) -> list[Rated]:
        assert self._fitted is not None
        self._stage.folder.remove(rating.values_folder(number))  # of a choice that was cut off
        arguments = [(self._fitted, part, is_audit) for part in parts]
        return self._of_parts(f"rate-{number:05d}", rating.rate, arguments)

    def _parts_without(self, taken: IntArray) -> list[Part]:
        return [
            Part(index, units, self._within(taken, index))
            for index, units in enumerate(self._parts)
        ]

    def _within(self, ascending: IntArray, index: int) -> IntArray:
        """Those of some rows that are in a part."""
        start = index * self._rows_each
        first, last = np.searchsorted(ascending, [start, start + self._rows_each])
        return ascending[first:last]

    def _of_parts(
        self, name: str, function: Callable[..., Any], arguments: Sequence[tuple[Any, ...]]
    ) -> list[Any]:
        """What a function answers for each of the arguments, in their order.

        Args:
            name: of the tasks.
            function: of `screener.campaign.tasks`; takes the job first.
            arguments: of each task, after the job.
        """

        def tasks() -> Iterator[Task]:
            for place, each in enumerate(arguments):
                yield Task(f"{name}-{place:08d}", function, (self._job, *each), "CPU")

        places = {f"{name}-{place:08d}": place for place in range(len(arguments))}
        answers: list[Any] = [None] * len(arguments)
        for completed in run_tasks(self._client, tasks()):
            answers[places[completed.task.name]] = completed.result
        return answers
