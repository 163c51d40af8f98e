"""Passes over all rows of a stage, segment by segment: on workers where there are some.

A segment's answer is small: the best of it and sums, or numbers. Without a client the segments go
by one after the other here, so that memory does not grow with the stage either way.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from distributed import Client
from numpy.typing import NDArray

from screener.campaign.settings.stage import CampaignStage
from screener.execution.tasks import Task, run_tasks
from screener.execution.threads import one_thread
from screener.ranking.columns import stored_inputs
from screener.ranking.objectives import RankingSettings
from screener.ranking.row_status import Best, candidate_scores, widen
from screener.ranking.topk import Ranked, TopK
from screener.stores.stored_columns import StoredColumns

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Connect = Callable[[], AbstractContextManager[Client]]

N_ON_WORKERS = 500_000  # rows; fewer are looked at before workers have started


@dataclass(slots=True)
class Statuses:
    """What the rows of some segments are under a ranking.

    Args:
        best: the best candidates.
        counts: rows by status.
        filtered: rows by rule.
        left_out: objectives and constraints without a column.
        value_range: least and largest value of each objective among candidates, by column.
    """

    best: Best
    counts: Counter[str] = field(default_factory=Counter)
    filtered: Counter[str] = field(default_factory=Counter)
    left_out: set[str] = field(default_factory=set)
    value_range: dict[str, list[float]] = field(default_factory=dict)

    @property
    def top(self) -> TopK:
        """The best candidates, in order."""
        return self.best.top

    def merge(self, other: "Statuses") -> None:
        """Add the rows of other segments."""
        self.best.merge(other.best)
        self.counts.update(other.counts)
        self.filtered.update(other.filtered)
        self.left_out.update(other.left_out)
        widen(self.value_range, other.value_range)


def statuses(
    stage: CampaignStage, settings: RankingSettings, k: int, client: Client | None
) -> Statuses:
    """What all rows of a stage are under a ranking, and the best of them.

    Args:
        stage: finished.
        settings: the ranking.
        k: how many of the best.
        client: connected; None to look at the rows here.
    Returns:
        see `Statuses`.
    Raises:
        DamagedError: a file is missing or broken.
    """
    everything = Statuses(Best(settings, k))
    for part in over_segments(
        stage, client, statuses_of_segment, every_segment(stage, settings, k)
    ):
        everything.merge(part)
    return everything


def statuses_of_segment(
    stage: CampaignStage, number: int, settings: RankingSettings, k: int
) -> Statuses:
    """What the rows of one segment are; arguments as `statuses`.

    Args:
        stage: that is finished.
        number: of the segment in its plan.
        settings: the ranking.
        k: how many of the best are wanted.
    Returns:
        counts by status, and the best k.
    """
    one_thread()
    summary = Statuses(Best(settings, k))
    for stored in stage.stored_segment(number):
        status = stage.row_status(stored.predictions, settings)
        summary.best.add(stored.predictions, status)
        summary.counts.update(status.counts)
        summary.filtered.update(status.filtered)
        summary.left_out.update(status.left_out)
        widen(summary.value_range, status.value_range)
    return summary


def numbers_before(
    stage: CampaignStage,
    settings: RankingSettings,
    entries: Sequence[Ranked],
    client: Client | None,
) -> IntArray:
    """How many candidates of a stage come before each of some molecules.

    Of each segment the columns that scores are made of are read, and its `mol_id` only where a
    score is equal to one of theirs.

    Args:
        stage: finished, at which molecules are ranked.
        settings: the ranking, by a score.
        entries: the molecules.
        client: connected; None to look at the rows here.
    Returns:
        int64 (n_entries,).
    Raises:
        DamagedError: a file is missing or broken.
    """
    numbers = np.zeros(len(entries), dtype=np.int64)
    if len(entries):
        arguments = every_segment(stage, settings, tuple(entries))
        for part in over_segments(stage, client, numbers_before_in_segment, arguments):
            numbers += part
    return numbers


def numbers_before_in_segment(
    stage: CampaignStage, number: int, settings: RankingSettings, entries: tuple[Ranked, ...]
) -> IntArray:
    """How many candidates of one segment come before each of some molecules; see there.

    Args:
        stage: that is finished.
        number: of the segment in its plan.
        settings: the ranking.
        entries: the molecules, with their scores.
    Returns:
        int64 (n_entries,).
    """
    one_thread()
    scores = np.array([entry.score for entry in entries])
    numbers = np.zeros(len(entries), dtype=np.int64)
    for stored in stage.segment_columns(number):
        score, tie = stored_scores(stored, settings)
        ascending = np.sort(score[np.isfinite(score)])
        numbers += len(ascending) - np.searchsorted(ascending, scores, side="right")
        tied = np.isin(score, scores)
        if not tied.any():
            continue
        mol_ids = stored.read(["mol_id"])["mol_id"].filter(tied).to_pylist()
        equal = zip(score[tied].tolist(), tie[tied].tolist(), mol_ids, strict=True)
        for other, breaking, mol_id in equal:
            for place in np.flatnonzero(scores == other).tolist():
                entry = entries[place]
                numbers[place] += (-breaking, mol_id) < (-entry.tie, entry.mol_id)
    return numbers


def stored_scores(
    stored: StoredColumns, settings: RankingSettings
) -> tuple[FloatArray, FloatArray]:
    """Scores of rows and what orders equal ones; reads only the columns that these are made of.

    Args:
        stored: (n,) rows of predictions.
        settings: the ranking.
    Returns:
        see `candidate_scores`.
    """
    names = ["in_domain", *stored_inputs(settings, stored.names)]
    return candidate_scores(stored.read(list(dict.fromkeys(names))), settings)


def every_segment(stage: CampaignStage, *arguments: Any) -> dict[int, tuple[Any, ...]]:
    """The same arguments for each segment of a stage, as `over_segments` takes them."""
    return dict.fromkeys(range(stage.plan.n_segments), arguments)


def workers_of(
    stage: CampaignStage, connect: Connect | None
) -> AbstractContextManager[Client | None]:
    """For `with`: a client whose workers look at the rows of a stage, where it is large.

    Args:
        stage: whose rows are looked at.
        connect: gives a client; None to look at them here, one segment after the other.
    """
    is_large = stage.n_entering > N_ON_WORKERS
    return connect() if connect is not None and is_large else nullcontext()


def over_segments(
    stage: CampaignStage,
    client: Client | None,
    function: Callable[..., Any],
    arguments: Mapping[int, tuple[Any, ...]],
) -> Iterator[Any]:
    """What a function answers for segments of a stage.

    Args:
        stage: finished.
        client: connected; None to have them one by one here.
        function: is given the stage, the number of a segment, and further arguments.
        arguments: by the number of each segment that is wanted.
    Returns:
        the answers, in any order.
    Raises:
        DamagedError: a file is missing or broken.
    """
    if client is None:
        yield from (function(stage, number, *more) for number, more in arguments.items())
        return
    tasks = (
        Task(f"pass-{stage.name}-{number:08d}", function, (stage, number, *more), "CPU")
        for number, more in arguments.items()
    )
    yield from (completed.result for completed in run_tasks(client, tasks))
