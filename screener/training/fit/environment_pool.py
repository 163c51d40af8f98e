"""Projected environments of many structures, by several processes.

Representations run on one thread whatever the machine has, and they are most of what a fit of
100,000 molecules does before its first matrix product. Chunks are cut as one process would cut
them, so that the numbers do not depend on how many there are.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import torch
from threadpoolctl import threadpool_limits

from screener.models.fchl.metric import Metric
from screener.models.fchl.projection import Projected, Projection
from screener.models.fchl.representation import environments
from screener.records import Structure
from screener.waiting import waiting

_STARTING = "They import torch first; `top` shows whether they are at work."
_of_process: list[tuple[Metric, Projection]] = []


def projected_chunks(
    structures: Sequence[Structure],
    metric: Metric,
    projection: Projection,
    chunk: int,
    workers: int,
) -> Iterator[Projected]:
    """Projected environments of `chunk` structures at a time, in order.

    Args:
        structures: of elements that the representation knows.
        metric: that environments are scaled with.
        projection: of the scaled environments.
        chunk: structures that are projected together.
        workers: processes; with 1 the calling one does it.
    Returns:
        one part for each chunk.
    """
    chunks = (structures[start : start + chunk] for start in range(0, len(structures), chunk))
    if workers == 1:
        yield from (
            projection.apply(metric.scaled(environments(some, metric.elements))) for some in chunks
        )
        return
    with ProcessPoolExecutor(
        workers, get_context("spawn"), initializer=_start, initargs=(metric, projection)
    ) as pool:
        parts = pool.map(_projected, chunks)
        while True:
            with waiting("processes that compute representations of structures", _STARTING):
                part = next(parts, None)
            if part is None:
                return
            yield part


def _start(metric: Metric, projection: Projection) -> None:
    torch.set_num_threads(1)
    threadpool_limits(1)
    _of_process[:] = [(metric, projection)]


def _projected(structures: Sequence[Structure]) -> Projected:
    metric, projection = _of_process[0]
    return projection.apply(metric.scaled(environments(structures, metric.elements)))
